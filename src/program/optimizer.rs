use serde::{Deserialize, Serialize};

use super::buffer;

/// How a gradient g changes a weight w. η is the learning rate, λ the weight decay, μ the momentum; g includes λ·w except
/// where the decay is decoupled. Formulas and defaults are those of `torch.optim`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Gradient descent, by batches or in full, with momentum: v = μ·v + g; w = w − η·v (Sutskever et al. 2013)
    Sgd,
    /// Means of g and g² with bias correction: w = w − η·m̂/(√v̂ + ε) (Kingma and Ba 2015)
    #[default]
    Adam,
    /// Adam with decoupled weight decay: w = w − η·λ·w first (Loshchilov and Hutter 2019)
    Adamw,
    /// Adam with the largest v so far (Reddi et al. 2018)
    Amsgrad,
    /// Adam with Nesterov's momentum (Dozat 2016)
    Nadam,
    /// Adam whose rate waits until v is known (Liu et al. 2020)
    Radam,
    /// Root mean square of g, with momentum: w = w − η·g/(√v + ε) (Hinton 2012)
    Rmsprop,
    /// Sum of g²: w = w − η·g/(√s + ε) (Duchi et al. 2011)
    Adagrad,
    /// Root mean squares of g and of the updates: w = w − η·g·√(u + ε)/√(v + ε) (Zeiler 2012)
    Adadelta,
    /// Sign of the momentum, with decoupled weight decay: w = w − η·sign(β₁·m + (1−β₁)·g) (Chen et al. 2023)
    Lion,
    /// Orthogonalised momentum for the hidden layers' matrices, with decoupled weight decay, and `AdamW` for all else (Jordan
    /// 2024)
    Muon,
}

impl Rule {
    /// The kernel that has it.
    pub fn kernel(self) -> &'static str {
        match self {
            Rule::Sgd => "sgd",
            Rule::Adam | Rule::Adamw | Rule::Nadam | Rule::Radam => "adam",
            Rule::Amsgrad => "amsgrad",
            Rule::Rmsprop => "rmsprop",
            Rule::Adagrad => "adagrad",
            Rule::Adadelta => "adadelta",
            Rule::Lion => "lion",
            Rule::Muon => "muon",
        }
    }

    /// Floating-point operations for a weight.
    pub fn flops(self) -> usize {
        match self {
            Rule::Muon => 4,
            Rule::Sgd | Rule::Adagrad => 6,
            Rule::Lion => 9,
            Rule::Rmsprop => 11,
            Rule::Adam | Rule::Adadelta => 14,
            Rule::Adamw | Rule::Amsgrad => 15,
            Rule::Nadam | Rule::Radam => 17,
        }
    }

    /// The learning rate that is usual, `torch.optim`'s default, or the paper's for Lion; 0.01 for SGD.
    pub fn learning_rate(self) -> f32 {
        match self {
            Rule::Sgd | Rule::Rmsprop | Rule::Adagrad => 1e-2,
            Rule::Adam | Rule::Adamw | Rule::Amsgrad | Rule::Radam | Rule::Muon => 1e-3,
            Rule::Nadam => 2e-3,
            Rule::Adadelta => 1.0,
            Rule::Lion => 1e-4,
        }
    }

    /// The weight decay that is usual: 0.01 for `AdamW`, 0.1 for Muon, none for all others.
    pub fn weight_decay(self) -> f32 {
        match self {
            Rule::Adamw => 1e-2,
            Rule::Muon => 0.1,
            _ => 0.0,
        }
    }
}

/// How gradients change the weights. Rates and penalties are each member's own: see [`Hyper`](super::Hyper).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    /// The formula.
    pub rule: Rule,
    /// SGD and Muon look ahead along the momentum: w = w − η·(g + μ·v).
    pub nesterov: bool,
    /// Decay of the running mean of g.
    pub beta1: f32,
    /// Decay of the running mean of g² (`RMSprop`'s α, Adadelta's ρ); of Lion's momentum.
    pub beta2: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// Each value of the gradient is first brought into ± this.
    pub clip_value: Option<f32>,
    /// Then the gradient of all parameters is made shorter, so that its Euclidean norm is this at most (Pascanu et al. 2013).
    pub clip_norm: Option<f32>,
    /// Behind each update, each unit's incoming weights are made shorter, so that their Euclidean norm is this at most
    /// (Srivastava et al. 2014).
    pub max_norm: Option<f32>,
    /// Decay d of a running mean of the weights, w̄ = d·w̄ + (1−d)·w, which is what is evaluated and kept (Polyak and Juditsky
    /// 1992). It begins with the weights after the first step.
    pub average: Option<f32>,
}

impl Optimizer {
    /// SGD, with whatever momentum a member has.
    pub const SGD: Optimizer = Optimizer::new(Rule::Sgd);
    /// Adam with the paper's figures: 0.9, 0.999, 1e-8.
    pub const ADAM: Optimizer = Optimizer::new(Rule::Adam);

