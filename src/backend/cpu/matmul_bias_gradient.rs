use super::Real;
use super::bias_gradient::bias_gradient;
use super::matmul::{Factor, matmul};
use super::team::Team;

/// output = aᵀ·b and bias`[c]` = Σ a`[r, c]`, or += them; `gradient` is a as it lies in memory, `a` as it is read.
pub(super) fn matmul_bias_gradient<T: Real>(
    (gradient, a): (&[T], Factor<T>),
    b: Factor<T>,
    accumulate: bool,
    output: &mut [T],
    bias: &mut [T],
    team: &Team,
) {
    matmul(a, b, accumulate, output, team);
    bias_gradient(gradient, accumulate, bias, team);
}
