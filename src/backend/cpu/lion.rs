use super::Real;
use super::update::{Rates, Weights};

/// w −= η·λ·w; w −= η·sign(β₁·m + (1−β₁)·g); m = β₂·m + (1−β₂)·g.
#[inline(always)]
pub(super) fn lion<T: Real>(r: &Rates<T>, weights: Weights<'_, '_, T>) {
    weights.each(
        #[inline(always)]
        |w, [m], g, l| {
            let along = r.mean1(m, g);
            let sign = if along == T::zero() {
                along
            } else {
                along.signum()
            };
            (r.decayed(w, l) - r.rate * sign, [r.mean2(m, g)])
        },
    );
}
