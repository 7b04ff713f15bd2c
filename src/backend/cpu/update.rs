//! What the optimizers' kernels share, as `shaders/lib/updates.wgsl` is to theirs.

use std::array::from_fn;

use super::team::{Start, Team};
use super::{Real, adadelta, adagrad, adam, amsgrad, lion, muon, rmsprop, sgd, share};
use crate::backend::{Gradients, Terms};
use crate::program::{Optimizer, Rule, Step};

/// η, λ, μ, the constants of a rule and what the step has of its own.
pub(super) struct Rates<T> {
    pub(super) rate: T,
    pub(super) decay: T,
    pub(super) l1: T,
    pub(super) momentum: T,
    pub(super) corrections: [T; 3],
    pub(super) beta1: T,
    pub(super) beta2: T,
    pub(super) epsilon: T,
}

impl<T: Real> Rates<T> {
    pub(super) fn new(hyper: &[T], step: &Step, optimizer: &Optimizer) -> Self {
        let corrections = [step.correction1, step.correction2, step.correction3];
        Rates {
            rate: hyper[0] * T::of(step.rate),
            decay: hyper[1],
            momentum: hyper[2],
            l1: hyper[3],
            corrections: corrections.map(T::of),
            beta1: T::of(optimizer.beta1),
            beta2: T::of(optimizer.beta2),
            epsilon: T::of(optimizer.epsilon),
        }
    }

    /// (1 − β₁)-share of the gradient in its running mean.
    #[inline(always)]
    pub(super) fn mean1(&self, before: T, now: T) -> T {
        self.beta1 * before + (T::one() - self.beta1) * now
    }

    /// The same with β₂.
    #[inline(always)]
    pub(super) fn mean2(&self, before: T, now: T) -> T {
        self.beta2 * before + (T::one() - self.beta2) * now
    }

    /// A weight after its decoupled decay.
    #[inline(always)]
    pub(super) fn decayed(&self, weight: T, decay: T) -> T {
        weight * (T::one() - self.rate * decay)
    }
}

/// Threads divide the weights at a multiple of this: a line of the cache.
const UNIT: usize = 16;

/// Updates all weights by their gradients, with the penalties on the first `decayed` alone.
pub(super) fn update<T: Real>(
    optimizer: &Optimizer,
    gradients: &[T],
    rates: &Rates<T>,
    decayed: usize,
    parameters: &mut [T],
    moments: &mut [&mut [T]],
    team: &Team,
) {
    share(parameters, moments, team, |first, weights, moments| {
        let gradients = &gradients[first..first + weights.len()];
        let decayed = decayed.saturating_sub(first);
        share::wide(
            #[inline(always)]
            || {
                let gradients = (gradients, None);
                apply(optimizer, gradients, rates, decayed, weights, moments);
            },
        );
    });
}

/// Weights whose gradients are given at a time, so that they stay in the nearest cache.
const GIVEN: usize = 1024;

/// The same by a member's gradients, which are added up as they are read.
pub(super) fn update_given<T: Real>(
    optimizer: &Optimizer,
    (given, member): (&dyn Gradients, usize),
    rates: &Rates<T>,
    decayed: usize,
    parameters: &mut [T],
    moments: &mut [&mut [T]],
    team: &Team,
) {
    share(parameters, moments, team, |first, weights, moments| {
        let (mut memory, mut numbers) = ([0.0; GIVEN], [T::zero(); GIVEN]);
        for (n, weights) in weights.chunks_mut(GIVEN).enumerate() {
            let range = n * GIVEN..n * GIVEN + weights.len();
            let len = weights.len();
            let terms = given.read(member, first + range.start, &mut memory[..len]);
            let terms = T::of_terms(terms, &mut numbers[..len]);
            let count = moments.len();
            let mut parts = moments.iter_mut();
            let mut parts: [&mut [T]; 3] =
                from_fn(|_| parts.next().map_or(&mut [][..], |m| &mut m[range.clone()]));
            let decayed = decayed.saturating_sub(first + range.start);
            share::wide(
                #[inline(always)]
                || {
                    let moments = &mut parts[..count];
                    apply(optimizer, terms, rates, decayed, weights, moments);
                },
            );
        }
    });
}

/// Runs `f` on some weights at a time with their moments, and the number of the first.
fn share<T: Real>(
    parameters: &mut [T],
    moments: &mut [&mut [T]],
    team: &Team,
    f: impl Fn(usize, &mut [T], &mut [&mut [T]]) + Sync,
) {
    let piece = share::piece(parameters.len(), UNIT, team);
    if piece >= parameters.len() {
        return f(0, parameters, moments);
    }
    let (len, count) = (parameters.len(), moments.len());
    assert!(
        moments.iter().all(|moments| moments.len() == len),
        "a moment for each weight"
    );
    let mut each = moments.iter_mut();
    let moments: [Start<T>; 3] =
        from_fn(|_| Start::of(each.next().map_or(&mut [], |moments| &mut **moments)));
    team.pieces(parameters, piece, |number, weights| {
        let first = number * piece;
        let mut moments: [&mut [T]; 3] = from_fn(|moment| {
            if moment < count {
                // SAFETY: as of the weights: each number comes once, the moments are as many as they are and borrowed as long.
                unsafe { moments[moment].slice(first, weights.len()) }
            } else {
                &mut []
            }
        });
        f(first, weights, &mut moments[..count]);
    });
}

