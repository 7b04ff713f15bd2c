use super::Real;
use crate::program::record;

/// record`[:]` = Σ rows`[r, :]`
pub(super) fn metrics<T: Real>(rows: &[T], record: &mut [T]) {
    record.fill(T::zero());
    for row in rows.chunks_exact(record::WIDTH) {
        for (sum, &value) in record.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
