use super::Real;
use crate::program::{Levels, LossFunction, shares, spread};

/// How a row's answers lie: so many for each target, of which one is compared with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers<'a, T> {
    pub(super) width: usize,
    pub(super) place: usize,
    pub(super) levels: Option<Levels>,
    /// `[rows, targets·width]`
    pub(super) values: &'a [T],
}

/// Sums of values and their errors, and counts of quantiles, added to those before unless they begin anew: see
/// [`Tallied::Values`](crate::program::Tallied) and [`spread`]. Shapes: targets `[rows, targets]`, moments `[targets, 2]`, counts
/// `[levels + 1]`, sums `[1 + 10·targets + levels]`.
pub(super) fn tally_values<T: Real>(
    answers: Answers<'_, T>,
    targets: &[T],
    moments: &[T],
    anew: bool,
    counts: &mut [T],
    sums: &mut [T],
) {
    let Answers {
        width,
        place,
        levels,
        values,
    } = answers;
    if anew {
        counts.fill(T::zero());
    }
    sums.fill(T::zero());
    let each = moments.len() / 2;
    let rows = targets.len() / each;
    sums[0] = T::of(rows as f32);
    let normal = width == 2 && levels.is_none();
    let (spreads, losses) = sums[1..].split_at_mut(each * spread::WIDTH);
    for (target, sums) in spreads.chunks_exact_mut(spread::WIDTH).enumerate() {
        let deviation = normal.then_some(1);
        let pairs = (0..rows).map(|row| {
            let at = row * each + target;
            let answer = &values[at * width..(at + 1) * width];
            (
                targets[at],
                targets[at] - answer[place],
                deviation.map(|at| answer[at]),
            )
        });
        of_target(pairs, moments[2 * target + 1], sums);
    }
    let levels = shares(levels);
    let between = counts.len() - 1;
    for (&y, answers) in targets.iter().zip(values.chunks_exact(width)) {
        for (level, (&q, &answer)) in levels.iter().zip(answers).enumerate() {
            let e = y - answer;
            losses[level] += (T::of(q) * e).max((T::of(q) - T::one()) * e);
            counts[level] += if e <= T::zero() { T::one() } else { T::zero() };
        }
        if !levels.is_empty() && answers[0] <= y && y <= answers[width - 1] {
            counts[between] += T::one();
        }
    }
}

/// Of a target's values, their errors, and the deviations answered; `unit` is the target's own deviation.
fn of_target<T: Real>(
    pairs: impl ExactSizeIterator<Item = (T, T, Option<T>)> + Clone,
    unit: T,
    sums: &mut [T],
) {
    let narrowest = T::of_f64(LossFunction::LEAST_VARIANCE.sqrt()) * unit;
    let unit = T::one() / unit;
    let count = T::of(pairs.len() as f32);
    let Some((first, first_error, _)) = pairs.clone().next() else {
        return;
    };
    let least = T::of_f64(f64::EPSILON);
    let half = T::of(0.5);
    for (y, e, deviation) in pairs.clone() {
        // From the first on, so that the mean of equal numbers is they.
        sums[spread::TARGET] += y - first;
        sums[spread::ERROR] += e - first_error;
        sums[spread::ABSOLUTE] += e.abs();
        sums[spread::RELATIVE] += e.abs() / y.abs().max(least);
        sums[spread::LARGEST] = sums[spread::LARGEST].max(e.abs());
        if let Some(deviation) = deviation {
            let deviation = deviation.max(narrowest);
            let away = e / deviation;
            sums[spread::LIKELIHOOD] += deviation.ln() + half * away * away;
        }
    }
    sums[spread::TARGET] = first + sums[spread::TARGET] / count;
    sums[spread::ERROR] = first_error + sums[spread::ERROR] / count;
    for (y, e, _) in pairs {
        for (at, value) in [(spread::TARGET, y), (spread::ERROR, e)] {
            let away = (value - sums[at]) * unit;
            sums[at + 1] += away;
            sums[at + 2] += away * away;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_of_zero_has_a_likelihood() {
        let answers = Answers {
            width: 2,
            place: 0,
            levels: None,
            values: &[1.0_f32, 0.0],
        };
        let mut sums = [0.0; 1 + spread::WIDTH];
        tally_values(answers, &[3.0], &[0.0, 2.0], true, &mut [0.0], &mut sums);
        let least = 0.002_f32;
        let expected = least.ln() + 0.5 * (2.0 / least) * (2.0 / least);
        assert!((sums[1 + spread::LIKELIHOOD] / expected - 1.0).abs() < 1e-6);
    }
}
