use super::Real;

/// Each row of `columns` values: row = row·limit / (norm + 1e-7) where its norm is above the limit.
pub(super) fn max_norm<T: Real>(limit: T, columns: usize, values: &mut [T]) {
    for row in values.chunks_mut(columns.max(1)) {
        let norm = row.iter().map(|&value| value * value).sum::<T>().sqrt();
        if norm > limit {
            let factor = limit / (norm + T::of(1e-7));
            for value in row {
                *value *= factor;
            }
        }
    }
}
