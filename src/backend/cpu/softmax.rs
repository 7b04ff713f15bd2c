use super::Real;

/// Each row's exp(zᵢ − max z) / Σ exp(zⱼ − max z), or its logarithm.
pub(super) fn softmax<T: Real>(log: bool, logits: &[T], columns: usize, output: &mut [T]) {
    for (p, z) in output
        .chunks_exact_mut(columns)
        .zip(logits.chunks_exact(columns))
    {
        let largest = z.iter().copied().fold(T::neg_infinity(), T::max);
        let mut total = T::zero();
        for (p, &z) in p.iter_mut().zip(z) {
            *p = (z - largest).exp();
            total += *p;
        }
        let logarithm = total.ln();
        for (p, &z) in p.iter_mut().zip(z) {
            *p = if log {
                z - largest - logarithm
            } else {
                *p / total
            };
        }
    }
}
