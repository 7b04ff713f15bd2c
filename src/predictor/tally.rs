//! What was counted and summed up of answers, a step or a chunk of rows at a time, and what that comes to.

use super::averages::Averages;
use super::values::{QuantileScores, explained};
use crate::data::Moments;
use crate::program::{BINS, Tallied, shares, spread};

/// Counts and sums over rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    tallied: Tallied,
    rows: f64,
    counts: Vec<f64>,
    /// Those that add up over steps: of classes −log p and the highest probabilities by bin, of each label its losses, of values the losses of quantiles.
    sums: Vec<f64>,
    /// By target.
    spreads: Vec<Spread>,
}

/// Of a target y and the error e of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spread {
    target: About,
    error: About,
    absolute: f64,
    relative: f64,
    largest: f64,
    likelihood: f64,
}

/// A mean, and the sum of the squares about it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct About {
    count: f64,
    mean: f64,
    squares: f64,
}

impl About {
    /// Of a step's rows: near their mean, and the sum and the sum of squares about that, by `unit` and its square.
    fn new(count: f64, [mean, first, second]: [f64; 3], unit: f64) -> Self {
        let away = first / count;
        About {
            count,
            mean: mean + away * unit,
            squares: (second - away * first).max(0.0) * unit * unit,
        }
    }

    /// Brings two together (Chan et al. 1979).
    fn and(self, other: About) -> About {
        let count = self.count + other.count;
        if self.count == 0.0 {
            return other;
        }
        let away = other.mean - self.mean;
        About {
            count,
            mean: self.mean + away * other.count / count,
            squares: self.squares + other.squares + away * away * self.count * other.count / count,
        }
    }

    fn variance(self) -> f64 {
        self.squares / self.count
    }

    fn mean_of_squares(self) -> f64 {
        self.variance() + self.mean * self.mean
    }
}

impl Spread {
    fn of(count: f64, sums: &[f64], unit: f64) -> Self {
        let about = |at: usize| About::new(count, [sums[at], sums[at + 1], sums[at + 2]], unit);
        Spread {
            target: about(spread::TARGET),
            error: about(spread::ERROR),
            absolute: sums[spread::ABSOLUTE],
            relative: sums[spread::RELATIVE],
            largest: sums[spread::LARGEST],
            likelihood: sums[spread::LIKELIHOOD],
        }
    }

    fn and(self, other: Spread) -> Spread {
        Spread {
            target: self.target.and(other.target),
            error: self.error.and(other.error),
            absolute: self.absolute + other.absolute,
            relative: self.relative + other.relative,
            largest: self.largest.max(other.largest),
            likelihood: self.likelihood + other.likelihood,
        }
    }

    /// Root of the mean squared error.
    pub(super) fn rmse(&self) -> f64 {
        self.error.mean_of_squares().sqrt()
    }

    /// Mean absolute error.
    pub(super) fn mae(&self) -> f64 {
        self.absolute / self.error.count
    }

    /// 1 − Σe² / Σ(y−ȳ)²
    pub(super) fn r2(&self) -> f64 {
        explained(self.error.mean_of_squares(), self.target.variance())
    }

    /// 1 − Var(e) / Var(y)
    pub(super) fn explained_variance(&self) -> f64 {
        explained(self.error.variance(), self.target.variance())
    }

    /// Mean of |e| / max(|y|, 2⁻⁵²).
    pub(super) fn mape(&self) -> f64 {
        self.relative / self.error.count
    }

    /// The largest |e|.
    pub(super) fn largest(&self) -> f64 {
        self.largest
    }
}

impl Tally {
    /// Nothing yet.
    pub fn new(tallied: Tallied) -> Self {
        let (sums, targets) = match tallied {
            Tallied::Classes { .. } => (1 + BINS, 0),
            Tallied::Labels { labels } => (labels, 0),
            Tallied::Values {
                targets, levels, ..
            } => (shares(levels).len(), targets),
        };
        Tally {
            tallied,
            rows: 0.0,
            counts: vec![0.0; tallied.counts()],
            sums: vec![0.0; sums],
            spreads: vec![Spread::default(); targets],
        }
    }

    /// Adds the counts of some steps, and the sums of each of them.
    pub fn add(&mut self, counts: &[f64], sums: &[f64], moments: &[Moments]) {
        for (total, count) in self.counts.iter_mut().zip(counts) {
            *total += count;
        }
        for sums in sums.chunks_exact(self.tallied.sums()) {
            let (rows, sums) = (sums[0], &sums[1..]);
            self.rows += rows;
            let (spreads, others) = sums.split_at(self.spreads.len() * spread::WIDTH);
            let spreads = spreads.chunks_exact(spread::WIDTH).enumerate();
            for ((target, sums), total) in spreads.zip(&mut self.spreads) {
                let unit = moments.get(target);
                let unit = unit.map_or(1.0, |moments| f64::from(moments.deviation));
                *total = total.and(Spread::of(rows, sums, unit));
            }
            for (total, sum) in self.sums.iter_mut().zip(others) {
                *total += sum;
            }
        }
    }

    /// Adds what another has, of the same answers for other rows.
    pub fn and(&mut self, other: &Tally) {
        self.rows += other.rows;
        for (own, others) in [
            (&mut self.counts, &other.counts),
            (&mut self.sums, &other.sums),
        ] {
            for (total, value) in own.iter_mut().zip(others) {
                *total += value;
            }
        }
        for (total, &spread) in self.spreads.iter_mut().zip(&other.spreads) {
            *total = total.and(spread);
        }
    }

