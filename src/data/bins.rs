//! Numbers as shares of bins, each of as many training rows.

use serde::{Deserialize, Serialize};

use super::quantiles::percentile;

/// Bins of a column, and how a number fills them (Gorishniy et al. 2022, piecewise-linear encoding).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bins {
    /// From the least number to the largest, one more than there are bins.
    edges: Vec<f32>,
    /// Half of the numbers lie below it; stands in for a missing one.
    pub(super) median: f32,
}

impl Bins {
    /// Edges at the quantiles of sorted numbers that are not all the same, `most` bins at most: equal quantiles are joined.
    pub(super) fn fit(sorted: &[f32], most: usize) -> Self {
        let share = |index: usize| index as f64 / most as f64;
        let edges = (0..=most).map(|index| percentile(sorted, share(index)) as f32);
        let mut edges: Vec<f32> = edges.collect();
        edges.dedup();
        Bins {
            edges,
            median: percentile(sorted, 0.5) as f32,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.edges.len() > 1
            && self.edges.iter().all(|edge| edge.is_finite())
            && self.edges.windows(2).all(|pair| pair[0] < pair[1])
            && self.median.is_finite()
    }

    /// 1 for each bin below the number, 0 for each above it, and how far it has come in its own; beyond the outer edges the
    /// outer bins go on in a straight line. NaN is a missing number.
    pub(super) fn encode(&self, number: f32, inputs: &mut [f32]) {
        let x = f64::from(if number.is_nan() { self.median } else { number });
        let last = self.len() - 1;
        for (bin, (edges, input)) in self.edges.windows(2).zip(inputs).enumerate() {
            let [from, to] = [edges[0], edges[1]].map(f64::from);
            let mut share = (x - from) / (to - from);
            if bin > 0 {
                share = share.max(0.0);
            }
            if bin < last {
                share = share.min(1.0);
            }
            *input = share as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        fitted: Vec<f32>,
        bins: usize,
        edges: Vec<f64>,
        new: Vec<f32>,
        expected: Vec<Vec<f64>>,
    }

    #[test]
    fn numbers_fill_their_bins_as_in_numpy() {
        let text = include_str!("../../tests/data/piecewise.json");
        let cases: Vec<Case> = serde_json::from_str(text).expect("it is valid");
        for mut case in cases {
            case.fitted.sort_unstable_by(f32::total_cmp);
            let bins = Bins::fit(&case.fitted, case.bins);
            assert!(bins.is_sound());
            // Edges and inputs are single here, double there.
            let near = |found: f32, expected: f64| {
                (f64::from(found) - expected).abs() <= 2e-6 * expected.abs().max(1.0)
            };
            assert_eq!(bins.edges.len(), case.edges.len());
            for (&found, &expected) in bins.edges.iter().zip(&case.edges) {
                assert!(near(found, expected), "{found} {expected}");
            }
            for (&number, expected) in case.new.iter().zip(&case.expected) {
                let mut found = vec![f32::NAN; bins.len()];
                bins.encode(number, &mut found);
                let same = found.iter().zip(expected).all(|(&a, &b)| near(a, b));
                assert!(same, "{number} is {found:?}, not {expected:?}");
            }
        }
    }

    #[test]
    fn a_missing_number_is_the_median() {
        let bins = Bins::fit(&[0.0, 1.0, 2.0, 5.0, 9.0], 4);
        let (mut missing, mut median) = ([0.0; 4], [0.0; 4]);
        bins.encode(f32::NAN, &mut missing);
        bins.encode(2.0, &mut median);
        assert_eq!((missing, bins.len()), (median, 4));
        assert_eq!(missing, [1.0, 1.0, 0.0, 0.0]);
    }
}
