use super::Real;
use super::verdict::surprise;

/// Counts of labels, added to those before unless they begin anew, and the number and losses of these rows: see
/// [`Tallied::Labels`](crate::program::Tallied). Shapes: answers and targets `[rows, labels]`, counts `[3·labels + 1]`, sums
/// `[1 + labels]`.
pub(super) fn tally_labels<T: Real>(
    answers: &[T],
    targets: &[T],
    anew: bool,
    counts: &mut [T],
    sums: &mut [T],
) {
    if anew {
        counts.fill(T::zero());
    }
    let labels = counts.len() / 3;
    let half = T::of(0.5);
    let one = |condition: bool| if condition { T::one() } else { T::zero() };
    sums.fill(T::zero());
    let (rows, losses) = sums.split_at_mut(1);
    rows[0] = T::of((answers.len() / labels) as f32);
    for (answers, targets) in answers
        .chunks_exact(labels)
        .zip(targets.chunks_exact(labels))
    {
        let mut right = true;
        let of_labels = counts.chunks_exact_mut(3).zip(&mut *losses);
        for ((&answer, &there), (counts, loss)) in answers.iter().zip(targets).zip(of_labels) {
            let (called, there) = (answer > half, there > half);
            counts[0] += one(there && called);
            counts[1] += one(there);
            counts[2] += one(called);
            *loss += surprise(if there { answer } else { T::one() - answer });
            right &= there == called;
        }
        counts[3 * labels] += one(right);
    }
}
