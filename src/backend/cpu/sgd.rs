use super::Real;
use crate::program::Step;

/// η, λ and μ of a step.
pub(super) struct Rates<T> {
    rate: T,
    l2: T,
    momentum: T,
}

impl<T: Real> Rates<T> {
    pub(super) fn new(hyper: &[T], step: &Step) -> Self {
        Rates {
            rate: hyper[0] * T::of(step.rate),
            l2: hyper[1],
            momentum: hyper[2],
        }
    }
}

/// v = μ·v + g + λ·w; w = w − η·v, with the penalty on the first `decayed` values alone.
pub(super) fn sgd<T: Real>(
    gradients: &[T],
    rates: &Rates<T>,
    decayed: usize,
    parameters: &mut [T],
    velocity: &mut [T],
) {
    for (i, ((w, v), &g)) in parameters
        .iter_mut()
        .zip(velocity)
        .zip(gradients)
        .enumerate()
    {
        let penalty = if i < decayed {
            rates.l2 * *w
        } else {
            T::zero()
        };
        *v = rates.momentum * *v + (g + penalty);
        *w = *w - rates.rate * *v;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_are_those_of_the_formula() {
        let step = Step {
            rate: 0.5,
            ..Step::default()
        };
        // η = 0.2·0.5, λ = 1 on the first value, μ = 0.5.
        let rates = Rates::new(&[0.2_f64, 1.0, 0.5, 0.0], &step);
        let (mut w, mut v) = ([1.0, 1.0], [0.0, 0.0]);
        sgd(&[1.0, 1.0], &rates, 1, &mut w, &mut v);
        assert_eq!((w, v), ([0.8, 0.9], [2.0, 1.0]));
        sgd(&[0.0, 0.0], &rates, 1, &mut w, &mut v);
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-6;
        assert!(
            near(v[0], 1.8) && near(w[0], 0.62) && near(v[1], 0.5) && near(w[1], 0.85),
            "{w:?} {v:?}"
        );
    }
}
