//! What the options of a configuration come to: a loss, a network, a schedule.

use serde::{Deserialize, Serialize};

use super::{ClassWeight, Config, Curve, HiddenLayers, Sampling, Schedule};
use crate::data::{Numeric, PreprocessMode, PreprocessOptions, Task};
use crate::model::{
    Activation, Dropout, Embeddings, Layer, Lookup, Network, Normalization, Periodic,
};
use crate::program::{LossFunction, Rule};

/// A loss, or the one that suits the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LossChoice {
    /// The one that suits the target
    Auto,
    /// −log of the class's probability; the focal loss with --focal-gamma
    CrossEntropy,
    /// How far other classes come within a margin of 1; without probabilities
    Hinge,
    /// Cross-entropy of two classes by one output
    BinaryCrossEntropy,
    /// Squared error
    Mse,
    /// Absolute error
    Mae,
    /// Squared error up to --huber-delta, absolute beyond
    Huber,
    /// log cosh of the error
    LogCosh,
    /// Negative log-likelihood of counts; the output is the logarithm of the answer
    Poisson,
    /// Errors above and below weighed so that the answers are --quantiles
    Quantile,
    /// Negative log-likelihood of a normal distribution; answers a mean and a deviation
    Gaussian,
}

impl From<LossFunction> for LossChoice {
    fn from(function: LossFunction) -> Self {
        match function {
            LossFunction::CrossEntropy { .. } | LossFunction::Focal { .. } => {
                LossChoice::CrossEntropy
            }
            LossFunction::Hinge => LossChoice::Hinge,
            LossFunction::BinaryCrossEntropy => LossChoice::BinaryCrossEntropy,
            LossFunction::Mse => LossChoice::Mse,
            LossFunction::Mae => LossChoice::Mae,
            LossFunction::Huber { .. } => LossChoice::Huber,
            LossFunction::LogCosh => LossChoice::LogCosh,
            LossFunction::Poisson => LossChoice::Poisson,
            LossFunction::Quantile { .. } => LossChoice::Quantile,
            LossFunction::Gaussian => LossChoice::Gaussian,
        }
    }
}

/// A learning-rate schedule: see [`Curve`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleName {
    /// The same rate all the time
    #[default]
    Constant,
    /// Times --schedule-factor every --schedule-every epochs
    Step,
    /// Times --schedule-factor every epoch
    Exponential,
    /// Down to 0 by a power, a straight line by default
    Polynomial,
    /// Down to 0 along half a wave, --schedule-cycles times
    Cosine,
    /// Up over the first 30 % of all steps, then down to nothing
    OneCycle,
    /// Down by the inverse square root of the step, behind the warm-up
    InverseSquareRoot,
    /// Times --schedule-factor after --schedule-every epochs without a better loss
    Plateau,
}

/// Values that a text becomes.
const EMBEDDING: usize = 8;

/// Units from which on a layer can do without a fifth of them.
const WIDE: usize = 64;

impl Config {
    /// What suits tables of real data where nothing is said of the optimizer: `AdamW` with a strong decay, a rate that falls
    /// along half a wave, dropout of layers that are wide enough for it. The README has scores of it.
    #[must_use]
    pub fn with_recipe(&self) -> Self {
        if self.optimizer.is_some() {
            return self.clone();
        }
        let hidden = self.hidden.clone().unwrap_or_default();
        let wide = !hidden.0.is_empty() && hidden.0.iter().all(|layer| layer.units >= WIDE);
        Config {
            optimizer: Some(Rule::Adamw.into()),
            lr: self.lr.or(Some(3e-3)),
            weight_decay: self.weight_decay.or(Some(0.1)),
            schedule: self.schedule.or(Some(ScheduleName::Cosine)),
            dropout: self.dropout.or(Some(if wide { 0.2 } else { 0.0 })),
            ..self.clone()
        }
    }

    /// How columns become inputs.
    pub fn encoding(&self) -> Result<PreprocessOptions, String> {
        let (mode, numeric) = (
            self.preprocess.unwrap_or_default(),
            self.numeric.unwrap_or_default(),
        );
        if numeric == Numeric::Piecewise && mode != PreprocessMode::Auto {
            return Err(format!(
                "--numeric piecewise has bins in place of --preprocess {mode}; leave one of them out"
            ));
        }
        if numeric != Numeric::Piecewise && self.bins.is_some() {
            return Err(format!(
                "--bins is nothing to --numeric {numeric}; leave it out, or give --numeric piecewise"
            ));
        }
        Ok(PreprocessOptions {
            numeric,
            bins: self
                .bins
                .map_or(PreprocessOptions::BINS, |bins| bins as usize),
            one_hot_up_to: self
                .one_hot_up_to
                .map_or(PreprocessOptions::ONE_HOT, |texts| texts as usize),
            ..mode.into()
        })
    }

