//! The optimizer that a configuration comes to.

use std::sync::LazyLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::{Deserialize, Serialize};

use super::{BatchSize, Config, Lbfgs, Sampling, ScheduleName, Warmup};
use crate::model::Normalization;
use crate::program::{Optimizer, Precision, Rule};

/// What `--optimizer` names: the rule of an optimizer's steps, or L-BFGS, which has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OptimizerChoice {
    /// Steps by batches.
    Steps(Rule),
    /// See [`Lbfgs`].
    Lbfgs,
}

impl From<Rule> for OptimizerChoice {
    fn from(rule: Rule) -> Self {
        OptimizerChoice::Steps(rule)
    }
}

impl ValueEnum for OptimizerChoice {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<OptimizerChoice>> = LazyLock::new(|| {
            let rules = Rule::value_variants().iter().copied();
            let rules = rules.map(OptimizerChoice::Steps);
            rules.chain([OptimizerChoice::Lbfgs]).collect()
        });
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            OptimizerChoice::Steps(rule) => rule.to_possible_value(),
            OptimizerChoice::Lbfgs => Some(PossibleValue::new("lbfgs").help(
                "For small data: all rows in each iteration, along the gradient times an inverse Hessian of the last ten (Liu and \
                 Nocedal 1989)",
            )),
        }
    }
}

impl TryFrom<String> for OptimizerChoice {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        let known = || Self::value_variants().iter().map(ToString::to_string);
        Self::from_str(&name, false).map_err(|_| {
            let known: Vec<String> = known().collect();
            format!("{name} is no optimizer; there are {}", known.join(", "))
        })
    }
}

impl From<OptimizerChoice> for String {
    fn from(choice: OptimizerChoice) -> String {
        choice.to_string()
    }
}

impl Config {
    /// L-BFGS, if it is asked for and goes with all else.
    pub fn chosen_lbfgs(&self) -> Result<Option<Lbfgs>, String> {
        if self.optimizer != Some(OptimizerChoice::Lbfgs) {
            return match self.tolerance {
                Some(_) => Err("--tolerance goes with --optimizer lbfgs; leave it out".into()),
                None => Ok(None),
            };
        }
        let above_zero = |value: Option<f32>| value.is_some_and(|value| value > 0.0);
        let batches = !matches!(
            self.batch_size,
            None | Some(BatchSize::Auto | BatchSize::All)
        );
        let constant = matches!(self.schedule, None | Some(ScheduleName::Constant));
        let refused = [
            ("--batch-size", batches),
            ("--accumulate", self.accumulate.is_some_and(|n| n > 1)),
            ("--dropout", above_zero(self.dropout)),
            ("--schedule", !constant),
            (
                "--warmup",
                self.warmup
                    .is_some_and(|warmup| warmup != Warmup::default()),
            ),
            ("--momentum", self.momentum.is_some()),
            ("--nesterov", self.nesterov == Some(true)),
            ("--beta1", self.beta1.is_some()),
            ("--beta2", self.beta2.is_some()),
            ("--epsilon", self.epsilon.is_some()),
            ("--clip-value", self.clip_value.is_some()),
            ("--clip-norm", self.clip_norm.is_some()),
            ("--max-norm", self.max_norm.is_some()),
            ("--l1", above_zero(self.l1)),
            ("--average", self.average.is_some()),
            (
                "--sampling balanced",
                self.sampling == Some(Sampling::Balanced),
            ),
            ("--noise", above_zero(self.noise)),
            ("--mask", above_zero(self.mask)),
            ("--mixup", above_zero(self.mixup)),
            ("--shift", self.shift.is_some_and(|pixels| pixels > 0)),
            ("--rotate", above_zero(self.rotate)),
            ("--flip", self.flip == Some(true)),
            ("--cutout", self.cutout.is_some_and(|pixels| pixels > 0)),
            ("--precision f16", self.precision == Some(Precision::F16)),
            ("--norm batch", self.norm == Some(Normalization::Batch)),
        ];
        if let Some((option, _)) = refused.iter().find(|(_, given)| *given) {
            return Err(format!(
                "{option} does not go with --optimizer lbfgs, which looks at the loss of all rows, smooth and always the same; \
                 leave one of them out"
            ));
        }
        Ok(Some(Lbfgs {
            tolerance: self.tolerance.unwrap_or(Lbfgs::TOLERANCE),
        }))
    }

    /// The optimizer with what is said of it, and the momentum of its members. `whole` is whether each step has all rows.
    pub fn chosen_optimizer(&self, whole: bool) -> Result<(Optimizer, f32), String> {
        let rule = match self.optimizer {
            Some(OptimizerChoice::Steps(rule)) => rule,
            Some(OptimizerChoice::Lbfgs) => return Ok((Optimizer::SGD, 0.0)),
            None => Rule::default(),
        };
        let usual = Optimizer::new(rule);
        let misplaced = |option: &str, given: bool, known: bool| {
            if given && !known {
                return Err(format!(
                    "{option} is nothing to --optimizer {rule}; leave one of them out"
                ));
            }
            Ok(())
        };
        let (sgd, muon) = (rule == Rule::Sgd, rule == Rule::Muon);
        misplaced("--nesterov", self.nesterov == Some(true), sgd || muon)?;
        misplaced(
            "--momentum",
            self.momentum.is_some(),
            sgd || muon || rule == Rule::Rmsprop,
        )?;
        misplaced("--l1", self.l1.is_some_and(|l1| l1 > 0.0), !muon)?;
        misplaced("--beta1", self.beta1.is_some(), usual.beta1 > 0.0)?;
        misplaced("--beta2", self.beta2.is_some(), usual.beta2 > 0.0)?;
        misplaced("--epsilon", self.epsilon.is_some(), usual.epsilon > 0.0)?;
        let nesterov = self.nesterov.unwrap_or(usual.nesterov);
        let momentum = match rule {
            Rule::Sgd if !whole => 0.9,
            Rule::Muon => 0.95,
            _ => 0.0,
        };
        let momentum = self.momentum.unwrap_or(momentum);
        if self.nesterov == Some(true) && momentum == 0.0 {
            return Err("--nesterov needs a momentum; give --momentum".into());
        }
        let optimizer = Optimizer {
            rule,
            nesterov,
            beta1: self.beta1.unwrap_or(usual.beta1),
            beta2: self.beta2.unwrap_or(usual.beta2),
            epsilon: self.epsilon.unwrap_or(usual.epsilon),
            clip_value: self.clip_value,
            clip_norm: self.clip_norm,
            max_norm: self.max_norm,
            average: self.average,
        };
        Ok((optimizer, momentum))
    }
}
