use serde::{Deserialize, Serialize};

use super::Epoch;
use crate::data::Task;
use crate::predictor::Report;
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
    /// The mean recall of the classes
    BalancedAccuracy,
    /// The mean F1 of the classes
    F1,
    /// Matthews' correlation coefficient of classes
    Matthews,
    /// The area under the receiver operating characteristic of classes
    RocAuc,
    /// The average precision of classes
    AveragePrecision,
    /// The mean of −log of the class's probability, or over labels, the lower the better
    LogLoss,
    /// The share of the values' variance that is explained
    R2,
    /// The mean relative error of values
    Mape,
    /// The share of the variance that is explained, a constant error left out
    ExplainedVariance,
}

impl Monitor {
    /// Whether it is found from the sums that every step leaves; all others are of validation rows alone, whose answers are counted.
    pub fn is_summed(self) -> bool {
        matches!(
            self,
            Monitor::Loss | Monitor::Accuracy | Monitor::Mae | Monitor::Rmse
        )
    }

    /// Whether it puts the rows in order, and needs each one's answer.
    pub(super) fn ranks(self) -> bool {
        matches!(self, Monitor::RocAuc | Monitor::AveragePrecision)
    }

    /// Whether the target has it.
    pub fn suits(self, task: Task) -> bool {
        match self {
            Monitor::Loss => true,
            Monitor::Accuracy
            | Monitor::BalancedAccuracy
            | Monitor::F1
            | Monitor::Matthews
            | Monitor::RocAuc
            | Monitor::AveragePrecision
            | Monitor::LogLoss => task == Task::Classification,
            Monitor::Mae
            | Monitor::Rmse
            | Monitor::R2
            | Monitor::Mape
            | Monitor::ExplainedVariance => task == Task::Regression,
        }
    }

    /// What is watched of an epoch, on the validation rows or else the training rows: the lower, the better.
    pub(super) fn of(self, epoch: &Epoch) -> f64 {
        let scores = epoch.watched();
        let judged = epoch.judged.unwrap_or(f64::NAN);
        match self {
            Monitor::Loss => scores.loss,
            Monitor::Accuracy => -scores.accuracy,
            Monitor::Mae => scores.absolute,
            Monitor::Rmse => scores.squared,
            Monitor::LogLoss | Monitor::Mape => judged,
            Monitor::BalancedAccuracy
            | Monitor::F1
            | Monitor::Matthews
            | Monitor::RocAuc
            | Monitor::AveragePrecision
            | Monitor::R2
            | Monitor::ExplainedVariance => -judged,
        }
    }

    /// Its value for rows whose answers are counted, and kept if it ranks them; `None` where these rows have none, or each step's
    /// sums tell it.
    pub(super) fn judge(self, report: &Report) -> Option<f64> {
        let tally = report.tally();
        match self {
            Monitor::Loss | Monitor::Accuracy | Monitor::Mae | Monitor::Rmse => None,
            Monitor::BalancedAccuracy => Some(tally.averages().balanced_accuracy),
            Monitor::F1 => Some(match report.labels() {
                Some((labels, _)) => labels.plain.f1,
                None => tally.averages().plain.f1,
            }),
            Monitor::Matthews => Some(tally.averages().matthews),
            Monitor::RocAuc => match report.labels() {
                Some((labels, _)) => labels.roc_auc,
                None => report.ranks()?.roc_auc,
            },
            Monitor::AveragePrecision => match report.labels() {
                Some((labels, _)) => labels.average_precision,
                None => report.ranks()?.average_precision,
            },
            Monitor::LogLoss => match report.labels() {
                Some((labels, _)) => labels.log_loss,
                None => report.ranks()?.log_loss,
            },
            Monitor::R2 => tally.r2(),
            Monitor::Mape => tally.mape(),
            Monitor::ExplainedVariance => tally.explained_variance(),
        }
    }
}

/// Sums of the records of steps.
pub(super) type Totals = [f64; record::WIDTH];

/// Adds records to what the steps before came to.
pub(super) fn add(totals: &mut Totals, log: &[f32]) {
    for record in log.chunks_exact(record::WIDTH) {
        for (total, &value) in totals.iter_mut().zip(record) {
            *total += f64::from(value);
        }
    }
}

/// What records come to.
pub(super) fn summed(log: &[f32]) -> Totals {
    let mut totals = Totals::default();
    add(&mut totals, log);
    totals
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

    /// From the totals of steps over `rows` rows of `outputs` outputs.
    pub(super) fn new(totals: &Totals, rows: usize, outputs: usize, loss: Loss) -> Self {
        let (rows_of, values) = (
            rows.max(1) as f64,
            (rows * loss.values(outputs)).max(1) as f64,
        );
        Scores {
            loss: totals[record::LOSS] * loss.scale(rows, outputs),
            accuracy: totals[record::CORRECT] / rows_of,
            absolute: totals[record::ABSOLUTE] / values,
            squared: totals[record::SQUARED] / values,
        }
    }
}
