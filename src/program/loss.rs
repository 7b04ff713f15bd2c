use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use super::Levels;

/// What a loss measures for one row, of logits or values z against targets t.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossFunction {
    /// −Σ q·log softmax(z), with q = 1 − ε for the class and ε/C more for each of the C classes (Szegedy et al. 2016).
    CrossEntropy {
        /// ε, from 0 to below 1.
        smoothing: f32,
    },
    /// −(1 − p)^γ·log p, with p the class's share of softmax(z) (Lin et al. 2017).
    Focal {
        /// γ, from 0 on.
        gamma: f32,
    },
    /// Σ max(0, 1 − zₜ + z) / C over the classes other than t (Crammer and Singer 2001; `PyTorch`'s `MultiMarginLoss`).
    Hinge,
    /// Σ −t·log σ(z) − (1−t)·log(1−σ(z)) = Σ max(z,0) − z·t + log(1 + e^−|z|).
    BinaryCrossEntropy,
    /// Σ (z − t)².
    Mse,
    /// Σ |z − t|.
    Mae,
    /// Σ e²/2 for an error |e| up to δ, δ·(|e| − δ/2) beyond (Huber 1964).
    Huber {
        /// δ, above 0.
        delta: f32,
    },
    /// Σ log cosh(z − t).
    LogCosh,
    /// Σ e^z − t·z, the negative log-likelihood of a count t without its constant.
    Poisson,
    /// Σ max(q·e, (q−1)·e) with e = t − z, over an output z for each quantile q (Koenker and Bassett 1978). A target's outputs
    /// are neighbours.
    Quantile {
        /// q, by output.
        levels: Levels,
    },
    /// Σ (log v + (μ − t)²/v)/2 with v = max(e^s, ε), over pairs of outputs μ, s: the negative log-likelihood of a normal
    /// distribution without its constant (Nix and Weigend 1994; `PyTorch`'s `GaussianNLLLoss`, ε = 1e-6).
    Gaussian,
}

impl LossFunction {
    /// Cross-entropy without label smoothing.
    pub const CROSS_ENTROPY: LossFunction = LossFunction::CrossEntropy { smoothing: 0.0 };

    /// Each function once, with usual parameters.
    pub const ALL: [LossFunction; 11] = [
        LossFunction::CROSS_ENTROPY,
        LossFunction::Focal { gamma: 2.0 },
        LossFunction::Hinge,
        LossFunction::BinaryCrossEntropy,
        LossFunction::Mse,
        LossFunction::Mae,
        LossFunction::Huber { delta: 1.0 },
        LossFunction::LogCosh,
        LossFunction::Poisson,
        LossFunction::Quantile {
            levels: Levels::of([0.1, 0.5, 0.875]),
        },
        LossFunction::Gaussian,
    ];

    /// The least variance of [`LossFunction::Gaussian`].
    pub const LEAST_VARIANCE: f64 = 1e-6;

    /// Outputs for each value of a target.
    pub fn width(self) -> usize {
        match self {
            LossFunction::Quantile { levels } => levels.values().len(),
            LossFunction::Gaussian => 2,
            _ => 1,
        }
    }

    /// Whether a row's target is the number of its class, one column whatever the number of outputs.
    pub fn of_class(self) -> bool {
        matches!(
            self,
            LossFunction::CrossEntropy { .. } | LossFunction::Focal { .. } | LossFunction::Hinge
        )
    }

    /// Whether it suits a target of so many classes, 0 for values.
    pub fn suits(self, classes: usize) -> bool {
        match self {
            LossFunction::CrossEntropy { .. }
            | LossFunction::Focal { .. }
            | LossFunction::Hinge => classes > 1,
            LossFunction::BinaryCrossEntropy => classes == 2,
            LossFunction::Mse => classes == 0 || classes == 2,
            LossFunction::Mae
            | LossFunction::Huber { .. }
            | LossFunction::LogCosh
            | LossFunction::Poisson
            | LossFunction::Quantile { .. }
            | LossFunction::Gaussian => classes == 0,
        }
    }

    /// The usual one for a target of so many classes, 0 for values.
    pub fn suiting(classes: usize) -> Self {
        match classes {
            0 => LossFunction::Mse,
            2 => LossFunction::BinaryCrossEntropy,
            _ => LossFunction::CROSS_ENTROPY,
        }
    }

    /// ε, γ or δ; 0 for a function without.
    pub fn parameter(self) -> f32 {
        match self {
            LossFunction::CrossEntropy { smoothing } => smoothing,
            LossFunction::Focal { gamma } => gamma,
            LossFunction::Huber { delta } => delta,
            LossFunction::Hinge
            | LossFunction::BinaryCrossEntropy
            | LossFunction::Mse
            | LossFunction::Mae
            | LossFunction::LogCosh
            | LossFunction::Poisson
            | LossFunction::Quantile { .. }
            | LossFunction::Gaussian => 0.0,
        }
    }

