use serde::Serialize;

use super::{ErrorScores, Model, RankScores};
use crate::backend::cpu::row_loss;
use crate::data::{Matrix, Moments};
use crate::program::Link;

/// How well a model does, in the target's own units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Metrics {
    /// Of a classification.
    Classification {
        /// The mean loss.
        loss: f64,
        /// Share of rows whose most probable class is right.
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
            r2: match (variance > 0.0, squared > 0.0) {
                (true, _) => 1.0 - squared / variance,
                (false, false) => 1.0,
                (false, true) => 0.0,
            },
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
        })
    }

    /// All but the loss, in their order.
    fn figures(&self) -> [f64; 3] {
        match *self {
            Metrics::Classification { accuracy, .. } => [accuracy, f64::NAN, f64::NAN],
            Metrics::Regression { rmse, mae, r2, .. } => [rmse, mae, r2],
        }
    }

    /// The loss.
    pub fn loss(&self) -> f64 {
        match self {
            Metrics::Classification { loss, .. } | Metrics::Regression { loss, .. } => *loss,
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

/// Sums over evaluated rows, and their answers: as many numbers a row as there are classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    rows: u64,
    loss: f64,
    /// Rows by true class, then by predicted class.
    confusion: Vec<Vec<u64>>,
    absolute: f64,
    squared: f64,
    /// Mean of the targets so far, and the sum of their squared distances from it (Welford 1962).
    mean: f64,
    spread: f64,
    /// Each row's answer and target, for what has to be sorted.
    answers: Matrix,
    targets: Vec<f32>,
    probabilities: bool,
}

impl Report {
    /// Adds rows: logits `[rows, outputs]`, by member of an ensemble, against targets `[rows, 1]`, a class or a value. The
    /// loss is the mean of the members' losses.
    pub fn add(&mut self, model: &Model, logits: &[Matrix], targets: &Matrix) {
        let classes = model.labels().len();
        self.confusion.resize(classes, vec![0; classes]);
        let answers = model.answers(logits);
        self.probabilities = model.description.loss.link() != Link::Margin;
        let rows = targets.values.iter().enumerate();
        for ((row, &target), answer) in rows.zip(answers.values.chunks(answers.columns.max(1))) {
            self.rows += 1;
            let target = f64::from(target);
            let scaled = model.description.wished(target);
            for of_member in logits {
                let z: Vec<f64> = of_member.row(row).iter().copied().map(f64::from).collect();
                let loss = row_loss(model.description.loss.function, &z, &[scaled]);
                self.loss += loss / logits.len() as f64;
            }
            if classes > 0 {
                let class = target as usize;
                self.confusion[class][most_probable(answer)] += 1;
            } else {
                let error = f64::from(answer[0]) - target;
                self.absolute += error.abs();
                self.squared += error * error;
                let away = target - self.mean;
                self.mean += away / self.rows as f64;
                self.spread += away * (target - self.mean);
            }
        }
        self.targets.extend(&targets.values);
        self.answers.rows += answers.rows;
        self.answers.columns = answers.columns;
        self.answers.values.extend(answers.values);
    }

    /// Scores of a classification that need all rows' answers.
    pub fn ranks(&self) -> Option<RankScores> {
        let targets: Vec<u32> = self.targets.iter().map(|&class| class as u32).collect();
        let of_classes = !self.confusion.is_empty();
        of_classes.then(|| RankScores::new(&self.answers, &targets, self.probabilities))
    }

    /// Scores of a regression that need all rows' answers.
    pub fn errors(&self) -> Option<ErrorScores> {
        let of_values = self.confusion.is_empty();
        let errors = of_values.then(|| ErrorScores::new(&self.answers.values, &self.targets));
        errors.flatten()
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The scores of all rows so far.
    pub fn metrics(&self) -> Metrics {
        let rows = self.rows.max(1) as f64;
        if self.confusion.is_empty() {
            return Metrics::regression(
                self.loss / rows,
                self.absolute / rows,
                self.squared / rows,
                self.spread / rows,
                None,
            );
        }
        let right: u64 = (0..self.confusion.len())
            .map(|class| self.confusion[class][class])
            .sum();
        Metrics::Classification {
            loss: self.loss / rows,
            accuracy: right as f64 / rows,
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
            Metrics::Classification { .. } => f64::NAN,
        };
        assert_eq!((r2(0.0, 0.0), r2(1.0, 0.0), r2(1.0, 4.0)), (1.0, 0.0, 0.75));
    }
}
