//! What the normalisations share.

use super::Real;

/// Added to variances, as in `PyTorch`: EPSILON in shaders/lib/norm.wgsl.
pub(super) const EPSILON: f64 = 1e-5;

/// The mean of some values and the mean of their squared distances from it.
pub(super) fn moments<T: Real>(values: impl Iterator<Item = T> + Clone) -> [T; 2] {
    let (sum, count) = values.clone().fold((T::zero(), 0), |(sum, count), value| {
        (sum + value, count + 1)
    });
    let count = T::of_f64(f64::from(count));
    let mean = sum / count;
    let square = |value: T| (value - mean) * (value - mean);
    [mean, values.map(square).sum::<T>() / count]
}

/// 1/√(v + ε)
pub(super) fn inverse_deviation<T: Real>(variance: T) -> T {
    (variance + T::of_f64(EPSILON)).sqrt().recip()
}