    /// The schedule asked for.
    pub fn chosen_schedule(&self) -> Result<Schedule, String> {
        use ScheduleName::{Cosine, Exponential, OneCycle, Plateau, Polynomial, Step};
        let name = self.schedule.unwrap_or_default();
        let misplaced = |option: &str, given: bool, known: &[ScheduleName]| {
            if given && !known.contains(&name) {
                return Err(format!(
                    "{option} is nothing to --schedule {name}; leave one of them out"
                ));
            }
            Ok(())
        };
        let given = self.schedule_factor.is_some();
        misplaced("--schedule-factor", given, &[Step, Plateau, Exponential])?;
        misplaced(
            "--schedule-every",
            self.schedule_every.is_some(),
            &[Step, Plateau],
        )?;
        misplaced(
            "--schedule-power",
            self.schedule_power.is_some(),
            &[Polynomial],
        )?;
        misplaced(
            "--schedule-cycles",
            self.schedule_cycles.is_some(),
            &[Cosine],
        )?;
        if name == OneCycle && self.warmup.is_some() {
            return Err(
                "--warmup is part of --schedule one-cycle already; leave one of them out".into(),
            );
        }
        let curve = match name {
            ScheduleName::Constant => Curve::Constant,
            Step => Curve::Step {
                every: self.schedule_every.unwrap_or(30),
                factor: self.schedule_factor.unwrap_or(0.1),
            },
            Exponential => Curve::Exponential {
                factor: self.schedule_factor.unwrap_or(0.95),
            },
            Polynomial => Curve::Polynomial {
                power: self.schedule_power.unwrap_or(1.0),
            },
            Cosine => Curve::Cosine {
                cycles: self.schedule_cycles.unwrap_or(1),
            },
            OneCycle => Curve::OneCycle,
            ScheduleName::InverseSquareRoot => Curve::InverseSquareRoot,
            Plateau => Curve::Plateau {
                factor: self.schedule_factor.unwrap_or(0.1),
                patience: self.schedule_every.unwrap_or(10),
            },
        };
        Ok(Schedule {
            curve,
            warmup: self.warmup.unwrap_or_default(),
        })
    }

    /// What the inputs become that hold so many numbers, and of rows of a table so many each.
    pub fn embeddings(&self, numbers: usize, rows: Vec<usize>) -> Result<Embeddings, String> {
        if rows.is_empty() && self.embedding_dim.is_some() {
            return Err(
                "--embedding-dim is of columns with more texts than --one-hot-up-to; there is none"
                    .into(),
            );
        }
        let periodic = self.numeric == Some(Numeric::Periodic) && numbers > 0;
        let width = self.embedding_dim.map_or(EMBEDDING, |width| width as usize);
        Ok(Embeddings {
            periodic: periodic.then(|| Periodic::new(numbers)),
            lookup: (!rows.is_empty()).then_some(Lookup { rows, width }),
        })
    }

    /// The network asked for, of so many inputs, some of them embedded, and outputs.
    pub fn network(
        &self,
        inputs: usize,
        embeddings: Embeddings,
        outputs: usize,
    ) -> Result<Network, String> {
        let hidden = self.hidden.clone().unwrap_or_default();
        let activation = self.activation.unwrap_or_default();
        let last = Layer {
            units: outputs,
            activation: self.output_activation.unwrap_or(Activation::Identity),
        };
        let network = Network {
            inputs,
            embeddings,
            layers: hidden.layers(activation).chain([last]).collect(),
            dropout: self.dropout_of(&hidden, activation)?,
            normalization: self.norm.unwrap_or_default(),
            residual: self.residual.unwrap_or(false),
        };
        if network.normalization != Normalization::None && hidden.0.is_empty() {
            return Err(format!(
                "--norm {} is of hidden layers; there is none",
                network.normalization
            ));
        }
        let adds = (0..network.layers.len()).any(|n| network.adds(n));
        if network.residual && !adds {
            return Err(
                "--residual needs a hidden layer as wide as the one before, as --hidden 128,128"
                    .into(),
            );
        }
        Ok(network)
    }

