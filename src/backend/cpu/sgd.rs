use super::Real;
use super::update::{Rates, Weights};

/// g += λ·w; v = μ·v + g; w −= η·v, or η·(g + μ·v) with Nesterov's momentum.
#[inline(always)]
pub(super) fn sgd<T: Real>(nesterov: bool, r: &Rates<T>, weights: Weights<'_, '_, T>) {
    weights.each(
        #[inline(always)]
        |w, [v], g, l| {
            let g = g + l * w;
            let v = r.momentum * v + g;
            let along = if nesterov { g + r.momentum * v } else { v };
            (w - r.rate * along, [v])
        },
    );
}
