//! What becomes of a number: fitted to the known numbers of a column, and kept in the model.

use serde::{Deserialize, Serialize};

use super::bins::Bins;
use super::moments::{self, Moments};
use super::preprocess::{Numeric, PreprocessMode, PreprocessOptions};
use super::quantiles::{Quantiles, percentile};

/// How a column of numbers becomes one input, or as many as it has bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scaling", rename_all = "kebab-case")]
pub enum Scaling {
    /// (x − mean) / deviation
    Standard(Moments),
    /// (x − least) / range, which is from 0 to 1 on the training rows
    MinMax {
        /// The least number.
        least: f32,
        /// From there to the largest.
        range: f32,
        /// The mean of the known numbers, which stands in for a missing one.
        mean: f32,
    },
    /// z = scale·(x − median), then z / √(1 + (z/3)²), which stays within ±3 (Holzmüller et al. 2024, `RealMLP`).
    Robust {
        /// Half of the numbers lie below it; stands in for a missing one.
        median: f32,
        /// 1 / (third quartile − first), or 2 / (largest − least) where those are the same.
        scale: f32,
    },
    /// Φ⁻¹ of the share of the numbers that lie below, Φ being the normal distribution, as scikit-learn's
    /// `QuantileTransformer` has it.
    Quantile(Quantiles),
    /// For each bin how far the number has come in it, from 0 to 1.
    Piecewise(Bins),
}

impl Scaling {
    /// Fits to numbers, none of them NaN; `None` if they are all the same, or there is none.
    pub(super) fn fit(options: PreprocessOptions, mut numbers: Vec<f32>) -> Option<Self> {
        let moments = moments::of(numbers.iter().copied());
        if moments.deviation == 0.0 {
            return None;
        }
        numbers.sort_unstable_by(f32::total_cmp);
        let (least, largest) = (*numbers.first()?, *numbers.last()?);
        let wide = |from: f64, to: f64| (to - from) as f32;
        let scaling = match options.mode {
            _ if options.numeric == Numeric::Piecewise => {
                Scaling::Piecewise(Bins::fit(&numbers, options.bins))
            }
            PreprocessMode::MinMax => Scaling::MinMax {
                least,
                range: wide(least.into(), largest.into()),
                mean: moments.mean,
            },
            PreprocessMode::Robust => {
                let at = |share| percentile(&numbers, share);
                let quartiles = wide(at(0.25), at(0.75));
                Scaling::Robust {
                    median: at(0.5) as f32,
                    scale: if (1.0 / quartiles).is_finite() {
                        1.0 / quartiles
                    } else {
                        2.0 / wide(least.into(), largest.into())
                    },
                }
            }
            PreprocessMode::Quantile => Scaling::Quantile(Quantiles::fit(&numbers)),
            PreprocessMode::Auto | PreprocessMode::None => return Some(Scaling::Standard(moments)),
        };
        // What is beyond single precision scales nothing.
        Some(scaling).filter(Scaling::is_sound)
    }

    /// How many inputs a number becomes.
    pub(super) fn inputs(&self) -> usize {
        match self {
            Scaling::Piecewise(bins) => bins.len(),
            _ => 1,
        }
    }

    /// Writes the inputs for a number; NaN is a missing one.
    pub(super) fn apply(&self, number: f32, inputs: &mut [f32]) {
        match self {
            Scaling::Piecewise(bins) => bins.encode(number, inputs),
            one => inputs[0] = one.scaled(number),
        }
    }

    fn scaled(&self, number: f32) -> f32 {
        let x = f64::from(number);
        match self {
            Scaling::Standard(_) | Scaling::Robust { .. } | Scaling::Quantile(_)
                if number.is_nan() =>
            {
                0.0
            }
            Scaling::Standard(moments) => moments.standardise(number),
            Scaling::MinMax { least, range, mean } => {
                let x = if number.is_nan() { f64::from(*mean) } else { x };
                ((x - f64::from(*least)) / f64::from(*range)) as f32
            }
            Scaling::Robust { median, scale } => {
                let z = f64::from(*scale) * (x - f64::from(*median));
                (z / (1.0 + (z / 3.0).powi(2)).sqrt()) as f32
            }
            Scaling::Quantile(quantiles) => quantiles.normal(number) as f32,
            Scaling::Piecewise(_) => number,
        }
    }