    /// Which rows an epoch has, for a target of this kind.
    pub fn chosen_sampling(&self, task: Task) -> Result<Sampling, String> {
        let sampling = self.sampling.unwrap_or_default();
        if sampling == Sampling::Balanced {
            if task == Task::Regression {
                return Err("--sampling balanced is for classes; the target has values".into());
            }
            if self.shuffle == Some(false) {
                return Err(
                    "--sampling balanced draws rows in a random order; leave --shuffle false out"
                        .into(),
                );
            }
            if self.class_weight == Some(ClassWeight::Balanced) {
                return Err(
                    "--sampling balanced and --class-weight balanced would make rare classes count twice; leave one of them out"
                        .into(),
                );
            }
        }
        Ok(sampling)
    }

    /// What training leaves out of these hidden layers.
    fn dropout_of(&self, hidden: &HiddenLayers, activation: Activation) -> Result<Dropout, String> {
        if self.dropout.unwrap_or(0.0) == 0.0 {
            return match self.alpha_dropout {
                Some(true) => Err("--alpha-dropout needs a share; give --dropout".into()),
                _ => Ok(Dropout::None),
            };
        }
        if hidden.0.is_empty() {
            return Err("--dropout leaves out of hidden layers; there is none".into());
        }
        let selu = hidden
            .layers(activation)
            .all(|layer| layer.activation == Activation::Selu);
        Ok(if self.alpha_dropout.unwrap_or(selu) {
            Dropout::Alpha
        } else {
            Dropout::Plain
        })
    }

    /// The loss asked for, or the one that suits a target of so many classes, 0 for values.
    pub fn loss_function(&self, classes: usize) -> Result<LossFunction, String> {
        let of_classes = self.label_smoothing.is_some() || self.focal_gamma.is_some();
        let choice = match self.loss.unwrap_or(LossChoice::Auto) {
            LossChoice::Auto => match classes {
                0 if self.huber_delta.is_some() => LossChoice::Huber,
                0 if self.quantiles.is_some() => LossChoice::Quantile,
                2 if of_classes => LossChoice::CrossEntropy,
                _ => LossFunction::suiting(classes).into(),
            },
            given => given,
        };
        let misplaced = |option: &str, loss: &str| {
            Err(format!(
                "{option} goes with --loss {loss}; leave one of them out"
            ))
        };
        match choice {
            LossChoice::CrossEntropy => {}
            _ if self.label_smoothing.is_some() => {
                return misplaced("--label-smoothing", "cross-entropy");
            }
            _ if self.focal_gamma.is_some() => return misplaced("--focal-gamma", "cross-entropy"),
            _ => {}
        }
        if choice != LossChoice::Huber && self.huber_delta.is_some() {
            return misplaced("--huber-delta", "huber");
        }
        if choice != LossChoice::Quantile && self.quantiles.is_some() {
            return misplaced("--quantiles", "quantile");
        }
        Ok(match choice {
            LossChoice::CrossEntropy | LossChoice::Auto => {
                match (self.focal_gamma, self.label_smoothing) {
                    (Some(_), Some(_)) => {
                        return Err(
                            "--focal-gamma does not go with --label-smoothing; leave one of them out"
                                .into(),
                        );
                    }
                    (Some(gamma), None) => LossFunction::Focal { gamma },
                    (None, smoothing) => LossFunction::CrossEntropy {
                        smoothing: smoothing.unwrap_or(0.0),
                    },
                }
            }
            LossChoice::Hinge => LossFunction::Hinge,
            LossChoice::BinaryCrossEntropy => LossFunction::BinaryCrossEntropy,
            LossChoice::Mse => LossFunction::Mse,
            LossChoice::Mae => LossFunction::Mae,
            LossChoice::Huber => LossFunction::Huber {
                delta: self.huber_delta.unwrap_or(1.0),
            },
            LossChoice::LogCosh => LossFunction::LogCosh,
            LossChoice::Poisson => LossFunction::Poisson,
            LossChoice::Quantile => LossFunction::Quantile {
                levels: self.quantiles.unwrap_or_default(),
            },
            LossChoice::Gaussian => LossFunction::Gaussian,
        })
    }
}
