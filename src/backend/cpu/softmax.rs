use super::Real;

/// Each row's exp(zᵢ − max z) / Σ exp(zⱼ − max z).
pub(super) fn softmax<T: Real>(logits: &[T], columns: usize, output: &mut [T]) {
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
        for p in p {
            *p = *p / total;
        }
    }
}