    /// What stands in for a missing number, for people.
    pub(super) fn stand_in(&self) -> String {
        match self {
            Scaling::Standard(Moments { mean, .. }) | Scaling::MinMax { mean, .. } => {
                format!("the mean, {mean}")
            }
            Scaling::Robust { median, .. } => format!("the median, {median}"),
            Scaling::Piecewise(bins) => format!("the median, {}", bins.median),
            Scaling::Quantile(_) => "the median".to_owned(),
        }
    }

    /// Whether it gives numbers: a broken model file may say anything.
    pub(super) fn is_sound(&self) -> bool {
        let all = |values: &[f32]| values.iter().all(|value| value.is_finite());
        match self {
            Scaling::Standard(Moments { mean, deviation }) => {
                all(&[*mean, *deviation]) && *deviation > 0.0
            }
            Scaling::MinMax { least, range, mean } => all(&[*least, *range, *mean]) && *range > 0.0,
            Scaling::Robust { median, scale } => all(&[*median, *scale]) && *scale > 0.0,
            Scaling::Quantile(quantiles) => quantiles.is_sound(),
            Scaling::Piecewise(bins) => bins.is_sound(),
        }
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        match self {
            Scaling::Standard(Moments { mean, deviation }) => {
                format!("standardised: mean {mean}, deviation {deviation}")
            }
            Scaling::MinMax { least, range, .. } => {
                format!("to 0 … 1: least {least}, range {range}")
            }
            Scaling::Robust { median, scale } => {
                format!("robust, clipped smoothly: median {median}, scale {scale}")
            }
            Scaling::Quantile(quantiles) => {
                format!("to a normal distribution by {} quantiles", quantiles.len())
            }
            Scaling::Piecewise(bins) => {
                format!("piecewise linear: {} bins by quantiles", bins.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    const MODES: [PreprocessMode; 4] = [
        PreprocessMode::Auto,
        PreprocessMode::MinMax,
        PreprocessMode::Robust,
        PreprocessMode::Quantile,
    ];

    #[derive(Deserialize)]
    struct Case {
        fitted: Vec<f32>,
        new: Vec<f32>,
        expected: HashMap<String, Vec<f64>>,
    }

    #[test]
    fn scalings_are_those_of_scikit_learn_and_realmlp() {
        let text = include_str!("../../tests/data/scaling.json");
        let cases: Vec<Case> = serde_json::from_str(text).expect("it is valid");
        for case in cases {
            for mode in MODES {
                let scaling = Scaling::fit(mode.into(), case.fitted.clone()).expect("they differ");
                for (&number, &expected) in case.new.iter().zip(&case.expected[&mode.to_string()]) {
                    let found = f64::from(scaling.scaled(number));
                    // Statistics and inputs are single here, double there.
                    let near = (found - expected).abs() <= 4e-6 * expected.abs().max(1.0);
                    assert!(near, "{mode}: {number} is {found}, not {expected}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_number_has_an_input_and_their_order_is_kept(
            fitted in prop::collection::vec(any::<f32>().prop_filter("numbers", |x| x.is_finite()), 2..40),
            new in prop::collection::vec(-1e30_f32..1e30, 2..20),
        ) {
            for mode in MODES {
                let Some(scaling) = Scaling::fit(mode.into(), fitted.clone()) else { continue };
                let mut new = [&new[..], &fitted].concat();
                new.sort_unstable_by(f32::total_cmp);
                let inputs: Vec<f32> = new.iter().map(|&x| scaling.scaled(x)).collect();
                prop_assert!(scaling.scaled(f32::NAN).is_finite());
                prop_assert!(inputs.windows(2).all(|pair| pair[0] <= pair[1]), "{} {:?}", mode, inputs);
            }
        }
    }
}
