use super::Real;
use super::functions::sigmoid_by;
use crate::program::{LossFunction, LossWeights, record};

/// Each row's loss, its gradient by the logits times `scale`, and a record of the row: (loss, 1 if the prediction is right,
/// Σ |prediction − t|, Σ (prediction − t)²), with the formulas of [`LossFunction`]. Shapes: logits and gradients
/// `[rows, columns]`; targets `[rows, 1]` for classes, else `[rows, columns / width]`, and more with weights; records `[rows, 4]`.
pub(super) fn loss_gradient<T: Real>(
    (function, weights): (LossFunction, LossWeights),
    logits: &[T],
    targets: &[T],
    columns: usize,
    scale: T,
    gradients: &mut [T],
    records: &mut [T],
) {
    let wished = if function.of_class() {
        1
    } else {
        columns / function.width()
    };
    let rows = logits
        .chunks_exact(columns)
        .zip(targets.chunks_exact(wished + weights.columns(columns)))
        .zip(gradients.chunks_exact_mut(columns))
        .zip(records.chunks_exact_mut(record::WIDTH));
    for (((z, t), d), record) in rows {
        let (t, of_outputs) = t.split_at(wished);
        let (weight, of_outputs) = match (weights, of_outputs) {
            (LossWeights::Rows, &[weight]) => (weight, &[][..]),
            _ => (T::one(), of_outputs),
        };
        let scale = weight * scale;
        record.copy_from_slice(&match function {
            LossFunction::Hinge => hinge(z, t[0], scale, d),
            LossFunction::Gaussian => gaussian(z, t, scale, d),
            _ if function.of_class() => class_row(&function, z, t[0], scale, d),
            _ => elementwise(&function, z, (t, of_outputs), scale, d),
        });
        record[record::LOSS] *= weight;
    }
}

fn class_row<T: Real>(
    function: &LossFunction,
    z: &[T],
    target: T,
    scale: T,
    d: &mut [T],
) -> [T; record::WIDTH] {
    let wanted = class(target, z);
    let largest = largest(z);
    let (mut total, mut rest, mut gaps) = (T::zero(), T::zero(), T::zero());
    for (c, (d, &z)) in d.iter_mut().zip(z).enumerate() {
        *d = (z - largest).exp();
        total += *d;
        rest += if c == wanted { T::zero() } else { *d };
        gaps += largest - z;
    }
    let surprise = total.ln() + (largest - z[wanted]);
    let parameter = T::of(function.parameter());
    // The gradient is factor·(softmax − off − on for the class).
    let (loss, factor, on, off) = if let LossFunction::Focal { .. } = *function {
        // (1 − p)^γ, and −log p / (1 − p), which is 1 where nothing is left to the others.
        let others = rest / total;
        let weight = others.powf(parameter);
        let p = d[wanted] / total;
        let ratio = if others > T::zero() {
            surprise / others
        } else {
            T::one()
        };
        (
            weight * surprise,
            weight * (T::one() + parameter * p * ratio),
            T::one(),
            T::zero(),
        )
    } else {
        let columns = T::of(z.len() as f32);
        let off = parameter / columns;
        // A logit of −∞ is infinitely surprising to no one who expects nothing of it.
        let spread = if off > T::zero() {
            columns * total.ln() + gaps
        } else {
            T::zero()
        };
        let on = T::one() - parameter;
        (on * surprise + off * spread, T::one(), on, off)
    };
    for (c, d) in d.iter_mut().enumerate() {
        let wished = if c == wanted { off + on } else { off };
        *d = factor * (*d / total - wished) * scale;
    }
    let right = truth(argmax_is(z, largest, wanted));
    [loss, right, T::zero(), T::zero()]
}

fn hinge<T: Real>(z: &[T], target: T, scale: T, d: &mut [T]) -> [T; record::WIDTH] {
    let wanted = class(target, z);
    let share = T::of(z.len() as f32).recip();
    let (mut loss, mut near) = (T::zero(), T::zero());
    for (c, (d, &value)) in d.iter_mut().zip(z).enumerate() {
        let short = T::one() + value - z[wanted];
        let counts = c != wanted && short > T::zero();
        if counts {
            loss += short;
            near += T::one();
        }
        *d = truth::<T>(counts) * share * scale;
    }
    d[wanted] = -near * share * scale;
    let right = truth(argmax_is(z, largest(z), wanted));
    [loss * share, right, T::zero(), T::zero()]
}

fn elementwise<T: Real>(
    function: &LossFunction,
    z: &[T],
    (t, weights): (&[T], &[T]),
    scale: T,
    d: &mut [T],
) -> [T; record::WIDTH] {
    let half = T::of(0.5);
    let (mut loss, mut absolute, mut squared, mut right) = (T::zero(), T::zero(), T::zero(), true);
    let width = function.width();
    for (c, (&z, d)) in z.iter().zip(d).enumerate() {
        let t = t[c / width];
        let mut error = z - t;
        let (value, slope) = match *function {
            LossFunction::BinaryCrossEntropy => {
                let e = (-z.abs()).exponential();
                (z.max(T::zero()) - z * t + e.ln_1p(), sigmoid_by(z, e) - t)
            }
            LossFunction::Mae => (error.abs(), sign(error)),
            LossFunction::Huber { delta } => {
                let delta = T::of(delta);
                let value = if error.abs() <= delta {
                    half * error * error
                } else {
                    delta * (error.abs() - half * delta)
                };
                (value, error.max(-delta).min(delta))
            }
            LossFunction::LogCosh => (log_cosh(error), error.tanh()),
            LossFunction::Poisson => {
                let predicted = z.exp();
                error = predicted - t;
                (predicted - t * z, error)
            }
            LossFunction::Quantile { ref levels } => {
                let slope = half * (T::one() + sign(error)) - T::of(levels.values()[c % width]);
                (error * slope, slope)
            }
            _ => (error * error, error + error),
        };
        let weight = weights.get(c).copied().unwrap_or(T::one());
        loss += weight * value;
        absolute += error.abs();
        squared += error * error;
        right &= match *function {
            LossFunction::BinaryCrossEntropy => (z > T::zero()) == (t > half),
            _ => error.abs() < half,
        };
        *d = slope * (weight * scale);
    }
    [loss, truth(right), absolute, squared]
}

