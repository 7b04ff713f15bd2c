use super::Real;
use super::update::{Rates, Weights};

/// s += g²; w −= η·g / (√s + ε).
#[inline(always)]
pub(super) fn adagrad<T: Real>(r: &Rates<T>, weights: Weights<'_, '_, T>) {
    weights.each(
        #[inline(always)]
        |w, [s], g, l| {
            let g = g + l * w;
            let s = s + g * g;
            (w - r.rate * (g / (s.sqrt() + r.epsilon)), [s])
        },
    );
}
