use super::Real;
use super::dropout::{BLOCK, Mask};

/// gradient = scale·gradient where the mask lets it be, else 0
pub(super) fn dropout_gradient<T: Real>(mask: &Mask<T>, columns: usize, gradient: &mut [T]) {
    for (row, gradient) in gradient.chunks_exact_mut(columns).enumerate() {
        for (block, gradient) in gradient.chunks_mut(BLOCK).enumerate() {
            let kept = mask.block(row, block);
            for (value, kept) in gradient.iter_mut().zip(kept) {
                *value = if kept { mask.scale * *value } else { T::zero() };
            }
        }
    }
}
