use super::Real;

/// values = min(max(values, −limit), limit); what is no number stays none.
pub(super) fn clip_value<T: Real>(limit: T, values: &mut [T]) {
    for value in values {
        *value = value.clamp(-limit, limit);
    }
}
