use super::Real;

/// slopes = gradient·min(z, 0);  gradient = gradient·(1 if z > 0, else α)
pub(super) fn prelu_gradient<T: Real>(input: &[T], slope: T, gradient: &mut [T], slopes: &mut [T]) {
    for ((&z, g), s) in input.iter().zip(gradient).zip(slopes) {
        let above = z > T::zero();
        *s = if above { T::zero() } else { *g * z };
        *g *= if above { T::one() } else { slope };
    }
}
