use super::Real;
use super::norm::inverse_deviation;

/// output = γ·(z − m)/√(v + ε) + β with the running m and v, `[2, columns]` as γ and β are; input and output `[rows, columns]`.
pub(super) fn batch_norm_inference<T: Real>(
    input: &[T],
    scale_shift: &[T],
    running: &[T],
    output: &mut [T],
) {
    let columns = running.len() / 2;
    let (mean, variance) = running.split_at(columns);
    let (scale, shift) = scale_shift.split_at(columns);
    for (c, (&mean, &variance)) in mean.iter().zip(variance).enumerate() {
        let factor = scale[c] * inverse_deviation(variance);
        let of_column = output.iter_mut().zip(input).skip(c).step_by(columns);
        for (y, &z) in of_column {
            *y = factor * (z - mean) + shift[c];
        }
    }
}
