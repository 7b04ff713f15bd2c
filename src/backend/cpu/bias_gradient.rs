use super::Real;

/// output`[c]` = Σ gradient`[r, c]`, or output += Σ
pub(super) fn bias_gradient<T: Real>(gradient: &[T], accumulate: bool, output: &mut [T]) {
    if !accumulate {
        output.fill(T::zero());
    }
    for row in gradient.chunks_exact(output.len()) {
        for (sum, &value) in output.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
