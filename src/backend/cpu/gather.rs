use super::Real;

/// output`[r, :]` = source`[order[r], :]`
pub(super) fn gather<T: Real>(source: &[T], order: &[u32], columns: usize, output: &mut [T]) {
    for (row, &index) in output.chunks_exact_mut(columns).zip(order) {
        let first = index as usize * columns;
        row.copy_from_slice(&source[first..first + columns]);
    }
}
