use super::Real;
use super::update::{Rates, Weights};

/// v = β₂·v + (1−β₂)·g²; b = μ·b + g / (√v + ε); w −= η·b.
#[inline(always)]
pub(super) fn rmsprop<T: Real>(r: &Rates<T>, weights: Weights<'_, '_, T>) {
    weights.each(
        #[inline(always)]
        |w, [v, b], g, l| {
            let g = g + l * w;
            let v = r.mean2(v, g * g);
            let b = r.momentum * b + g / (v.sqrt() + r.epsilon);
            (w - r.rate * b, [v, b])
        },
    );
}