    /// The rule with its usual figures. Those it does not use are zero.
    pub const fn new(rule: Rule) -> Self {
        let (beta1, beta2, epsilon) = match rule {
            Rule::Sgd => (0.0, 0.0, 0.0),
            // Muon's are those of its AdamW.
            Rule::Adam | Rule::Adamw | Rule::Amsgrad | Rule::Nadam | Rule::Radam | Rule::Muon => {
                (0.9, 0.999, 1e-8)
            }
            Rule::Rmsprop => (0.0, 0.99, 1e-8),
            Rule::Adagrad => (0.0, 0.0, 1e-10),
            Rule::Adadelta => (0.0, 0.9, 1e-6),
            Rule::Lion => (0.9, 0.99, 0.0),
        };
        Optimizer {
            rule,
            nesterov: matches!(rule, Rule::Muon),
            beta1,
            beta2,
            epsilon,
            clip_value: None,
            clip_norm: None,
            max_norm: None,
            average: None,
        }
    }

    /// Names of the buffers that hold its state, each laid out as the parameters.
    pub fn moments(&self) -> &'static [&'static str] {
        match self.rule {
            Rule::Sgd | Rule::Lion | Rule::Adagrad => &[buffer::MOMENT1],
            Rule::Adam
            | Rule::Adamw
            | Rule::Nadam
            | Rule::Radam
            | Rule::Rmsprop
            | Rule::Adadelta
            | Rule::Muon => &[buffer::MOMENT1, buffer::MOMENT2],
            Rule::Amsgrad => &[buffer::MOMENT1, buffer::MOMENT2, buffer::MOMENT3],
        }
    }

    /// Share of the weights in their running mean after the `t`-th update, the first being 1.
    pub fn share(&self, t: u64) -> f32 {
        match self.average {
            Some(decay) if t > 1 => 1.0 - decay,
            _ => 1.0,
        }
    }

    /// The buffer whose values are evaluated and kept: the parameters, or their running mean.
    pub fn kept(&self) -> &'static str {
        match self.average {
            Some(_) => buffer::AVERAGE,
            None => buffer::PARAMETERS,
        }
    }

    /// What the `t`-th update has of its own, the first being 1: the three corrections of a [`Step`](super::Step).
    pub fn corrections(&self, t: u64) -> [f32; 3] {
        let t = t as f64;
        let (beta1, beta2) = (f64::from(self.beta1), f64::from(self.beta2));
        // βᵗ < e^−t(1−β): from there on it is lost beside 1, and powers that small are slow.
        let rest = |beta: f64| {
            let lost = t * (1.0 - beta) > 40.0;
            if lost { 1.0 } else { 1.0 - beta.powf(t) }
        };
        let (correction1, correction2) = (rest(beta1), rest(beta2));
        let corrections = match self.rule {
            Rule::Adam | Rule::Adamw | Rule::Amsgrad | Rule::Muon => {
                [correction1, correction2, 0.0]
            }
            Rule::Nadam => {
                let momentum = |t: f64| beta1 * (1.0 - 0.5 * 0.96_f64.powf(0.004 * t));
                // Each factor is below β₁: from some point on the product's difference from 0 is not seen.
                let mut product = 1.0;
                let mut i = 1.0;
                while i <= t && product > 1e-20 {
                    product *= momentum(i);
                    i += 1.0;
                }
                // Without momentum the mean counts nothing: it is divided by a number that leaves none of it.
                let next = momentum(t + 1.0).max(1e-30);
                [
                    (1.0 - product * next) / next,
                    correction2,
                    (1.0 - momentum(t)) / (1.0 - product),
                ]
            }
            Rule::Radam => {
                let most = 2.0 / (1.0 - beta2) - 1.0;
                let length = most - 2.0 * t * beta2.powf(t) / correction2;
                let rectification = if length > 5.0 {
                    let share = |length: f64| (length - 4.0) * (length - 2.0) / length;
                    (share(length) / share(most)).sqrt()
                } else {
                    0.0
                };
                [correction1, correction2, rectification]
            }
            _ => [1.0, 1.0, 0.0],
        };
        corrections.map(|correction| correction as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_left_out_of_corrections_only_where_they_are_lost() {
        for t in (1..1000).chain((39_000..41_000).step_by(7)) {
            let [mean, square, _] = Optimizer::ADAM.corrections(t);
            let rest = |beta: f32| (1.0 - f64::from(beta).powf(t as f64)) as f32;
            assert_eq!((mean, square), (rest(0.9), rest(0.999)), "{t}");
        }
    }

    #[test]
    fn corrections_are_numbers_at_any_step() {
        for rule in [Rule::Adam, Rule::Nadam, Rule::Radam, Rule::Lion] {
            for beta1 in [0.0, 0.5, 0.9, 0.999] {
                let optimizer = Optimizer {
                    beta1,
                    ..Optimizer::new(rule)
                };
                for t in [1, 2, 5, 6, 1000, 1 << 40] {
                    let corrections = optimizer.corrections(t);
                    assert!(
                        corrections.iter().all(|value| value.is_finite()),
                        "{rule:?} {t} {corrections:?}"
                    );
                }
            }
        }
    }
}
