use serde::Serialize;

use super::tally::Spread;
use super::values::explained;
use super::{
    ErrorScores, LabelAverages, LabelScores, Model, QuantileScores, RankScores, Tally, ValueScores,
    label_scores,
};
use crate::data::{Matrix, Moments};
use crate::program::{Answer, Tallied};

/// How well a model does, in the target's own units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Metrics {
    /// Of a classification.
    Classification {
        /// The mean loss.
        loss: f64,
        /// Share of rows whose most probable class is right, or all of whose labels are.
        accuracy: f64,
    },
    /// Of a regression.
    Regression {
        /// The mean loss, of the standardised target.
        loss: f64,
        /// Root of the mean squared error.
        rmse: f64,
        /// Mean absolute error.
        mae: f64,
        /// 1 − Σ(y−ŷ)² / Σ(y−ȳ)²; for a constant target 1 if every prediction is right and else 0, as scikit-learn has it.
        r2: f64,
    },
    /// Of quantiles.
    Quantiles {
        /// The mean loss, of the standardised target.
        loss: f64,
        /// The mean over quantiles of their losses.
        pinball: f64,
        /// Mean absolute error of the median, where that is one of the quantiles.
        mae: Option<f64>,
    },
    /// Of a network as it learns, where its answers are not told from sums.
    Loss {
        /// The mean loss.
        loss: f64,
    },
}

impl Metrics {
    /// Of a regression on the standardised scale, in the units that `moments` lead back to. `variance` is the standardised
    /// targets' own.
    pub fn regression(
        loss: f64,
        absolute: f64,
        squared: f64,
        variance: f64,
        moments: Option<Moments>,
    ) -> Self {
        let deviation = moments.map_or(1.0, |moments| f64::from(moments.deviation));
        Metrics::Regression {
            loss,
            rmse: squared.sqrt() * deviation,
            mae: absolute * deviation,
            r2: explained(squared, variance),
        }
    }

    /// Brings several of one kind together, each of their values by `f`; `None` of none.
    pub fn combine(all: &[Metrics], f: impl Fn(&[f64]) -> f64) -> Option<Metrics> {
        let of = |value: fn(&Metrics) -> f64| f(&all.iter().map(value).collect::<Vec<_>>());
        let [first, ..] = all else { return None };
        let loss = of(Metrics::loss);
        Some(match first {
            Metrics::Classification { .. } => Metrics::Classification {
                loss,
                accuracy: of(|metrics| metrics.figures()[0]),
            },
            Metrics::Regression { .. } => Metrics::Regression {
                loss,
                rmse: of(|metrics| metrics.figures()[0]),
                mae: of(|metrics| metrics.figures()[1]),
                r2: of(|metrics| metrics.figures()[2]),
            },
            Metrics::Quantiles { mae, .. } => Metrics::Quantiles {
                loss,
                pinball: of(|metrics| metrics.figures()[0]),
                mae: mae.map(|_| of(|metrics| metrics.figures()[1])),
            },
            Metrics::Loss { .. } => Metrics::Loss { loss },
        })
    }

    /// All but the loss, in their order.
    fn figures(&self) -> [f64; 3] {
        match *self {
            Metrics::Classification { accuracy, .. } => [accuracy, f64::NAN, f64::NAN],
            Metrics::Regression { rmse, mae, r2, .. } => [rmse, mae, r2],
            Metrics::Quantiles { pinball, mae, .. } => [pinball, mae.unwrap_or(f64::NAN), f64::NAN],
            Metrics::Loss { .. } => [f64::NAN; 3],
        }
    }

    /// The loss.
    pub fn loss(&self) -> f64 {
        match self {
            Metrics::Classification { loss, .. }
            | Metrics::Regression { loss, .. }
            | Metrics::Quantiles { loss, .. }
            | Metrics::Loss { loss } => *loss,
        }
    }
}

/// Precision, recall and F1 of one class; 0 where nothing is divided by nothing, as scikit-learn has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// The class.
    pub label: String,
    /// Share of the rows called this class that are of it.
    pub precision: f64,
    /// Share of the rows of this class that are called it.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Rows of this class.
    pub support: u64,
}

/// What evaluated rows come to: their loss, what is counted and summed up of their answers, and for what ranks them the answers,
/// as many numbers a row as there are classes, or as the loss has values.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    answer: Answer,
    loss: f64,
    tally: Tally,
    /// Each row's answers and targets.
    answers: Matrix,
    targets: Matrix,
}

impl Report {
    /// Nothing yet, of such answers of a network with so many outputs.
    pub fn new(answer: Answer, outputs: usize) -> Self {
        Report {
            answer,
            loss: 0.0,
            tally: Tally::new(answer.tallied(outputs)),
            answers: Matrix::default(),
            targets: Matrix::default(),
        }
    }

    /// Nothing yet, of a model's answers.
    pub fn of(model: &Model) -> Self {
        Report::new(model.description.answer(), model.network.outputs())
    }

    /// Adds the loss of some rows.
    pub(super) fn add_loss(&mut self, loss: f64) {
        self.loss += loss;
    }

    /// Adds what was counted and summed up.
    pub fn add_tally(&mut self, counts: &[f64], sums: &[f64], moments: &[Moments]) {
        self.tally.add(counts, sums, moments);
    }

    /// Adds the answers for rows that are in the tally, and their targets.
    pub fn keep(&mut self, answers: &Matrix, targets: &Matrix) {
        for (all, more) in [(&mut self.targets, targets), (&mut self.answers, answers)] {
            all.rows += more.rows;
            all.columns = more.columns;
            all.values.extend(&more.values);
        }
    }

