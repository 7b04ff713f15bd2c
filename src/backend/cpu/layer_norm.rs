use super::Real;
use super::norm::{inverse_deviation, moments};

/// output = γ·ẑ + β with ẑ = (z − m)/√(v + ε), m and v each row's mean and variance; m and 1/√(v + ε) become the statistics.
///
/// Shapes: input and output `[rows, columns]`; γ with β `[2, columns]`; statistics `[rows, 2]`.
pub(super) fn layer_norm<T: Real>(
    input: &[T],
    scale_shift: &[T],
    statistics: &mut [T],
    output: &mut [T],
) {
    let columns = scale_shift.len() / 2;
    let (scale, shift) = scale_shift.split_at(columns);
    let rows = output
        .chunks_exact_mut(columns)
        .zip(input.chunks_exact(columns))
        .zip(statistics.chunks_exact_mut(2));
    for ((y, z), statistics) in rows {
        let [mean, variance] = moments(z.iter().copied());
        let inverse = inverse_deviation(variance);
        statistics.copy_from_slice(&[mean, inverse]);
        for (c, (y, &z)) in y.iter_mut().zip(z).enumerate() {
            *y = scale[c] * ((z - mean) * inverse) + shift[c];
        }
    }
}
