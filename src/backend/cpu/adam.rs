use super::Real;
use super::update::{Rates, Weights};
use crate::program::Rule;

/// m = β₁·m + (1−β₁)·g; v = β₂·v + (1−β₂)·g²; w −= η·(m/c₁) / (√(v/c₂) + ε), and its kin: `AdamW`, `NAdam` and `RAdam`.
#[inline(always)]
pub(super) fn adam<T: Real>(rule: Rule, r: &Rates<T>, weights: Weights<'_, '_, T>) {
    let [c1, c2, c3] = r.corrections;
    // A root and a division a weight, as torch.optim has it: those of the step are made once.
    let (of_mean, root) = (
        c1.recip(),
        Root {
            of_root: c2.sqrt().recip(),
            epsilon: r.epsilon,
        },
    );
    match rule {
        Rule::Adamw => weights.each(
            #[inline(always)]
            |w, [m, v], g, l| {
                let (m, v) = (r.mean1(m, g), r.mean2(v, g * g));
                (
                    r.decayed(w, l) - r.rate * (m * of_mean / root.of(v)),
                    [m, v],
                )
            },
        ),
        Rule::Nadam => weights.each(
            #[inline(always)]
            |w, [m, v], g, l| {
                let g = g + l * w;
                let (m, v) = (r.mean1(m, g), r.mean2(v, g * g));
                (w - r.rate * ((m * of_mean + g * c3) / root.of(v)), [m, v])
            },
        ),
        Rule::Radam => weights.each(
            #[inline(always)]
            |w, [m, v], g, l| {
                let g = g + l * w;
                let (m, v) = (r.mean1(m, g), r.mean2(v, g * g));
                let known = if c3 > T::zero() {
                    c3 * c2.sqrt() / (v.sqrt() + r.epsilon)
                } else {
                    T::one()
                };
                (w - r.rate * (m * of_mean * known), [m, v])
            },
        ),
        _ => weights.each(
            #[inline(always)]
            |w, [m, v], g, l| {
                let g = g + l * w;
                let (m, v) = (r.mean1(m, g), r.mean2(v, g * g));
                (w - r.rate * (m * of_mean / root.of(v)), [m, v])
            },
        ),
    }
}

/// √(v/c₂) + ε
struct Root<T> {
    of_root: T,
    epsilon: T,
}

impl<T: Real> Root<T> {
    #[inline(always)]
    fn of(&self, v: T) -> T {
        v.sqrt() * self.of_root + self.epsilon
    }
}
