use super::Real;

/// m = μ·m + (1−μ)·g; g = m, or μ·m + (1−μ)·g with Nesterov's momentum.
pub(super) fn momentum<T: Real>(nesterov: bool, mu: T, moment: &mut [T], gradient: &mut [T]) {
    for (m, g) in moment.iter_mut().zip(gradient) {
        *m = mu * *m + (T::one() - mu) * *g;
        *g = if nesterov {
            mu * *m + (T::one() - mu) * *g
        } else {
            *m
        };
    }
}
