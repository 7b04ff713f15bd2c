//! Scores of values, a target at a time. Those of a constant target are scikit-learn's.

use serde::Serialize;

use crate::data::Matrix;
use crate::program::{Levels, LossFunction};

/// How near answers come to one target, in its own units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ValueScores {
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// 1 − Σ(y−ŷ)² / Σ(y−ȳ)²; for a constant target 1 if every answer is right and else 0.
    pub r2: f64,
    /// All else.
    #[serde(flatten)]
    pub errors: ErrorScores,
}

/// Errors of values, in the target's own units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ErrorScores {
    /// Mean of |y − ŷ| / max(|y|, 2⁻⁵²).
    pub mape: f64,
    /// 1 − Var(y − ŷ) / Var(y); for a constant target 1 if the errors are all the same, else 0.
    pub explained_variance: f64,
    /// Median of |y − ŷ|.
    pub median_absolute_error: f64,
    /// The largest |y − ŷ|.
    pub max_error: f64,
}

impl ValueScores {
    /// Of answers against targets; `None` of none.
    pub fn new(answers: &[f32], targets: &[f32]) -> Option<Self> {
        let count = targets.len() as f64;
        let errors: Vec<f64> = targets
            .iter()
            .zip(answers)
            .map(|(&target, &answer)| f64::from(target) - f64::from(answer))
            .collect();
        let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        let relative = sizes.iter().zip(targets);
        let relative =
            relative.map(|(size, &target)| size / f64::from(target).abs().max(f64::EPSILON));
        let mape = relative.sum::<f64>() / count;
        let mae = sizes.iter().sum::<f64>() / count;
        sizes.sort_unstable_by(f64::total_cmp);
        let middle = sizes.len() / 2;
        let max_error = *sizes.last()?;
        let median_absolute_error = if sizes.len() % 2 == 1 {
            sizes[middle]
        } else {
            f64::midpoint(sizes[middle - 1], sizes[middle])
        };
        let of_targets: Vec<f64> = targets.iter().copied().map(f64::from).collect();
        let squared = errors.iter().map(|error| error * error).sum::<f64>() / count;
        let whole = variance(&of_targets);
        Some(ValueScores {
            rmse: squared.sqrt(),
            mae,
            r2: explained(squared, whole),
            errors: ErrorScores {
                mape,
                explained_variance: explained(variance(&errors), whole),
                median_absolute_error,
                max_error,
            },
        })
    }

    /// The plain mean over targets; `None` of none.
    pub fn mean(all: &[ValueScores]) -> Option<Self> {
        let of =
            |value: fn(&ValueScores) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
        (!all.is_empty()).then(|| ValueScores {
            rmse: of(|scores| scores.rmse),
            mae: of(|scores| scores.mae),
            r2: of(|scores| scores.r2),
            errors: ErrorScores {
                mape: of(|scores| scores.errors.mape),
                explained_variance: of(|scores| scores.errors.explained_variance),
                median_absolute_error: of(|scores| scores.errors.median_absolute_error),
                max_error: of(|scores| scores.errors.max_error),
            },
        })
    }
}

/// The share of a whole that is not left; of nothing all if nothing is left, else none of it.
pub(super) fn explained(left: f64, whole: f64) -> f64 {
    match (whole > 0.0, left > 0.0) {
        (true, _) => 1.0 - left / whole,
        (false, false) => 1.0,
        (false, true) => 0.0,
    }
}

fn variance(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count
}

/// How well a quantile is met, in the target's own units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct QuantileScores {
    /// The share of the targets that should be below it.
    pub quantile: f32,
    /// Mean of max(q·e, (q−1)·e) with e = y − ŷ.
    pub pinball: f64,
    /// The share of the targets that are not above it.
    pub coverage: f64,
}

impl QuantileScores {
    /// Of answers `[rows, targets·quantiles]`, each target's in rising order, against `[rows, targets]`: the means over targets.
    /// None of no rows.
    pub fn new(levels: &Levels, answers: &Matrix, targets: &Matrix) -> Vec<Self> {
        if targets.values.is_empty() {
            return Vec::new();
        }
        let count = targets.values.len() as f64;
        let of = |(place, &quantile): (usize, &f32)| {
            let answers = answers.values.chunks(levels.values().len());
            let pairs = targets.values.iter().zip(answers);
            let errors = pairs.map(|(&target, all)| f64::from(target) - f64::from(all[place]));
            let errors: Vec<f64> = errors.collect();
            let q = f64::from(quantile);
            let losses = errors.iter().map(|e| (q * e).max((q - 1.0) * e));
            QuantileScores {
                quantile,
                pinball: losses.sum::<f64>() / count,
                coverage: errors.iter().filter(|&&e| e <= 0.0).count() as f64 / count,
            }
        };
        levels.values().iter().enumerate().map(of).collect()
    }

