//! Each weight's update, by each rule: the twin of `shaders/lib/update.wgsl` and of the kernels that import it.

use std::array::from_fn;

use super::Real;
use crate::program::{Optimizer, Rule, Step};

/// η, λ, μ, the constants of a rule and what the step has of its own.
pub(super) struct Rates<T> {
    rate: T,
    decay: T,
    momentum: T,
    corrections: [T; 3],
    beta1: T,
    beta2: T,
    epsilon: T,
}

impl<T: Real> Rates<T> {
    pub(super) fn new(hyper: &[T], step: &Step, optimizer: &Optimizer) -> Self {
        let corrections = [step.correction1, step.correction2, step.correction3];
        Rates {
            rate: hyper[0] * T::of(step.rate),
            decay: hyper[1],
            momentum: hyper[2],
            corrections: corrections.map(T::of),
            beta1: T::of(optimizer.beta1),
            beta2: T::of(optimizer.beta2),
            epsilon: T::of(optimizer.epsilon),
        }
    }
}

/// Updates all weights by their gradients, with the decay on the first `decayed` alone.
pub(super) fn update<T: Real>(
    optimizer: &Optimizer,
    gradients: &[T],
    r: &Rates<T>,
    decayed: usize,
    parameters: &mut [T],
    moments: &mut [&mut [T]],
) {
    let len = parameters.len();
    let mut parts = Parts {
        gradients,
        parameters,
        decayed: decayed.min(len),
        decay: r.decay,
    };
    let one = T::one();
    let decoupled = |w: T, l: T| w * (one - r.rate * l);
    let mean = |beta: T, before: T, now: T| beta * before + (one - beta) * now;
    let [c1, c2, c3] = r.corrections;
    let adam = |w: T, m1: T, root: T| w - r.rate * ((m1 / c1) / root);
    let root = |v: T| (v / c2).sqrt() + r.epsilon;
    match optimizer.rule {
        Rule::Sgd => parts.each(moments, |w, [v], g, l| {
            let g = g + l * w;
            let v = r.momentum * v + g;
            let along = if optimizer.nesterov {
                g + r.momentum * v
            } else {
                v
            };
            (w - r.rate * along, [v])
        }),
        Rule::Adam => parts.each(moments, |w, [m, v], g, l| {
            let g = g + l * w;
            let (m, v) = (mean(r.beta1, m, g), mean(r.beta2, v, g * g));
            (adam(w, m, root(v)), [m, v])
        }),
        Rule::Adamw => parts.each(moments, |w, [m, v], g, l| {
            let (m, v) = (mean(r.beta1, m, g), mean(r.beta2, v, g * g));
            (adam(decoupled(w, l), m, root(v)), [m, v])
        }),
        Rule::Amsgrad => parts.each(moments, |w, [m, v, largest], g, l| {
            let g = g + l * w;
            let (m, v) = (mean(r.beta1, m, g), mean(r.beta2, v, g * g));
            let largest = largest.max(v);
            (adam(w, m, root(largest)), [m, v, largest])
        }),
        Rule::Nadam => parts.each(moments, |w, [m, v], g, l| {
            let g = g + l * w;
            let (m, v) = (mean(r.beta1, m, g), mean(r.beta2, v, g * g));
            (w - r.rate * ((m / c1 + g * c3) / root(v)), [m, v])
        }),
        Rule::Radam => parts.each(moments, |w, [m, v], g, l| {
            let g = g + l * w;
            let (m, v) = (mean(r.beta1, m, g), mean(r.beta2, v, g * g));
            let known = if c3 > T::zero() {
                c3 * c2.sqrt() / (v.sqrt() + r.epsilon)
            } else {
                one
            };
            (w - r.rate * ((m / c1) * known), [m, v])
        }),
        Rule::Rmsprop => parts.each(moments, |w, [v, b], g, l| {
            let g = g + l * w;
            let v = mean(r.beta2, v, g * g);
            let b = r.momentum * b + g / (v.sqrt() + r.epsilon);
            (w - r.rate * b, [v, b])
        }),
        Rule::Adagrad => parts.each(moments, |w, [s], g, l| {
            let g = g + l * w;
            let s = s + g * g;
            (w - r.rate * (g / (s.sqrt() + r.epsilon)), [s])
        }),
        Rule::Adadelta => parts.each(moments, |w, [v, u], g, l| {
            let g = g + l * w;
            let v = mean(r.beta2, v, g * g);
            let d = g * ((u + r.epsilon).sqrt() / (v + r.epsilon).sqrt());
            (w - r.rate * d, [v, mean(r.beta2, u, d * d)])
        }),
        Rule::Lion => parts.each(moments, |w, [m], g, l| {
            let along = mean(r.beta1, m, g);
            let sign = if along == T::zero() {
                along
            } else {
                along.signum()
            };
            (decoupled(w, l) - r.rate * sign, [mean(r.beta2, m, g)])
        }),
    }
}

struct Parts<'a, T> {
    gradients: &'a [T],
    parameters: &'a mut [T],
    decayed: usize,
    decay: T,
}

impl<T: Real> Parts<'_, T> {
    /// Gives each weight what `f` makes of it, of its N moments, its gradient and its decay.
    fn each<const N: usize>(
        &mut self,
        moments: &mut [&mut [T]],
        f: impl Fn(T, [T; N], T, T) -> (T, [T; N]),
    ) {
        let whole = self.parameters.len();
        for (range, decay) in [
            (0..self.decayed, self.decay),
            (self.decayed..whole, T::zero()),
        ] {
            let len = range.len();
            let w = &mut self.parameters[range.clone()];
            let g = &self.gradients[range.clone()];
            let mut columns = moments.iter_mut();
            let mut columns: [&mut [T]; N] = from_fn(|_| {
                columns
                    .next()
                    .map_or(&mut [][..], |m| &mut m[range.clone()])
            });
            assert!(g.len() == len && columns.iter().all(|column| column.len() == len));
            for i in 0..len {
                let (updated, kept) = f(w[i], from_fn(|k| columns[k][i]), g[i], decay);
                w[i] = updated;
                for (column, value) in columns.iter_mut().zip(kept) {
                    column[i] = value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decay_is_on_the_first_values_alone() {
        let step = Step {
            rate: 1.0,
            ..Step::default()
        };
        let rates = Rates::new(&[0.1_f64, 0.5, 0.0, 0.0], &step, &Optimizer::SGD);
        let (mut w, mut v) = ([2.0, 2.0], [0.0; 2]);
        update(
            &Optimizer::SGD,
            &[0.0, 1.0],
            &rates,
            1,
            &mut w,
            &mut [&mut v],
        );
        // 0 + 0.5·2 and 1.
        assert_eq!((v, w), ([1.0, 1.0], [1.9, 1.9]));
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
        update(&Optimizer::ADAM, &[4.0, -0.01], &rates, 2, &mut w, moments);
        assert!(
            (w[0] - 0.5).abs() < 1e-5 && (w[1] - 1.5).abs() < 1e-5,
            "{w:?}"
        );
    }
}
