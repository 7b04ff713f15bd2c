use super::Real;
use crate::program::Step;

/// η, λ, the bias corrections and the decays of a step.
pub(super) struct Rates<T> {
    rate: T,
    l2: T,
    corrections: [T; 2],
    betas: [T; 2],
    epsilon: T,
}

impl<T: Real> Rates<T> {
    pub(super) fn new(hyper: &[T], step: &Step, [beta1, beta2, epsilon]: [f32; 3]) -> Self {
        Rates {
            rate: hyper[0] * T::of(step.rate),
            l2: hyper[1],
            corrections: [T::of(step.correction1), T::of(step.correction2)],
            betas: [T::of(beta1), T::of(beta2)],
            epsilon: T::of(epsilon),
        }
    }
}

/// g′ = g + λ·w; m = β₁·m + (1−β₁)·g′; v = β₂·v + (1−β₂)·g′²; w = w − η·(m/c₁) / (√(v/c₂) + ε), with the penalty on the
/// first `decayed` values alone.
pub(super) fn adam<T: Real>(
    gradients: &[T],
    rates: &Rates<T>,
    decayed: usize,
    parameters: &mut [T],
    moment1: &mut [T],
    moment2: &mut [T],
) {
    let [beta1, beta2] = rates.betas;
    let [correction1, correction2] = rates.corrections;
    let states = parameters
        .iter_mut()
        .zip(moment1)
        .zip(moment2)
        .zip(gradients);
    for (i, (((w, m), v), &g)) in states.enumerate() {
        let penalty = if i < decayed {
            rates.l2 * *w
        } else {
            T::zero()
        };
        let g = g + penalty;
        *m = beta1 * *m + (T::one() - beta1) * g;
        *v = beta2 * *v + (T::one() - beta2) * (g * g);
        *w = *w - rates.rate * ((*m / correction1) / ((*v / correction2).sqrt() + rates.epsilon));
    }
}
