use super::Real;
use super::functions::sigmoid;
use crate::program::{LossFunction, record};

/// Each row's loss, its gradient by the logits times `scale`, and a record of the row. Shapes: logits and gradients
/// `[rows, columns]`; targets `[rows, 1]` for classes, else `[rows, columns]`; records `[rows, 4]`.
///
/// ```text
/// cross-entropy         log Σ exp z − zₜ                      softmax(z) − one_hot(t)
/// binary cross-entropy  Σ max(z, 0) − z·t + log(1 + e^−|z|)   σ(z) − t
/// mse                   Σ (z − t)²                            2 (z − t)
/// ```
pub(super) fn loss_gradient<T: Real>(
    function: LossFunction,
    logits: &[T],
    targets: &[T],
    columns: usize,
    scale: T,
    gradients: &mut [T],
    records: &mut [T],
) {
    let target_columns = if function == LossFunction::CrossEntropy {
        1
    } else {
        columns
    };
    let rows = logits
        .chunks_exact(columns)
        .zip(targets.chunks_exact(target_columns))
        .zip(gradients.chunks_exact_mut(columns))
        .zip(records.chunks_exact_mut(record::WIDTH));
    for (((z, t), d), record) in rows {
        record.copy_from_slice(&match function {
            LossFunction::CrossEntropy => cross_entropy(z, t[0], scale, d),
            _ => elementwise(function, z, t, scale, d),
        });
    }
}

fn cross_entropy<T: Real>(z: &[T], target: T, scale: T, d: &mut [T]) -> [T; record::WIDTH] {
    let class = target.to_usize().unwrap_or(0).min(z.len() - 1);
    let largest = z.iter().copied().fold(T::neg_infinity(), T::max);
    let mut total = T::zero();
    for (d, &z) in d.iter_mut().zip(z) {
        *d = (z - largest).exp();
        total += *d;
    }
    for (c, d) in d.iter_mut().enumerate() {
        let wanted = if c == class { T::one() } else { T::zero() };
        *d = (*d / total - wanted) * scale;
    }
    // A tie goes to the first class, as argmax has it.
    let right = z.iter().position(|&z| z == largest) == Some(class);
    [
        total.ln() + (largest - z[class]),
        truth(right),
        T::zero(),
        T::zero(),
    ]
}

fn elementwise<T: Real>(
    function: LossFunction,
    z: &[T],
    t: &[T],
    scale: T,
    d: &mut [T],
) -> [T; record::WIDTH] {
    let half = T::of(0.5);
    let (mut loss, mut absolute, mut squared, mut right) = (T::zero(), T::zero(), T::zero(), true);
    for ((&z, &t), d) in z.iter().zip(t).zip(d) {
        let error = z - t;
        absolute += error.abs();
        squared += error * error;
        if function == LossFunction::BinaryCrossEntropy {
            loss += z.max(T::zero()) - z * t + (-z.abs()).exp().ln_1p();
            right &= (z > T::zero()) == (t > half);
            *d = (sigmoid(z) - t) * scale;
        } else {
            loss += error * error;
            right &= error.abs() < half;
            *d = (error + error) * scale;
        }
    }
    [loss, truth(right), absolute, squared]
}

fn truth<T: Real>(condition: bool) -> T {
    if condition { T::one() } else { T::zero() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_stay_finite_for_logits_of_ten_thousand() {
        use LossFunction::{BinaryCrossEntropy, CrossEntropy};
        for (function, logits, target, loss, gradient) in [
            (CrossEntropy, vec![1e4_f32, -1e4], 0.0, 0.0, vec![0.0, 0.0]),
            (CrossEntropy, vec![1e4, -1e4], 1.0, 2e4, vec![1.0, -1.0]),
            (BinaryCrossEntropy, vec![1e4], 1.0, 0.0, vec![0.0]),
            (BinaryCrossEntropy, vec![1e4], 0.0, 1e4, vec![1.0]),
            (BinaryCrossEntropy, vec![-1e4], 1.0, 1e4, vec![-1.0]),
        ] {
            let mut d = vec![f32::NAN; logits.len()];
            let mut record = [f32::NAN; 4];
            loss_gradient(
                function,
                &logits,
                &[target],
                logits.len(),
                1.0,
                &mut d,
                &mut record,
            );
            assert_eq!(
                (record[0], d),
                (loss, gradient),
                "{function} {logits:?} {target}"
            );
        }
    }

    #[test]
    fn a_tie_counts_for_the_first_class() {
        let mut d = [0.0_f32; 2];
        let mut record = [0.0; 4];
        loss_gradient(
            LossFunction::CrossEntropy,
            &[1.0, 1.0],
            &[0.0],
            2,
            1.0,
            &mut d,
            &mut record,
        );
        assert_eq!(record[record::CORRECT], 1.0);
        loss_gradient(
            LossFunction::CrossEntropy,
            &[1.0, 1.0],
            &[1.0],
            2,
            1.0,
            &mut d,
            &mut record,
        );
        assert_eq!(record[record::CORRECT], 0.0);
    }
}
