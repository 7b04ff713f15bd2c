use super::Real;
use super::norm::inverse_deviation;

/// Share of a batch's moments in their running means, as in `PyTorch`.
const SHARE: f64 = 0.1;

/// output = γ·ẑ + β with ẑ = (z − m)/√(v + ε), m and v each column's mean and variance over the rows; they, and 1/√(v + ε) in
/// place of v, become the statistics, and a share of them goes into the running ones: v as that of samples, by n − 1. A single
/// row goes by the running ones, and changes nothing in them.
///
/// Shapes: input and output `[rows, columns]`; γ with β, running mean with variance, and statistics `[2, columns]`.
pub(super) fn batch_norm<T: Real>(
    input: &[T],
    scale_shift: &[T],
    running: &mut [T],
    statistics: &mut [T],
    output: &mut [T],
) {
    let columns = statistics.len() / 2;
    let rows = input.len() / columns;
    let (mean, inverse) = statistics.split_at_mut(columns);
    let (running_mean, running_variance) = running.split_at_mut(columns);
    if rows == 1 {
        mean.copy_from_slice(running_mean);
        for (inverse, &variance) in inverse.iter_mut().zip(&*running_variance) {
            *inverse = inverse_deviation(variance);
        }
    } else {
        moments(input, mean, inverse);
        let share = T::of_f64(SHARE);
        let of_samples = T::of_f64(rows as f64 / (rows as f64 - 1.0));
        for (running, &mean) in running_mean.iter_mut().zip(&*mean) {
            *running += share * (mean - *running);
        }
        for (running, variance) in running_variance.iter_mut().zip(inverse) {
            *running += share * (*variance * of_samples - *running);
            *variance = inverse_deviation(*variance);
        }
    }
    let (mean, inverse) = statistics.split_at(columns);
    let (scale, shift) = scale_shift.split_at(columns);
    let rows = output.chunks_exact_mut(columns);
    for (y, z) in rows.zip(input.chunks_exact(columns)) {
        for (c, (y, &z)) in y.iter_mut().zip(z).enumerate() {
            *y = scale[c] * ((z - mean[c]) * inverse[c]) + shift[c];
        }
    }
}

/// Each column's mean, and the mean of the squared distances from it, row by row as the matrix lies in memory.
fn moments<T: Real>(input: &[T], mean: &mut [T], variance: &mut [T]) {
    let columns = mean.len();
    let share = T::of_f64(columns as f64 / input.len() as f64);
    mean.fill(T::zero());
    variance.fill(T::zero());
    for row in input.chunks_exact(columns) {
        for (sum, &z) in mean.iter_mut().zip(row) {
            *sum += z;
        }
    }
    for sum in &mut *mean {
        *sum *= share;
    }
    for row in input.chunks_exact(columns) {
        for ((sum, &z), &mean) in variance.iter_mut().zip(row).zip(&*mean) {
            *sum += (z - mean) * (z - mean);
        }
    }
    for sum in variance {
        *sum *= share;
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch_norm_gradient::batch_norm_gradient;
    use super::super::batch_norm_inference::batch_norm_inference;
    use super::*;

    #[test]
    fn a_single_row_goes_by_the_running_statistics_and_leaves_them() {
        let (z, scale_shift) = ([3.0_f64, -1.0], [2.0, 0.5, 1.0, -1.0]);
        let before = [1.0, 2.0, 4.0, 0.25];
        let (mut running, mut statistics, mut y) = (before, [0.0; 4], [0.0; 2]);
        batch_norm(&z, &scale_shift, &mut running, &mut statistics, &mut y);
        assert_eq!(running, before);
        let mut inferred = [0.0; 2];
        batch_norm_inference(&z, &scale_shift, &running, &mut inferred);
        for (y, inferred) in y.iter().zip(inferred) {
            assert!((y - inferred).abs() < 1e-12, "{y} {inferred}");
        }
        // Its statistics are constants, so that the slope is γ/√(v + ε).
        let (mut gradient, mut output) = ([1.0, 1.0], [0.0; 4]);
        batch_norm_gradient(
            &z,
            &scale_shift,
            &statistics,
            &mut gradient,
            false,
            &mut output,
        );
        let expected = [2.0 / 4.00001_f64.sqrt(), 0.5 / 0.25001_f64.sqrt()];
        for (found, expected) in gradient.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}
