use super::Real;

/// values = own·values + others·other
pub(super) fn combine<T: Real>([own, others]: [T; 2], other: &[T], values: &mut [T]) {
    for (value, &other) in values.iter_mut().zip(other) {
        *value = own * *value + others * other;
    }
}
