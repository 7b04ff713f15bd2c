use super::Real;

/// values`[r, c]` += bias`[c]`
pub(super) fn bias_add<T: Real>(bias: &[T], values: &mut [T]) {
    for row in values.chunks_exact_mut(bias.len()) {
        for (value, &shift) in row.iter_mut().zip(bias) {
            *value += shift;
        }
    }
}
