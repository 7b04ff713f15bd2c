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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_rate_whatever_the_gradient() {
        // m/c1 = g and v/c2 = g², to the rounding of 0.999 in f32, so that w moves by η·g/(|g| + ε).
        let step = Step {
            rate: 1.0,
            correction1: 0.1,
            correction2: 0.001,
            ..Step::default()
        };
        let rates = Rates::new(&[0.5_f64, 0.0, 0.0, 0.0], &step, [0.9, 0.999, 1e-8]);
        let (mut w, mut m, mut v) = ([1.0, 1.0], [0.0; 2], [0.0; 2]);
        adam(&[4.0, -0.01], &rates, 2, &mut w, &mut m, &mut v);
        assert!(
            (w[0] - 0.5).abs() < 1e-5 && (w[1] - 1.5).abs() < 1e-5,
            "{w:?}"
        );
    }

    #[test]
    fn the_penalty_is_on_the_first_values_alone() {
        let step = Step {
            rate: 1.0,
            correction1: 1.0,
            correction2: 1.0,
            ..Step::default()
        };
        let rates = Rates::new(&[0.1_f64, 0.5, 0.0, 0.0], &step, [0.0, 0.0, 0.0]);
        let (mut w, mut m, mut v) = ([2.0, 2.0], [0.0; 2], [0.0; 2]);
        adam(&[0.0, 1.0], &rates, 1, &mut w, &mut m, &mut v);
        // With both decays zero m is g and v is g²: 0 + 0.5·2 and 1.
        assert_eq!((m, v), ([1.0, 1.0], [1.0, 1.0]));
        assert_eq!(w, [1.9, 1.9]);
    }
}