    /// The share of the targets between the least and the largest of each one's quantiles; `None` if there is one quantile, or
    /// no row.
    pub fn interval(levels: &Levels, answers: &Matrix, targets: &Matrix) -> Option<f64> {
        let count = levels.values().len();
        let pairs = targets.values.iter().zip(answers.values.chunks(count));
        let inside = pairs.filter(|(target, all)| all[0] <= **target && **target <= all[count - 1]);
        let some = count > 1 && !targets.values.is_empty();
        some.then(|| inside.count() as f64 / targets.values.len() as f64)
    }
}

/// The mean negative log-likelihood of targets `[rows, targets]` under answers of a mean and a deviation each, as
/// [`LossFunction::Gaussian`] has it, in the targets' own units. `None` of none.
pub fn gaussian_loss(answers: &Matrix, targets: &Matrix) -> Option<f64> {
    let pairs = targets.values.iter().zip(answers.values.chunks(2));
    let loss = |(&target, answer): (&f32, &[f32])| {
        let error = f64::from(answer[0]) - f64::from(target);
        let variance = f64::from(answer[1]).powi(2).max(f64::MIN_POSITIVE);
        0.5 * (variance.ln() + error * error / variance)
    };
    let total: f64 = pairs.map(loss).sum();
    (!targets.values.is_empty()).then(|| total / targets.values.len() as f64)
}

/// The deviation that belongs to an output s, the logarithm of a variance.
pub(super) fn deviation(s: f32) -> f32 {
    let variance = f64::from(s).exp().max(LossFunction::LEAST_VARIANCE);
    variance.sqrt() as f32
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Cases {
        values: Vec<Of>,
        several: Vec<Several>,
        quantiles: Vec<Quantiles>,
    }

    #[derive(Deserialize)]
    struct Of {
        answers: Vec<f32>,
        targets: Vec<f32>,
        expected: [f64; 7],
    }

    #[derive(Deserialize)]
    struct Several {
        columns: usize,
        answers: Vec<f32>,
        targets: Vec<f32>,
        expected: [f64; 6],
    }

    #[derive(Deserialize)]
    struct Quantiles {
        levels: Levels,
        answers: Vec<f32>,
        targets: Vec<f32>,
        pinball: Vec<f64>,
        coverage: Vec<f64>,
    }

    #[test]
    fn scores_are_those_of_scikit_learn() {
        let text = include_str!("../../tests/data/scores.json");
        let cases: Cases = serde_json::from_str(text).expect("it is valid");
        for case in cases.values {
            let found = ValueScores::new(&case.answers, &case.targets).expect("there are rows");
            let all = [
                found.errors.mape,
                found.errors.explained_variance,
                found.errors.median_absolute_error,
                found.errors.max_error,
                found.rmse,
                found.mae,
                found.r2,
            ];
            for (found, expected) in all.into_iter().zip(case.expected) {
                let near = (found - expected).abs() <= 1e-12 * expected.abs().max(1.0);
                assert!(near, "{all:?} {:?}", case.expected);
            }
        }
        let matrix = |columns: usize, values: Vec<f32>| Matrix {
            rows: values.len() / columns,
            columns,
            values,
        };
        for case in cases.several {
            let answers = matrix(case.columns, case.answers);
            let targets = matrix(case.columns, case.targets);
            let of = |column: usize| {
                let answers: Vec<f32> = answers.column(column).collect();
                ValueScores::new(&answers, &targets.column(column).collect::<Vec<_>>())
            };
            let each: Vec<ValueScores> = (0..case.columns).filter_map(of).collect();
            let found = ValueScores::mean(&each).expect("there are targets");
            let all = [
                found.errors.mape,
                found.errors.explained_variance,
                found.errors.median_absolute_error,
                found.rmse,
                found.mae,
                found.r2,
            ];
            for (found, expected) in all.into_iter().zip(case.expected) {
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{all:?} {:?}",
                    case.expected
                );
            }
        }
        for case in cases.quantiles {
            let answers = matrix(case.levels.values().len(), case.answers);
            let targets = matrix(1, case.targets);
            let found = QuantileScores::new(&case.levels, &answers, &targets);
            let expected = case.pinball.iter().zip(&case.coverage);
            assert_eq!(found.len(), expected.len());
            for (found, (pinball, coverage)) in found.iter().zip(expected) {
                assert!((found.pinball - pinball).abs() < 1e-12, "{found:?}");
                assert!((found.coverage - coverage).abs() < 1e-12, "{found:?}");
            }
        }
    }

    #[test]
    fn means_over_targets_are_plain() {
        let one = ValueScores::new(&[1.0, 2.0], &[2.0, 4.0]).expect("there are rows");
        let other = ValueScores::new(&[5.0, 5.0], &[5.0, 5.0]).expect("there are rows");
        let mean = ValueScores::mean(&[one, other]).expect("there are two");
        assert_eq!((mean.mae, mean.r2), (0.75, f64::midpoint(one.r2, 1.0)));
        assert_eq!(ValueScores::mean(&[]), None);
    }
}
