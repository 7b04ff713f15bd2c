use super::Real;

/// gradient = p ⊙ (g − Σ g·p) for the gradient g and the softmax p of a row;  g − p·Σ g where log p is kept.
pub(super) fn softmax_gradient<T: Real>(log: bool, kept: &[T], columns: usize, gradient: &mut [T]) {
    let rows = gradient
        .chunks_exact_mut(columns)
        .zip(kept.chunks_exact(columns));
    for (g, kept) in rows {
        if log {
            let total: T = g.iter().copied().sum();
            for (g, &logarithm) in g.iter_mut().zip(kept) {
                *g = *g - logarithm.exp() * total;
            }
        } else {
            let total: T = g.iter().zip(kept).map(|(&g, &p)| g * p).sum();
            for (g, &p) in g.iter_mut().zip(kept) {
                *g = p * (*g - total);
            }
        }
    }
}