    /// The quantile by output, 0 where there is none.
    pub(crate) fn levels(self) -> [f32; Levels::MOST] {
        match self {
            LossFunction::Quantile { levels } => levels.padded(),
            _ => [0.0; Levels::MOST],
        }
    }
}

/// Its name on the command line; its parameter is not told.
impl Display for LossFunction {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            LossFunction::CrossEntropy { .. } => "cross-entropy",
            LossFunction::Focal { .. } => "focal",
            LossFunction::Hinge => "hinge",
            LossFunction::BinaryCrossEntropy => "binary-cross-entropy",
            LossFunction::Mse => "mse",
            LossFunction::Mae => "mae",
            LossFunction::Huber { .. } => "huber",
            LossFunction::LogCosh => "log-cosh",
            LossFunction::Poisson => "poisson",
            LossFunction::Quantile { .. } => "quantile",
            LossFunction::Gaussian => "gaussian",
        })
    }
}

/// How logits become predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The values are the predictions.
    Identity,
    /// Each output is a probability of its own.
    Sigmoid,
    /// The outputs are a distribution over classes.
    Softmax,
    /// The largest output is the class; there are no probabilities.
    Margin,
    /// The predictions are e^z.
    Exponential,
    /// The predictions are a target's values in rising order.
    Ordered,
    /// Of two values, the first is the mean, the second the logarithm of the variance.
    Normal,
}

/// How the losses of single values become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// The mean over rows (losses of classes) or over rows and outputs (all others), as in `PyTorch`.
    #[default]
    Mean,
    /// The sum over rows and outputs.
    Sum,
    /// The sum over rows and outputs, by twice the number of rows: the textbook's 1/(2n)·Σ(y−a)².
    HalfMean,
}

/// What a target's last columns weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossWeights {
    /// There are none.
    #[default]
    None,
    /// One column: what the row's loss is multiplied by.
    Rows,
    /// A column for each output: what its loss is multiplied by. For losses that are a sum over single outputs.
    Outputs,
}

impl LossWeights {
    /// Columns of them.
    pub fn columns(self, outputs: usize) -> usize {
        match self {
            LossWeights::None => 0,
            LossWeights::Rows => 1,
            LossWeights::Outputs => outputs,
        }
    }
}

/// What training makes small.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// The loss of a row.
    pub function: LossFunction,
    /// How rows are brought together.
    pub reduction: Reduction,
    /// What is behind the targets. A mean is by the number of rows, so weights had better be 1 on average.
    #[serde(default)]
    pub weights: LossWeights,
}

impl Loss {
    /// A loss without weights.
    pub fn new(function: LossFunction, reduction: Reduction) -> Self {
        Loss {
            function,
            reduction,
            weights: LossWeights::None,
        }
    }

    /// The factor that turns the sum over `rows` rows of `outputs` values each into the reduced loss.
    pub fn scale(&self, rows: usize, outputs: usize) -> f64 {
        match self.reduction {
            Reduction::Mean => 1.0 / (rows * self.values(outputs)).max(1) as f64,
            Reduction::Sum => 1.0,
            Reduction::HalfMean => 0.5 / rows.max(1) as f64,
        }
    }

    /// How the network's output becomes a prediction under this loss.
    pub fn link(&self) -> Link {
        match self.function {
            LossFunction::CrossEntropy { .. } | LossFunction::Focal { .. } => Link::Softmax,
            LossFunction::Hinge => Link::Margin,
            LossFunction::BinaryCrossEntropy => Link::Sigmoid,
            LossFunction::Mse
            | LossFunction::Mae
            | LossFunction::Huber { .. }
            | LossFunction::LogCosh => Link::Identity,
            LossFunction::Poisson => Link::Exponential,
            LossFunction::Quantile { .. } => Link::Ordered,
            LossFunction::Gaussian => Link::Normal,
        }
    }

    /// Values that the loss of a row is summed over, for so many outputs.
    pub fn values(&self, outputs: usize) -> usize {
        match self.function {
            LossFunction::Gaussian => outputs / 2,
            function if function.of_class() => 1,
            _ => outputs,
        }
    }

    /// Outputs that a network needs for a target of so many classes, 0 for a value: one for two classes told apart by one
    /// probability or value.
    pub fn outputs(&self, classes: usize) -> usize {
        if self.function.of_class() {
            classes
        } else {
            self.function.width()
        }
    }

    /// Columns of the target of a network with `outputs` outputs.
    pub fn target_columns(&self, outputs: usize) -> usize {
        let values = if self.function.of_class() {
            1
        } else {
            outputs / self.function.width()
        };
        values + self.weights.columns(outputs)
    }
}
