use super::Real;

/// output = values / max(√(Σ sums), 1e-7)
pub(super) fn normalize<T: Real>(sums: &[T], values: &[T], output: &mut [T]) {
    let norm = sums.iter().copied().sum::<T>().sqrt().max(T::of(1e-7));
    for (output, &value) in output.iter_mut().zip(values) {
        *output = value / norm;
    }
}
