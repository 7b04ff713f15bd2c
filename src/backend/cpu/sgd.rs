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
