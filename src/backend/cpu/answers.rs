use super::{Real, functions, softmax};
use crate::model::Activation;
use crate::program::{Answer, LossFunction};

/// Answers `[rows, columns]` of any kind for logits `[rows, outputs]`, with moments `[targets, 2]`: what the op of this name makes of
/// them, a softmax or an activation.
pub(crate) fn of_logits<T: Real>(
    answer: Answer,
    logits: &[T],
    outputs: usize,
    moments: &[T],
) -> Vec<T> {
    let rows = logits.len() / outputs.max(1);
    let mut output = vec![T::zero(); rows * answer.columns(outputs)];
    match answer {
        Answer::Softmax => softmax::softmax(false, logits, outputs, &mut output),
        Answer::Labels => {
            let sigmoid = functions::value::<T>(Activation::Sigmoid);
            for (output, &z) in output.iter_mut().zip(logits) {
                *output = sigmoid(z);
            }
        }
        Answer::Margins => output.copy_from_slice(logits),
        _ => answers(answer, logits, moments, &mut output),
    }
    output
}

/// What outputs come to, as [`Answer`] says. Shapes: logits `[rows, outputs]`, moments `[targets, 2]`, output
/// `[rows, columns]`.
pub(super) fn answers<T: Real>(answer: Answer, logits: &[T], moments: &[T], output: &mut [T]) {
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
