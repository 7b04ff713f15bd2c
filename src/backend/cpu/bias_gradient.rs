use super::team::Team;
use super::{Real, share};

/// output`[c]` = Σ gradient`[r, c]`, or output += Σ
pub(super) fn bias_gradient<T: Real>(
    gradient: &[T],
    accumulate: bool,
    output: &mut [T],
    team: &Team,
) {
    let columns = output.len();
    if !accumulate {
        output.fill(T::zero());
    }
    let sum = |first: usize, output: &mut [T]| {
        share::wide(
            #[inline(always)]
            || {
                for row in gradient.chunks_exact(columns) {
                    for (sum, &value) in output.iter_mut().zip(&row[first..]) {
                        *sum += value;
                    }
                }
            },
        );
    };
    // Columns are shared, so that each is summed in the order of its rows.
    let share = share::piece(gradient.len(), 1, team);
    let piece = (columns * share).div_ceil(gradient.len().max(1)).max(1);
    if piece >= columns {
        return sum(0, output);
    }
    team.pieces(output, piece, |number, part| sum(number * piece, part));
}