    /// Adds what another of the same answers has, of other rows.
    pub fn add(&mut self, other: &Report) {
        self.loss += other.loss;
        self.tally.and(&other.tally);
        self.keep(&other.answers, &other.targets);
    }

    /// The answers that are kept.
    pub fn answers(&self) -> &Matrix {
        &self.answers
    }

    /// What is counted and summed up.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Scores of a classification that are of its probabilities; none of values, and of labels.
    pub fn ranks(&self) -> Option<RankScores> {
        let targets = self.targets.values.iter();
        let classes = || targets.map(|&class| class as u32).collect::<Vec<_>>();
        let probabilities = self.answer != Answer::Margins;
        let scores = || RankScores::new(&self.tally, &self.answers, &classes(), probabilities);
        (self.tally.classes() > 0).then(scores)
    }

    /// Scores of labels, together and each; none of one class a row, and of values.
    pub fn labels(&self) -> Option<(LabelAverages, Vec<LabelScores>)> {
        let labels = self.answer == Answer::Labels;
        labels.then(|| label_scores(&self.tally, &self.answers, &self.targets))
    }

    /// Scores of a regression by target; none of classes, of quantiles without the median, and of no rows.
    pub fn values(&self) -> Vec<ValueScores> {
        let Tallied::Values {
            width,
            place,
            levels,
            ..
        } = self.tally.tallied()
        else {
            return Vec::new();
        };
        if levels.is_some_and(|levels| levels.median().is_none()) {
            return Vec::new();
        }
        let of = |(target, spread): (usize, &Spread)| {
            let answers: Vec<f32> = self.answers.column(target * width + place).collect();
            let targets: Vec<f32> = self.targets.column(target).collect();
            ValueScores::new(spread, &answers, &targets)
        };
        self.tally.spreads().iter().enumerate().map(of).collect()
    }

    /// How the quantiles of a regression are met; none of any other.
    pub fn quantiles(&self) -> Vec<QuantileScores> {
        self.tally.quantiles()
    }

    /// The share of the targets between the least and the largest quantile.
    pub fn interval(&self) -> Option<f64> {
        self.tally.interval()
    }

    /// The mean negative log-likelihood in the targets' own units, of a regression by it.
    pub fn negative_log_likelihood(&self) -> Option<f64> {
        self.tally.negative_log_likelihood()
    }

    /// Scores of a regression beside the metrics: the means over targets.
    pub fn errors(&self) -> Option<ErrorScores> {
        let errors = ValueScores::mean(&self.values()).map(|scores| scores.errors);
        errors.filter(|_| !matches!(self.answer, Answer::Quantiles { .. }))
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.tally.rows()
    }

    /// The scores of all rows so far, the means over targets.
    pub fn metrics(&self) -> Metrics {
        let loss = self.loss / self.rows().max(1) as f64;
        let values = ValueScores::mean(&self.values());
        if !matches!(self.tally.tallied(), Tallied::Values { .. }) {
            let accuracy = self.tally.accuracy();
            return Metrics::Classification { loss, accuracy };
        }
        if let Answer::Quantiles { .. } = self.answer {
            let quantiles = self.quantiles();
            let losses = quantiles.iter().map(|quantile| quantile.pinball);
            return Metrics::Quantiles {
                loss,
                pinball: losses.sum::<f64>() / quantiles.len().max(1) as f64,
                mae: values.map(|scores| scores.mae),
            };
        }
        let ValueScores { rmse, mae, r2, .. } = values.unwrap_or_default();
        Metrics::Regression {
            loss,
            rmse,
            mae,
            r2,
        }
    }

    /// Scores of each class.
    pub fn classes(&self, labels: &[String]) -> Vec<ClassScores> {
        class_scores(&self.tally.confusion(), labels)
    }
}

/// Scores of each class, of rows by true class, then by predicted class.
fn class_scores(confusion: &[Vec<u64>], labels: &[String]) -> Vec<ClassScores> {
    let share = |part: u64, whole: u64| {
        if whole == 0 {
            0.0
        } else {
            part as f64 / whole as f64
        }
    };
    let of = |((class, label), row): ((usize, &String), &Vec<u64>)| {
        let support = row.iter().sum();
        let called = confusion.iter().map(|row| row[class]).sum();
        let right = row[class];
        ClassScores {
            label: label.clone(),
            precision: share(right, called),
            recall: share(right, support),
            f1: share(2 * right, support + called),
            support,
        }
    };
    labels.iter().enumerate().zip(confusion).map(of).collect()
}

/// Position of the largest probability, the first of equals.
pub fn most_probable(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_scores_are_those_of_scikit_learn() {
        // classification_report of y_true = [0, 0, 0, 1, 1, 2], y_pred = [0, 0, 1, 1, 1, 1].
        let confusion = [vec![2, 1, 0], vec![0, 2, 0], vec![0, 1, 0]];
        let labels = ["a", "b", "c"].map(str::to_owned);
        let scores: Vec<_> = class_scores(&confusion, &labels)
            .into_iter()
            .map(|c| (c.precision, c.recall, c.f1, c.support))
            .collect();
        let expected = [
            (1.0, 2.0 / 3.0, 0.8, 3),
            (0.5, 1.0, 2.0 / 3.0, 2),
            (0.0, 0.0, 0.0, 1),
        ];
        assert_eq!(scores, expected);
    }

    #[test]
    fn a_constant_target_has_the_r2_of_scikit_learn() {
        let r2 = |squared, variance| match Metrics::regression(0.0, 0.0, squared, variance, None) {
            Metrics::Regression { r2, .. } => r2,
            _ => f64::NAN,
        };
        assert_eq!((r2(0.0, 0.0), r2(1.0, 0.0), r2(1.0, 4.0)), (1.0, 0.0, 0.75));
    }
}