#[inline(always)]
fn apply<T: Real>(
    optimizer: &Optimizer,
    (gradients, others): Terms<'_, T>,
    rates: &Rates<T>,
    decayed: usize,
    parameters: &mut [T],
    moments: &mut [&mut [T]],
) {
    let weights = Weights {
        decayed: decayed.min(parameters.len()),
        decay: rates.decay,
        l1: rates.l1,
        gradients,
        others,
        parameters,
        moments,
    };
    match optimizer.rule {
        Rule::Sgd => sgd::sgd(optimizer.nesterov, rates, weights),
        Rule::Adam | Rule::Adamw | Rule::Nadam | Rule::Radam => {
            adam::adam(optimizer.rule, rates, weights);
        }
        Rule::Amsgrad => amsgrad::amsgrad(rates, weights),
        Rule::Rmsprop => rmsprop::rmsprop(rates, weights),
        Rule::Adagrad => adagrad::adagrad(rates, weights),
        Rule::Adadelta => adadelta::adadelta(rates, weights),
        Rule::Lion => lion::lion(rates, weights),
        Rule::Muon => muon::muon(rates, weights),
    }
}

/// All weights with what belongs to them.
pub(super) struct Weights<'a, 'm, T> {
    gradients: &'a [T],
    /// What is to be added to them.
    others: Option<&'a [T]>,
    parameters: &'a mut [T],
    moments: &'a mut [&'m mut [T]],
    decayed: usize,
    decay: T,
    l1: T,
}

impl<T: Real> Weights<'_, '_, T> {
    /// Gives each weight what `f` makes of it, of its N moments, its gradient and its decay.
    #[inline(always)]
    pub(super) fn each<const N: usize>(self, f: impl Fn(T, [T; N], T, T) -> (T, [T; N])) {
        let gradients = self.gradients;
        match self.others {
            None => self.by([gradients], f),
            Some(others) => self.by([gradients, others], f),
        }
    }

    /// The same by the sum of so many gradients.
    #[inline(always)]
    fn by<const N: usize, const G: usize>(
        self,
        gradients: [&[T]; G],
        f: impl Fn(T, [T; N], T, T) -> (T, [T; N]),
    ) {
        let whole = self.parameters.len();
        for (range, decay, l1) in [
            (0..self.decayed, self.decay, self.l1),
            (self.decayed..whole, T::zero(), T::zero()),
        ] {
            let mut moments = self.moments.iter_mut();
            let moments: [&mut [T]; N] = from_fn(
                #[inline(always)]
                |_| {
                    let of_all = moments.next().map_or(&mut [][..], |m| &mut **m);
                    &mut of_all[range.clone()]
                },
            );
            let gradients = gradients.map(
                #[inline(always)]
                |gradients| &gradients[range.clone()],
            );
            let weights = &mut self.parameters[range];
            // By index: so the compiler sees one loop over several slices that it knows to be as long, and vectorises all of it.
            for i in 0..weights.len() {
                let mut before = [T::zero(); N];
                for k in 0..N {
                    before[k] = moments[k][i];
                }
                let mut g = gradients[0][i];
                for others in &gradients[1..] {
                    g += others[i];
                }
                let g = g + l1 * sign(weights[i]);
                let (weight, after) = f(weights[i], before, g, decay);
                weights[i] = weight;
                for k in 0..N {
                    moments[k][i] = after[k];
                }
            }
        }
    }
}

/// −1, 0 or 1.
#[inline(always)]
fn sign<T: Real>(value: T) -> T {
    let above = if value > T::zero() {
        T::one()
    } else {
        T::zero()
    };
    let below = if value < T::zero() {
        T::one()
    } else {
        T::zero()
    };
    above - below
}

#[cfg(test)]
mod tests {
    use super::super::team::ALONE;
    use super::*;

    #[test]
    fn penalties_are_on_the_first_values_alone() {
        let step = Step {
            rate: 1.0,
            ..Step::default()
        };
        let rates = Rates::new(&[0.1_f64, 0.5, 0.0, 0.25], &step, &Optimizer::SGD);
        let (mut w, mut v) = ([2.0, 2.0], [0.0; 2]);
        update(
            &Optimizer::SGD,
            &[0.0, 1.0],
            &rates,
            1,
            &mut w,
            &mut [&mut v],
            &ALONE,
        );
        // 0 + 0.5·2 + 0.25 and 1.
        assert_eq!((v, w), ([1.25, 1.0], [1.875, 1.9]));
    }

    #[test]
    fn adams_first_step_is_the_rate_whatever_the_gradient() {
        // m/c1 = g and v/c2 = g², to the rounding of 0.999 in f32, so that w moves by η·g/(|g| + ε).
        let step = Step {
            rate: 1.0,
            correction1: 0.1,
            correction2: 0.001,
            ..Step::default()
        };
        let rates = Rates::new(&[0.5_f64, 0.0, 0.0, 0.0], &step, &Optimizer::ADAM);
        let (mut w, mut m, mut v) = ([1.0, 1.0], [0.0; 2], [0.0; 2]);
        let moments = &mut [&mut m[..], &mut v[..]];
        let alone = &ALONE;
        update(
            &Optimizer::ADAM,
            &[4.0, -0.01],
            &rates,
            2,
            &mut w,
            moments,
            alone,
        );
        assert!(
            (w[0] - 0.5).abs() < 1e-5 && (w[1] - 1.5).abs() < 1e-5,
            "{w:?}"
        );
    }
}
