use super::Real;
use super::functions::slope;
use crate::model::Activation;

/// gradient = gradient ⊙ f′, with f′ found from f's output or input.
pub(super) fn activation_gradient<T: Real>(function: Activation, kept: &[T], gradient: &mut [T]) {
    let pairs = gradient.iter_mut().zip(kept);
    match function {
        Activation::Identity => {}
        Activation::Relu => {
            pairs.for_each(|(g, &a)| *g *= if a > T::zero() { T::one() } else { T::zero() });
        }
        Activation::Sigmoid => pairs.for_each(|(g, &a)| *g *= a * (T::one() - a)),
        Activation::Tanh => pairs.for_each(|(g, &a)| *g *= T::one() - a * a),
        _ => {
            let f = slope(function);
            pairs.for_each(|(g, &kept)| *g *= f(kept));
        }
    }
}
