use super::Real;
use crate::model::Activation;

/// output = f(input)
pub(super) fn activation<T: Real>(function: Activation, input: &[T], output: &mut [T]) {
    let pairs = output.iter_mut().zip(input);
    match function {
        Activation::Identity => pairs.for_each(|(out, &z)| *out = z),
        Activation::Relu => pairs.for_each(|(out, &z)| *out = relu(z)),
        Activation::Sigmoid => pairs.for_each(|(out, &z)| *out = sigmoid(z)),
        Activation::Tanh => pairs.for_each(|(out, &z)| *out = z.tanh()),
    }
}

/// f(z + bias) in place: a fused forward op's epilogue.
pub(super) fn bias_activation<T: Real>(function: Activation, bias: &[T], values: &mut [T]) {
    for row in values.chunks_exact_mut(bias.len()) {
        let pairs = row.iter_mut().zip(bias);
        match function {
            Activation::Identity => pairs.for_each(|(z, &b)| *z += b),
            Activation::Relu => pairs.for_each(|(z, &b)| *z = relu(*z + b)),
            Activation::Sigmoid => pairs.for_each(|(z, &b)| *z = sigmoid(*z + b)),
            Activation::Tanh => pairs.for_each(|(z, &b)| *z = (*z + b).tanh()),
        }
    }
}

/// max(z, 0); a NaN stays one.
fn relu<T: Real>(z: T) -> T {
    if z < T::zero() { T::zero() } else { z }
}

/// 1 / (1 + e^−z), with the exponential of a number that is never positive: no overflow at either end.
pub(super) fn sigmoid<T: Real>(z: T) -> T {
    let e = (-z.abs()).exp();
    let top = if z >= T::zero() { T::one() } else { e };
    top / (T::one() + e)
}
