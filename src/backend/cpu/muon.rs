use super::Real;
use super::update::{Rates, Weights};

/// w −= η·λ·w; w −= η·g, for the orthogonalised momentum g.
#[inline(always)]
pub(super) fn muon<T: Real>(r: &Rates<T>, weights: Weights<'_, '_, T>) {
    weights.each(
        #[inline(always)]
        |w, [], g, l| (r.decayed(w, l) - r.rate * g, []),
    );
}
