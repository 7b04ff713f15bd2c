use super::Real;
use super::update::{Rates, Weights};

/// v = β₂·v + (1−β₂)·g²; d = g·√(u + ε) / √(v + ε); u = β₂·u + (1−β₂)·d²; w −= η·d.
#[inline(always)]
pub(super) fn adadelta<T: Real>(r: &Rates<T>, weights: Weights<'_, '_, T>) {
    weights.each(
        #[inline(always)]
        |w, [v, u], g, l| {
            let g = g + l * w;
            let v = r.mean2(v, g * g);
            let d = g * ((u + r.epsilon).sqrt() / (v + r.epsilon).sqrt());
            (w - r.rate * d, [v, r.mean2(u, d * d)])
        },
    );
}
