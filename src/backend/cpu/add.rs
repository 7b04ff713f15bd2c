use super::Real;

/// output = a + b
pub(super) fn add<T: Real>(a: &[T], b: &[T], output: &mut [T]) {
    for ((sum, &a), &b) in output.iter_mut().zip(a).zip(b) {
        *sum = a + b;
    }
}
