use super::Real;
use super::gather::gather;
use super::team::Team;

/// output`[r, :]` = source`[order[r], :]`, of two sources and outputs of so many columns.
pub(super) fn gather_both<T: Real>(
    sources: [&[T]; 2],
    order: &[u32],
    columns: [usize; 2],
    outputs: [&mut [T]; 2],
    team: &Team,
) {
    for ((source, columns), output) in sources.into_iter().zip(columns).zip(outputs) {
        gather(source, order, columns, output, team);
    }
}
