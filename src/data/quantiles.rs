//! Quantiles of a column, and the normal distribution's.

use serde::{Deserialize, Serialize};

/// Numbers that divide a column into parts of as many rows each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// From the least to the largest.
    quantiles: Vec<f32>,
}

/// Quantiles that a column has at most.
const MOST: usize = 1000;

/// Shares nearer than this to 0 and 1 are moved there.
const EDGE: f64 = 1e-7;

impl Quantiles {
    /// Of sorted numbers, at least one.
    pub(super) fn fit(sorted: &[f32]) -> Self {
        let count = sorted.len().min(MOST);
        let share = |index: usize| index as f64 / (count - 1).max(1) as f64;
        let quantiles = (0..count).map(|index| percentile(sorted, share(index)) as f32);
        Quantiles {
            quantiles: quantiles.collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.quantiles.len()
    }

    pub(super) fn is_sound(&self) -> bool {
        self.quantiles.len() > 1
            && self.quantiles.iter().all(|value| value.is_finite())
            && self.quantiles.is_sorted()
    }

    /// The normal distribution's quantile of the share of the numbers below `x`; of equal numbers, the middle.
    pub(super) fn normal(&self, x: f32) -> f64 {
        let (x, first, last) = (
            f64::from(x),
            f64::from(self.quantiles[0]),
            f64::from(self.quantiles[self.quantiles.len() - 1]),
        );
        let share = if x - EDGE < first {
            0.0
        } else if x + EDGE > last {
            1.0
        } else {
            f64::midpoint(self.share(x, false), self.share(x, true))
        };
        let bound = EDGE - f64::EPSILON;
        inverse_normal(share.clamp(bound, 1.0 - bound))
    }

    /// The share below `x`, between two quantiles by a straight line: of equal ones the last, or the first.
    fn share(&self, x: f64, first: bool) -> f64 {
        let below = |&quantile: &f32| {
            let quantile = f64::from(quantile);
            if first { quantile < x } else { quantile <= x }
        };
        let above = self.quantiles.partition_point(below);
        let last = self.quantiles.len() - 1;
        if above == 0 || above > last {
            return if above == 0 { 0.0 } else { 1.0 };
        }
        let [from, to] = [above - 1, above].map(|at| f64::from(self.quantiles[at]));
        (above as f64 - 1.0 + (x - from) / (to - from)) / last as f64
    }
}

/// The number below which a share of sorted ones lies, between two of them by a straight line.
pub(super) fn percentile(sorted: &[f32], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let (from, to) = (f64::from(sorted[below]), f64::from(sorted[above]));
    from + (to - from) * (place - place.floor())
}

/// Φ⁻¹, by Acklam's rational approximation (2003; relative error 1.15e-9) and one step of Halley's method.
pub(super) fn inverse_normal(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    const TAIL: f64 = 0.024_25;
    let polynomial = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    let x = if p < TAIL {
        tail(p)
    } else if p > 1.0 - TAIL {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    };
    let error = 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2) - p;
    let step = error * (2.0 * std::f64::consts::PI).sqrt() * (x * x / 2.0).exp();
    x - step / (1.0 + x * step / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_are_the_published_ones() {
        // scipy.stats.norm.ppf
        for (p, expected) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.01, -2.326_347_874_040_841),
            (1e-7, -5.199_337_582_192_817),
            (0.7, 0.524_400_512_708_041),
        ] {
            assert!((inverse_normal(p) - expected).abs() < 1e-12, "{p}");
        }
    }
}
