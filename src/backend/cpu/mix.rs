use super::Real;

/// values = share·values + (1 − share)·other, with the share of each row of `columns` values.
pub(super) fn mix<T: Real>(shares: &[T], columns: usize, other: &[T], values: &mut [T]) {
    let rows = values
        .chunks_exact_mut(columns)
        .zip(other.chunks_exact(columns));
    for (&share, (values, other)) in shares.iter().zip(rows) {
        for (value, &other) in values.iter_mut().zip(other) {
            *value = share * *value + (T::one() - share) * other;
        }
    }
}
