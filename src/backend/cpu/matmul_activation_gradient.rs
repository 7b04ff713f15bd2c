use gemm::Parallelism;

use super::Real;
use super::activation_gradient::activation_gradient;
use super::matmul::{Factor, matmul};
use crate::model::Activation;

/// output = (a·b) ⊙ f′, with f′ found from f's output or input.
pub(super) fn matmul_activation_gradient<T: Real>(
    a: Factor<T>,
    b: Factor<T>,
    function: Activation,
    kept: &[T],
    output: &mut [T],
    parallelism: Parallelism,
) {
    matmul(a, b, false, output, parallelism);
    activation_gradient(function, kept, output, parallelism);
}
