use gemm::Parallelism;

use super::functions::slope;
use super::{Real, share};
use crate::model::Activation;

/// gradient = gradient ⊙ f′, with f′ found from f's output or input.
pub(super) fn activation_gradient<T: Real>(
    function: Activation,
    kept: &[T],
    gradient: &mut [T],
    parallelism: Parallelism,
) {
    if function == Activation::Identity {
        return;
    }
    let f = slope(function);
    share::rows(gradient, 1, parallelism, |first, gradient| {
        let pairs = gradient.iter_mut().zip(&kept[first..]);
        share::wide(|| match function {
            Activation::Relu => {
                pairs.for_each(|(g, &a)| *g *= if a > T::zero() { T::one() } else { T::zero() });
            }
            Activation::Sigmoid => pairs.for_each(|(g, &a)| *g *= a * (T::one() - a)),
            Activation::Tanh => pairs.for_each(|(g, &a)| *g *= T::one() - a * a),
            _ => pairs.for_each(|(g, &kept)| *g *= f(kept)),
        });
    });
}
