use super::activation_gradient::row_gradient;
use super::matmul::{Factor, matmul_then};
use super::team::Team;
use super::{Real, share};
use crate::model::Activation;

/// output = (a·b) ⊙ f′, with f′ found from f's output or input.
pub(super) fn matmul_activation_gradient<T: Real>(
    a: Factor<T>,
    b: Factor<T>,
    function: Activation,
    kept: &[T],
    output: &mut [T],
    team: &Team,
) {
    let columns = b.columns;
    matmul_then(a, b, false, output, team, |mut part| {
        let first = part.first_row * columns + part.first_column;
        share::wide(
            #[inline(always)]
            || {
                for (row, gradient) in part.rows().enumerate() {
                    row_gradient(function, &kept[first + row * columns..], gradient);
                }
            },
        );
    });
}
