use super::Real;

/// output = z if z > 0, else α·z
pub(super) fn prelu<T: Real>(input: &[T], slope: T, output: &mut [T]) {
    for (out, &z) in output.iter_mut().zip(input) {
        *out = if z > T::zero() { z } else { slope * z };
    }
}
