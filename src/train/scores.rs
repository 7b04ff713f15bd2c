use serde::{Deserialize, Serialize};

use crate::program::{Loss, record};

/// What tells better weights from worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Monitor {
    /// The loss, the lower the better
    #[default]
    Loss,
    /// The share of right answers for classes, the higher the better
    Accuracy,
    /// The mean absolute error of values
    Mae,
    /// The root of the mean squared error of values
    Rmse,
}

impl Monitor {
    /// The lower, the better.
    pub(super) fn of(self, scores: &Scores) -> f64 {
        match self {
            Monitor::Loss => scores.loss,
            Monitor::Accuracy => -scores.accuracy,
            Monitor::Mae => scores.absolute,
            Monitor::Rmse => scores.squared,
        }
    }
}

/// How well a network does on some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// The reduced loss; of steps with different weights, the mean of theirs weighted by their rows.
    pub loss: f64,
    /// Share of rows whose prediction is right, for a classification.
    pub accuracy: f64,
    /// Mean |prediction − target| over rows and outputs.
    pub absolute: f64,
    /// Mean (prediction − target)² over rows and outputs.
    pub squared: f64,
}

impl Scores {
    /// The mean of several networks' scores; `None` of none.
    pub(super) fn mean(scores: &[Scores]) -> Option<Scores> {
        let of =
            |value: fn(&Scores) -> f64| scores.iter().map(value).sum::<f64>() / scores.len() as f64;
        (!scores.is_empty()).then(|| Scores {
            loss: of(|scores| scores.loss),
            accuracy: of(|scores| scores.accuracy),
            absolute: of(|scores| scores.absolute),
            squared: of(|scores| scores.squared),
        })
    }

    /// From the records of steps over `rows` rows of `outputs` outputs.
    pub(super) fn new(log: &[f32], rows: usize, outputs: usize, loss: Loss) -> Self {
        let mut totals = [0.0; record::WIDTH];
        for record in log.chunks_exact(record::WIDTH) {
            for (total, &value) in totals.iter_mut().zip(record) {
                *total += f64::from(value);
            }
        }
        let (rows_of, values) = (rows.max(1) as f64, (rows * outputs).max(1) as f64);
        Scores {
            loss: totals[record::LOSS] * loss.scale(rows, outputs),
            accuracy: totals[record::CORRECT] / rows_of,
            absolute: totals[record::ABSOLUTE] / values,
            squared: totals[record::SQUARED] / values,
        }
    }
}
