use super::Real;

/// gradient = (g − mean g − ẑ·mean(g·ẑ))/√(v + ε) with g = γ·dy, for the gradient dy; means over the row.
///
/// Shapes: input and gradient `[rows, columns]`; γ with β `[2, columns]`; m with 1/√(v + ε) `[rows, 2]`.
pub(super) fn layer_norm_gradient<T: Real>(
    input: &[T],
    scale_shift: &[T],
    statistics: &[T],
    gradient: &mut [T],
) {
    let columns = scale_shift.len() / 2;
    let scale = &scale_shift[..columns];
    let share = T::of_f64(1.0 / columns as f64);
    let rows = gradient
        .chunks_exact_mut(columns)
        .zip(input.chunks_exact(columns))
        .zip(statistics.chunks_exact(2));
    for ((dy, z), statistics) in rows {
        let (mean, inverse) = (statistics[0], statistics[1]);
        let (mut plain, mut along) = (T::zero(), T::zero());
        for (c, (dy, &z)) in dy.iter_mut().zip(z).enumerate() {
            *dy *= scale[c];
            plain += *dy;
            along += *dy * ((z - mean) * inverse);
        }
        let (plain, along) = (plain * share, along * share);
        for (dy, &z) in dy.iter_mut().zip(z) {
            *dy = inverse * (*dy - plain - ((z - mean) * inverse) * along);
        }
    }
}
