use super::Real;
use crate::program::{Levels, shares, spread};

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
        of_target(pairs, T::one() / moments[2 * target + 1], sums);
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

/// Of a target's values, their errors, and the deviations answered; `unit` is what goes with a sum about a mean.
fn of_target<T: Real>(
    pairs: impl ExactSizeIterator<Item = (T, T, Option<T>)> + Clone,
    unit: T,
    sums: &mut [T],
) {
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
            let v = (deviation * deviation).max(T::of(f32::MIN_POSITIVE));
            sums[spread::LIKELIHOOD] += half * (v.ln() + e * e / v);
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
