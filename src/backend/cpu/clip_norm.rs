use super::Real;

/// values = values·min(1, limit / (√(Σ sums) + 1e-6))
pub(super) fn clip_norm<T: Real>(limit: T, sums: &[T], values: &mut [T]) {
    let norm = sums.iter().copied().sum::<T>().sqrt();
    let factor = (limit / (norm + T::of(1e-6))).min(T::one());
    for value in values {
        *value *= factor;
    }
}
