use super::Real;
use super::dropout::Mask;

/// gradient = scale·gradient where the mask lets it be, else 0
pub(super) fn dropout_gradient<T: Real>(mask: &Mask<T>, columns: usize, gradient: &mut [T]) {
    mask.each(columns, gradient, |value, stays| {
        if stays { mask.scale * value } else { T::zero() }
    });
}
