use super::Real;
use crate::program::{BINS, Op};

/// Counts of verdicts, added to those before unless they begin anew, and sums of these rows: see
/// [`Tallied::Classes`](crate::program::Tallied). Shapes: rows `[rows, 6]`, counts `[classes² + classes + 15]`, sums `[17]`.
pub(super) fn tally_classes<T: Real>(
    classes: usize,
    rows: &[T],
    anew: bool,
    counts: &mut [T],
    sums: &mut [T],
) {
    if anew {
        counts.fill(T::zero());
    }
    sums.fill(T::zero());
    sums[0] = T::of((rows.len() / Op::VERDICT) as f32);
    let bins = counts.len() - BINS;
    for row in rows.chunks_exact(Op::VERDICT) {
        let whole = |place: usize| row[place].to_usize().unwrap_or(0);
        let (class, called, bin) = (whole(0), whole(1), whole(5));
        counts[class * classes + called] += T::one();
        counts[classes * classes + whole(2)] += T::one();
        if class == called {
            counts[bins + bin] += T::one();
        }
        sums[1] += row[3];
        sums[2 + bin] += row[4];
    }
}
