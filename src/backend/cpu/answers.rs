use super::Real;
use crate::program::{Answer, LossFunction};

/// What outputs come to, as [`Answer`] says. Shapes: logits `[rows, outputs]`, moments `[targets, 2]`, output
/// `[rows, columns]`.
pub(crate) fn answers<T: Real>(answer: Answer, logits: &[T], moments: &[T], output: &mut [T]) {
    let value = |target: usize, z: T, logarithm: bool| {
        let learned = z * moments[2 * target + 1] + moments[2 * target];
        if logarithm { learned.exp_m1() } else { learned }
    };
    let targets = moments.len() / 2;
    match answer {
        Answer::Pair => {
            for (pair, &z) in output.chunks_exact_mut(2).zip(logits) {
                let e = (-z.abs()).exp();
                let (near, far) = (T::one() / (T::one() + e), e / (T::one() + e));
                pair.copy_from_slice(&if z >= T::zero() {
                    [far, near]
                } else {
                    [near, far]
                });
            }
        }
        Answer::Clamped => {
            for (pair, &z) in output.chunks_exact_mut(2).zip(logits) {
                let second = z.max(T::zero()).min(T::one());
                pair.copy_from_slice(&[T::one() - second, second]);
            }
        }
        Answer::Exponential => {
            for (count, &z) in output.iter_mut().zip(logits) {
                *count = z.exp();
            }
        }
        Answer::Quantiles { levels, logarithm } => {
            let width = levels.values().len();
            output.copy_from_slice(logits);
            for (place, quantiles) in output.chunks_exact_mut(width).enumerate() {
                quantiles.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
                for quantile in quantiles {
                    *quantile = value(place % targets, *quantile, logarithm);
                }
            }
        }
        Answer::Normal => {
            let least = T::of_f64(LossFunction::LEAST_VARIANCE);
            let pairs = output.chunks_exact_mut(2).zip(logits.chunks_exact(2));
            for (place, (pair, z)) in pairs.enumerate() {
                let target = place % targets;
                let deviation = z[1].exp().max(least).sqrt() * moments[2 * target + 1];
                pair.copy_from_slice(&[value(target, z[0], false), deviation]);
            }
        }
        Answer::Softmax | Answer::Margins | Answer::Labels | Answer::Values { .. } => {
            let logarithm = matches!(answer, Answer::Values { logarithm: true });
            for (place, (output, &z)) in output.iter_mut().zip(logits).enumerate() {
                *output = value(place % targets, z, logarithm);
            }
        }
    }
}
