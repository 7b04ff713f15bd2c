use serde::Serialize;

use super::values::explained;
use super::{
    ErrorScores, LabelAverages, LabelScores, Model, QuantileScores, RankScores, ValueScores,
    gaussian_loss, has_label, label_scores, top_accuracy,
};
use crate::backend::cpu::row_loss;
use crate::data::{Matrix, Moments};
use crate::program::{Levels, Link, LossFunction};

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

/// Sums over evaluated rows, and their answers: as many numbers a row as there are classes, or as the loss has values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    rows: u64,
    loss: f64,
    /// Rows by true class, then by predicted class.
    confusion: Vec<Vec<u64>>,
    /// Each row's answers and targets.
    answers: Matrix,
    targets: Matrix,
    probabilities: bool,
    labels: bool,
    function: Option<LossFunction>,
}

impl Report {
    /// Adds rows: logits `[rows, outputs]`, by member of an ensemble, against targets `[rows, targets]`: a class, values or labels.
    /// The loss is the mean of the members' losses.
    pub fn add(&mut self, model: &Model, logits: &[Matrix], targets: &Matrix) {
        let classes = model.classes().len();
        self.labels = !model.labels().is_empty();
        self.confusion.resize(classes, vec![0; classes]);
        let answers = model.answers(logits);
        let loss = model.description.loss;
        self.probabilities = loss.link() != Link::Margin;
        self.function = Some(loss.function);
        for row in 0..targets.rows {
            self.rows += 1;
            let wished = targets.row(row).iter().enumerate();
            let wished =
                wished.map(|(target, &value)| model.description.wished(target, value.into()));
            let wished: Vec<f64> = wished.collect();
            for of_member in logits {
                let z: Vec<f64> = of_member.row(row).iter().copied().map(f64::from).collect();
                let members = logits.len() * loss.values(z.len());
                self.loss += row_loss(loss.function, &z, &wished) / members as f64;
            }
            if classes > 0 {
                let class = targets.row(row)[0] as usize;
                self.confusion[class][most_probable(answers.row(row))] += 1;
            }
        }
        for (all, more) in [(&mut self.targets, targets), (&mut self.answers, &answers)] {
            all.rows += more.rows;
            all.columns = more.columns;
            all.values.extend(&more.values);
        }
    }

    /// Scores of a classification that need all rows' answers.
    pub fn ranks(&self) -> Option<RankScores> {
        let scores = || RankScores::new(&self.answers, &self.classes_of_rows(), self.probabilities);
        (!self.confusion.is_empty()).then(scores)
    }

    /// Share of the rows whose class is among the k most probable; none of values, of labels and of no rows.
    pub fn top_accuracy(&self, k: usize) -> Option<f64> {
        let targets: Vec<u32> = self.classes_of_rows();
        let some = !self.confusion.is_empty() && !targets.is_empty();
        some.then(|| top_accuracy(&self.answers, &targets, k))
    }

    fn classes_of_rows(&self) -> Vec<u32> {
        let targets = self.targets.values.iter();
        targets.map(|&class| class as u32).collect()
    }

    /// Scores of labels, together and each; none of one class a row, and of values.
    pub fn labels(&self) -> Option<(LabelAverages, Vec<LabelScores>)> {
        self.labels
            .then(|| label_scores(&self.answers, &self.targets))
    }

    /// Scores of a regression by target; none of classes, of quantiles without the median, and of no rows.
    pub fn values(&self) -> Vec<ValueScores> {
        let place = match self.function {
            Some(LossFunction::Quantile { levels }) => levels.median(),
            Some(_) => Some(0),
            None => None,
        };
        let Some(place) = place.filter(|_| self.confusion.is_empty() && !self.labels) else {
            return Vec::new();
        };
        let width = self.answers.columns / self.targets.columns.max(1);
        let of = |target: usize| {
            let answers: Vec<f32> = self.answers.column(target * width + place).collect();
            ValueScores::new(&answers, &self.targets.column(target).collect::<Vec<_>>())
        };
        (0..self.targets.columns).filter_map(of).collect()
    }

    /// The quantiles of a regression by them.
    fn levels(&self) -> Option<Levels> {
        match self.function {
            Some(LossFunction::Quantile { levels }) => Some(levels),
            _ => None,
        }
    }

    /// How the quantiles of a regression are met; none of any other.
    pub fn quantiles(&self) -> Vec<QuantileScores> {
        let of = |levels| QuantileScores::new(&levels, &self.answers, &self.targets);
        self.levels().map(of).unwrap_or_default()
    }

    /// The share of the targets between the least and the largest quantile.
    pub fn interval(&self) -> Option<f64> {
        let of = |levels| QuantileScores::interval(&levels, &self.answers, &self.targets);
        self.levels().and_then(of)
    }

    /// The mean negative log-likelihood in the targets' own units, of a regression by it.
    pub fn negative_log_likelihood(&self) -> Option<f64> {
        let gaussian = self.function == Some(LossFunction::Gaussian);
        let nll = gaussian.then(|| gaussian_loss(&self.answers, &self.targets));
        nll.flatten()
    }

    /// Scores of a regression beside the metrics: the means over targets.
    pub fn errors(&self) -> Option<ErrorScores> {
        let values = self.values();
        let errors = ValueScores::mean(&values).map(|scores| scores.errors);
        errors.filter(|_| self.levels().is_none())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The scores of all rows so far, the means over targets.
    pub fn metrics(&self) -> Metrics {
        let rows = self.rows.max(1) as f64;
        let loss = self.loss / rows;
        let values = ValueScores::mean(&self.values());
        if !self.confusion.is_empty() {
            let classes = 0..self.confusion.len();
            let right: u64 = classes.map(|class| self.confusion[class][class]).sum();
            let accuracy = right as f64 / rows;
            return Metrics::Classification { loss, accuracy };
        }
        if self.labels {
            let pairs = (0..self.targets.rows).filter(|&row| {
                let pairs = self.answers.row(row).iter().zip(self.targets.row(row));
                pairs
                    .into_iter()
                    .all(|(&answer, &there)| has_label(answer) == (there > 0.5))
            });
            let accuracy = pairs.count() as f64 / rows;
            return Metrics::Classification { loss, accuracy };
        }
        if self.levels().is_some() {
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

    /// Rows by true class, then by predicted class.
    pub fn confusion(&self) -> &[Vec<u64>] {
        &self.confusion
    }

    /// Scores of each class.
    pub fn classes(&self, labels: &[String]) -> Vec<ClassScores> {
        let share = |part: u64, whole: u64| {
            if whole == 0 {
                0.0
            } else {
                part as f64 / whole as f64
            }
        };
        labels
            .iter()
            .enumerate()
            .zip(&self.confusion)
            .map(|((class, label), row)| {
                let support = row.iter().sum();
                let called = self.confusion.iter().map(|row| row[class]).sum();
                let right = row[class];
                ClassScores {
                    label: label.clone(),
                    precision: share(right, called),
                    recall: share(right, support),
                    f1: share(2 * right, support + called),
                    support,
                }
            })
            .collect()
    }
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
        let report = Report {
            rows: 6,
            confusion: vec![vec![2, 1, 0], vec![0, 2, 0], vec![0, 1, 0]],
            ..Report::default()
        };
        let labels = ["a", "b", "c"].map(str::to_owned);
        let scores: Vec<_> = report
            .classes(&labels)
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
