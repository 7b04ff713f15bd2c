use super::Real;

/// average = average + share·(parameters − average)
pub(super) fn average<T: Real>(share: T, parameters: &[T], average: &mut [T]) {
    for (mean, &w) in average.iter_mut().zip(parameters) {
        *mean += share * (w - *mean);
    }
}
