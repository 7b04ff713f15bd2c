use super::Real;

/// dγ = Σ dy·ẑ and dβ = Σ dy over the rows, in output or added to it, for the gradient dy.
///
/// Shapes: input and gradient `[rows, columns]`; m with 1/√(v + ε) `[rows, 2]`; output `[2, columns]`.
pub(super) fn layer_norm_parameters<T: Real>(
    input: &[T],
    statistics: &[T],
    gradient: &[T],
    accumulate: bool,
    output: &mut [T],
) {
    let columns = output.len() / 2;
    if !accumulate {
        output.fill(T::zero());
    }
    let (by_scale, by_shift) = output.split_at_mut(columns);
    let rows = gradient
        .chunks_exact(columns)
        .zip(input.chunks_exact(columns))
        .zip(statistics.chunks_exact(2));
    for ((dy, z), statistics) in rows {
        for (c, (&dy, &z)) in dy.iter().zip(z).enumerate() {
            by_scale[c] += dy * ((z - statistics[0]) * statistics[1]);
            by_shift[c] += dy;
        }
    }
}
