use super::Real;
use super::update::{Rates, Weights};

/// Adam with the largest v so far in place of v.
#[inline(always)]
pub(super) fn amsgrad<T: Real>(r: &Rates<T>, weights: Weights<'_, '_, T>) {
    let [c1, c2, _] = r.corrections;
    weights.each(
        #[inline(always)]
        |w, [m, v, largest], g, l| {
            let g = g + l * w;
            let (m, v) = (r.mean1(m, g), r.mean2(v, g * g));
            let largest = largest.max(v);
            let root = (largest / c2).sqrt() + r.epsilon;
            (w - r.rate * ((m / c1) / root), [m, v, largest])
        },
    );
}
