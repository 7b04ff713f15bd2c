use super::Real;
use crate::program::{BINS, Op};

/// Each row's class, the class answered (the first of equals), how many classes come before its own (of equals the later ones,
/// of two the first), −log p with p within 2⁻²³ of 0 and 1, the highest answer, and its bin. Shapes: answers `[rows, columns]`,
/// targets `[rows, 1]`, rows `[rows, 6]`.
pub(super) fn verdict<T: Real>(answers: &[T], columns: usize, targets: &[T], rows: &mut [T]) {
    let rows = rows.chunks_exact_mut(Op::VERDICT);
    for ((answers, &target), row) in answers.chunks_exact(columns).zip(targets).zip(rows) {
        let class = target.to_usize().unwrap_or(0).min(columns - 1);
        let mut called = 0;
        let mut before = 0;
        for (other, &answer) in answers.iter().enumerate() {
            if answer > answers[called] {
                called = other;
            }
            let ahead = if columns == 2 {
                other < class
            } else {
                other > class
            };
            before += usize::from(answer > answers[class] || (answer == answers[class] && ahead));
        }
        // A bin has its upper bound and not its lower.
        let sure = answers[called].to_f64().unwrap_or(f64::NAN);
        let bin = (1..BINS).filter(|&k| sure > k as f64 / BINS as f64).count();
        let whole = |number: usize| T::of(number as f32);
        row.copy_from_slice(&[
            whole(class),
            whole(called),
            whole(before),
            surprise(answers[class]),
            answers[called],
            whole(bin),
        ]);
    }
}

/// −log p with p within 2⁻²³ of 0 and 1.
pub(super) fn surprise<T: Real>(probability: T) -> T {
    let least = T::of(f32::EPSILON);
    -probability.max(least).min(T::one() - least).ln()
}
