use super::Real;
use super::activation::bias_activation;
use super::matmul::{Factor, matmul_then};
use super::team::Team;
use crate::model::Activation;

/// output = f(a·bᵀ + bias), b given as it is read.
pub(super) fn matmul_bias_activation<T: Real>(
    a: Factor<T>,
    b: Factor<T>,
    bias: &[T],
    function: Activation,
    output: &mut [T],
    team: &Team,
) {
    matmul_then(a, b, false, output, team, |mut part| {
        bias_activation(function, &bias[part.first_column..], part.rows());
    });
}
