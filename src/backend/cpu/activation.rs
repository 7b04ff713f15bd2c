use gemm::Parallelism;

use super::functions::{relu, value};
use super::{Real, share};
use crate::model::Activation;

/// output = f(input)
pub(super) fn activation<T: Real>(
    function: Activation,
    input: &[T],
    output: &mut [T],
    parallelism: Parallelism,
) {
    share::rows(output, 1, parallelism, |first, output| {
        let pairs = output.iter_mut().zip(&input[first..]);
        match function {
            Activation::Identity => pairs.for_each(|(out, &z)| *out = z),
            Activation::Relu => share::wide(|| pairs.for_each(|(out, &z)| *out = relu(z))),
            _ => {
                let f = value(function);
                pairs.for_each(|(out, &z)| *out = f(z));
            }
        }
    });
}

/// f(z + bias) in place: a fused forward op's epilogue.
pub(super) fn bias_activation<T: Real>(
    function: Activation,
    bias: &[T],
    values: &mut [T],
    parallelism: Parallelism,
) {
    let f = value(function);
    share::rows(values, bias.len(), parallelism, |_, values| {
        share::wide(|| {
            for row in values.chunks_exact_mut(bias.len()) {
                let pairs = row.iter_mut().zip(bias);
                match function {
                    Activation::Identity => pairs.for_each(|(z, &b)| *z += b),
                    Activation::Relu => pairs.for_each(|(z, &b)| *z = relu(*z + b)),
                    _ => pairs.for_each(|(z, &b)| *z = f(*z + b)),
                }
            }
        });
    });
}
