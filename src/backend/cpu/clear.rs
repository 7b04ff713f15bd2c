use super::Real;

/// values = 0
pub(super) fn clear<T: Real>(values: &mut [T]) {
    values.fill(T::zero());
}
