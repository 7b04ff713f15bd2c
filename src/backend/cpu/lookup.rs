use super::Real;

/// The row of a table of `height` rows that a number stands for.
pub(super) fn held<T: Real>(value: T, height: usize) -> usize {
    value.to_usize().unwrap_or(0).min(height - 1)
}

/// Each of a row's last `lookups` columns holds the number of a row of the table, which takes its place; all else as it is.
///
/// Shapes: input `[batch, inputs]`; table `[height, width]`; output `[batch, inputs − lookups + lookups·width]`.
pub(super) fn lookup<T: Real>(
    lookups: usize,
    (inputs, input): (usize, &[T]),
    (width, table): (usize, &[T]),
    output: &mut [T],
) {
    let first = inputs - lookups;
    let rows = input
        .chunks_exact(inputs)
        .zip(output.chunks_exact_mut(first + lookups * width));
    for (x, y) in rows {
        let (passed, embedded) = y.split_at_mut(first);
        passed.copy_from_slice(&x[..first]);
        for (&value, y) in x[first..].iter().zip(embedded.chunks_exact_mut(width)) {
            let row = held(value, table.len() / width);
            y.copy_from_slice(&table[row * width..(row + 1) * width]);
        }
    }
}
