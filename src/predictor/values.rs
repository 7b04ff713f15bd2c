//! Scores of values, a target at a time. Those of a constant target are scikit-learn's.

use serde::Serialize;

use super::tally::Spread;

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
    /// Of what was summed up, and of each row's answer and target.
    pub(super) fn new(spread: &Spread, answers: &[f32], targets: &[f32]) -> Self {
        let errors = targets.iter().zip(answers);
        let mut sizes: Vec<f64> = errors
            .map(|(&target, &answer)| (f64::from(target) - f64::from(answer)).abs())
            .collect();
        sizes.sort_unstable_by(f64::total_cmp);
        let middle = sizes.len() / 2;
        let median_absolute_error = match sizes.len() % 2 {
            1 => sizes[middle],
            _ if sizes.is_empty() => 0.0,
            _ => f64::midpoint(sizes[middle - 1], sizes[middle]),
        };
        ValueScores {
            rmse: spread.rmse(),
            mae: spread.mae(),
            r2: spread.r2(),
            errors: ErrorScores {
                mape: spread.mape(),
                explained_variance: spread.explained_variance(),
                median_absolute_error,
                max_error: spread.largest(),
            },
        }
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
