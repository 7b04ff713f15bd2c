use super::Real;

/// dγ = Σ dy·ẑ and dβ = Σ dy over the n rows, in output or added to it;  gradient = γ/√(v + ε)·(dy − dβ/n − ẑ·dγ/n) for the
/// gradient dy. A single row went by running statistics, which are constants: γ/√(v + ε)·dy.
///
/// Shapes: input and gradient `[rows, columns]`; γ with β, m with 1/√(v + ε), and output `[2, columns]`.
pub(super) fn batch_norm_gradient<T: Real>(
    input: &[T],
    scale_shift: &[T],
    statistics: &[T],
    gradient: &mut [T],
    accumulate: bool,
    output: &mut [T],
) {
    let columns = statistics.len() / 2;
    let (mean, inverse) = statistics.split_at(columns);
    let count = input.len() / columns;
    let mut sums = vec![T::zero(); 2 * columns];
    let (by_scale, by_shift) = sums.split_at_mut(columns);
    for (dy, z) in gradient
        .chunks_exact(columns)
        .zip(input.chunks_exact(columns))
    {
        for (c, (&dy, &z)) in dy.iter().zip(z).enumerate() {
            by_scale[c] += dy * ((z - mean[c]) * inverse[c]);
            by_shift[c] += dy;
        }
    }
    let share = if count == 1 {
        T::zero()
    } else {
        T::of_f64(1.0 / count as f64)
    };
    for (dy, z) in gradient
        .chunks_exact_mut(columns)
        .zip(input.chunks_exact(columns))
    {
        for (c, (dy, &z)) in dy.iter_mut().zip(z).enumerate() {
            let unit = (z - mean[c]) * inverse[c];
            let past = share * (by_shift[c] + unit * by_scale[c]);
            *dy = scale_shift[c] * inverse[c] * (*dy - past);
        }
    }
    for (out, sum) in output.iter_mut().zip(sums) {
        *out = if accumulate { *out + sum } else { sum };
    }
}
