use super::team::Team;
use super::{Real, share};

/// output`[r, :]` = source`[order[r], :]`
pub(super) fn gather<T: Real>(
    source: &[T],
    order: &[u32],
    columns: usize,
    output: &mut [T],
    team: &Team,
) {
    share::rows(output, columns, team, |first, output| {
        for (row, &index) in output.chunks_exact_mut(columns).zip(&order[first..]) {
            let first = index as usize * columns;
            row.copy_from_slice(&source[first..first + columns]);
        }
    });
}