    /// What is counted.
    pub fn tallied(&self) -> Tallied {
        self.tallied
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows as u64
    }

    /// Rows by true class, then by predicted class; empty for what has no classes.
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        let rows = self.counts.chunks_exact(self.classes().max(1));
        let row = |row: &[f64]| row.iter().map(|&count| count as u64).collect();
        rows.take(self.classes()).map(row).collect()
    }

    /// How many classes there are, 0 for what has none.
    pub fn classes(&self) -> usize {
        match self.tallied {
            Tallied::Classes { classes } => classes,
            _ => 0,
        }
    }

    /// What the confusion matrix comes to.
    pub fn averages(&self) -> Averages {
        Averages::new(&self.confusion())
    }

    /// Share of the rows whose class, or all of whose labels, are right; 0 of values.
    pub fn accuracy(&self) -> f64 {
        let right = match self.tallied {
            Tallied::Classes { classes } => (0..classes)
                .map(|class| self.counts[class * classes + class])
                .sum(),
            Tallied::Labels { labels } => self.counts[3 * labels],
            Tallied::Values { .. } => 0.0,
        };
        right / self.rows.max(1.0)
    }

    /// Share of the rows with fewer than `k` classes before their own; `None` of no rows, and where a row has not one class.
    pub fn top_accuracy(&self, k: usize) -> Option<f64> {
        let classes = self.classes();
        let before = self.counts.iter().skip(classes * classes).take(classes);
        let hits: f64 = before.take(k).sum();
        (classes > 0 && self.rows > 0.0).then(|| hits / self.rows)
    }

    /// Mean of −log p of the row's class.
    pub(super) fn log_loss(&self) -> Option<f64> {
        (self.classes() > 0 && self.rows > 0.0).then(|| self.sums[0] / self.rows)
    }

    /// Mean distance between the highest probability and the share of right answers, over bins of that probability (Guo et al.
    /// 2017).
    pub(super) fn calibration_error(&self) -> Option<f64> {
        let classes = self.classes();
        let right = self.counts.iter().skip(classes * (classes + 1));
        let sure = self.sums.iter().skip(1);
        let apart: f64 = sure
            .zip(right)
            .map(|(sure, right)| (sure - right).abs())
            .sum();
        (classes > 0 && self.rows > 0.0).then(|| apart / self.rows)
    }

    /// Of each label, the rows that have it and are told to, that have it, and that are told to; and the sum of its losses.
    pub(super) fn labels(&self) -> impl Iterator<Item = [f64; 4]> + '_ {
        let labels = match self.tallied {
            Tallied::Labels { labels } => labels,
            _ => 0,
        };
        let counts = self.counts.chunks_exact(3).take(labels);
        counts
            .zip(&self.sums)
            .map(|(counts, &loss)| [counts[0], counts[1], counts[2], loss])
    }

    /// Of each target; none of no rows.
    pub(super) fn spreads(&self) -> &[Spread] {
        if self.rows > 0.0 { &self.spreads } else { &[] }
    }

    fn mean(&self, of: fn(&Spread) -> f64) -> Option<f64> {
        let spreads = self.spreads();
        let total: f64 = spreads.iter().map(of).sum();
        (!spreads.is_empty()).then(|| total / spreads.len() as f64)
    }

    /// The mean over targets of 1 − Σe² / Σ(y−ȳ)², e being the error of a target y.
    pub fn r2(&self) -> Option<f64> {
        self.mean(Spread::r2)
    }

    /// The mean over targets of the mean of |e| / max(|y|, 2⁻⁵²).
    pub fn mape(&self) -> Option<f64> {
        self.mean(Spread::mape)
    }

    /// The mean over targets of 1 − Var(e) / Var(y).
    pub fn explained_variance(&self) -> Option<f64> {
        self.mean(Spread::explained_variance)
    }

    /// How quantiles are met, the means over targets; none of any other answers, and of no rows.
    pub(super) fn quantiles(&self) -> Vec<QuantileScores> {
        let count = self.rows * self.spreads.len() as f64;
        let Tallied::Values { levels, .. } = self.tallied else {
            return Vec::new();
        };
        let sums = self.sums.iter().zip(&self.counts);
        let of = |(quantile, (loss, below)): (f32, (&f64, &f64))| QuantileScores {
            quantile,
            pinball: loss / count,
            coverage: below / count,
        };
        let shares = shares(levels).into_iter().filter(|_| count > 0.0);
        shares.zip(sums).map(of).collect()
    }

    /// The share of the targets between the least and the largest quantile; `None` if there is one quantile, or no row.
    pub(super) fn interval(&self) -> Option<f64> {
        let count = self.rows * self.spreads.len() as f64;
        let several = self.sums.len() > 1 && !self.spreads.is_empty();
        let inside = self.counts.last().filter(|_| several && count > 0.0);
        inside.map(|inside| inside / count)
    }

    /// The mean negative log-likelihood under normal distributions.
    pub(super) fn negative_log_likelihood(&self) -> Option<f64> {
        let normal = matches!(
            self.tallied,
            Tallied::Values {
                width: 2,
                levels: None,
                ..
            }
        );
        let total: f64 = self.spreads.iter().map(|spread| spread.likelihood).sum();
        let count = self.rows * self.spreads.len() as f64;
        (normal && count > 0.0).then(|| total / count)
    }
}