/// By pairs of outputs: the mean and the logarithm s of the variance. Where that is below ε, its slope is that of `PyTorch`,
/// which takes ε for e^s behind the logarithm alone, so that a variance too small for its error still grows.
fn gaussian<T: Real>(z: &[T], t: &[T], scale: T, d: &mut [T]) -> [T; record::WIDTH] {
    let half = T::of(0.5);
    let least = T::of_f64(LossFunction::LEAST_VARIANCE);
    let (mut loss, mut absolute, mut squared, mut right) = (T::zero(), T::zero(), T::zero(), true);
    for ((z, &t), d) in z.chunks_exact(2).zip(t).zip(d.chunks_exact_mut(2)) {
        let (error, s) = (z[0] - t, z[1]);
        let below = s < least.ln();
        let (spread, precision, share) = if below {
            (least.ln(), least.recip(), s.exp() / least)
        } else {
            (s, (-s).exp(), T::one())
        };
        let far = error * error * precision;
        loss += half * (spread + far);
        d[0] = error * precision * scale;
        d[1] = half * (T::one() - far) * share * scale;
        absolute += error.abs();
        squared += error * error;
        right &= error.abs() < half;
    }
    [loss, truth(right), absolute, squared]
}

/// log cosh e = |e| + log(1 + e^−2|e|) − log 2; near zero, where that cancels, e²/2 − e⁴/12 + e⁶/45 − 17·e⁸/2520.
fn log_cosh<T: Real>(error: T) -> T {
    let e = error.abs();
    if e < T::of(0.01) {
        let s = e * e;
        let terms = [0.5, -1.0 / 12.0, 1.0 / 45.0, -17.0 / 2520.0].map(T::of_f64);
        return s * (terms[0] + s * (terms[1] + s * (terms[2] + s * terms[3])));
    }
    e + (-(e + e)).exp().ln_1p() - T::of_f64(std::f64::consts::LN_2)
}

fn class<T: Real>(target: T, z: &[T]) -> usize {
    target.to_usize().unwrap_or(0).min(z.len() - 1)
}

fn largest<T: Real>(z: &[T]) -> T {
    z.iter().copied().fold(T::neg_infinity(), T::max)
}

/// Whether the class is the first that has the largest logit.
fn argmax_is<T: Real>(z: &[T], largest: T, class: usize) -> bool {
    z.iter().position(|&z| z == largest) == Some(class)
}

fn sign<T: Real>(value: T) -> T {
    if value == T::zero() {
        T::zero()
    } else {
        value.signum()
    }
}

fn truth<T: Real>(condition: bool) -> T {
    if condition { T::one() } else { T::zero() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_stay_finite_for_logits_of_ten_thousand() {
        use LossFunction::BinaryCrossEntropy;
        const CROSS: LossFunction = LossFunction::CROSS_ENTROPY;
        for (function, logits, target, loss, gradient) in [
            (CROSS, vec![1e4_f32, -1e4], 0.0, 0.0, vec![0.0, 0.0]),
            (CROSS, vec![1e4, -1e4], 1.0, 2e4, vec![1.0, -1.0]),
            (BinaryCrossEntropy, vec![1e4], 1.0, 0.0, vec![0.0]),
            (BinaryCrossEntropy, vec![1e4], 0.0, 1e4, vec![1.0]),
            (BinaryCrossEntropy, vec![-1e4], 1.0, 1e4, vec![-1.0]),
        ] {
            let mut d = vec![f32::NAN; logits.len()];
            let mut record = [f32::NAN; 4];
            loss_gradient(
                (function, LossWeights::None),
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
    fn an_impossible_class_that_is_not_the_rows_own_costs_nothing() {
        let mut d = [f32::NAN; 3];
        let mut record = [0.0; 4];
        loss_gradient(
            (LossFunction::CROSS_ENTROPY, LossWeights::None),
            &[0.0, f32::NEG_INFINITY, 0.0],
            &[2.0],
            3,
            1.0,
            &mut d,
            &mut record,
        );
        assert_eq!(
            (record[record::LOSS], d),
            (std::f32::consts::LN_2, [0.5, 0.0, -0.5])
        );
    }

    #[test]
    fn a_tie_counts_for_the_first_class() {
        let mut d = [0.0_f32; 2];
        let mut record = [0.0; 4];
        loss_gradient(
            (LossFunction::CROSS_ENTROPY, LossWeights::None),
            &[1.0, 1.0],
            &[0.0],
            2,
            1.0,
            &mut d,
            &mut record,
        );
        assert_eq!(record[record::CORRECT], 1.0);
        loss_gradient(
            (LossFunction::CROSS_ENTROPY, LossWeights::None),
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
