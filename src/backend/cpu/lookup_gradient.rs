use super::Real;
use super::lookup::held;

/// output`[t, :]` += Σ gradient`[r, c, :]` over the rows r whose column c holds t, in the order of the rows; output is zero before
/// unless the sums are added to what is there.
///
/// Shapes: input `[batch, inputs]`, the last `lookups` columns holding rows of the table; gradient `[batch, columns]`, `width` values
/// for each of them coming last; output `[height, width]`.
pub(super) fn lookup_gradient<T: Real>(
    lookups: usize,
    (inputs, input): (usize, &[T]),
    (columns, gradient): (usize, &[T]),
    accumulate: bool,
    (width, output): (usize, &mut [T]),
) {
    if !accumulate {
        output.fill(T::zero());
    }
    let height = output.len() / width;
    let rows = input
        .chunks_exact(inputs)
        .zip(gradient.chunks_exact(columns));
    for (x, d) in rows {
        let d = d[columns - lookups * width..].chunks_exact(width);
        for (&value, d) in x[inputs - lookups..].iter().zip(d) {
            let row = held(value, height);
            for (sum, &d) in output[row * width..(row + 1) * width].iter_mut().zip(d) {
                *sum += d;
            }
        }
    }
}
