//! Operands of products in half precision: `shaders/lib/operands_half.wgsl`.

use super::Real;

/// The nearest number of half precision, of two the even one: 11 bits, multiples of 2⁻²⁴ at least, ±65504 for all beyond. What is no
/// finite number stays.
fn rounded(value: f32) -> f32 {
    /// The bits of 2⁻¹⁴, below which half precision has multiples of 2⁻²⁴.
    const SMALL: u32 = 0x3880_0000;
    /// Of 65504.
    const MOST: u32 = 0x477f_e000;
    /// Of ∞.
    const INFINITE: u32 = 0x7f80_0000;
    let bits = value.to_bits();
    let size = bits & 0x7fff_ffff;
    // Of the 13 bits that go, half of the least that stays is added, less one bit where that is even.
    let near = (size.wrapping_add(0xfff + ((size >> 13) & 1)) & 0xffff_e000).min(MOST);
    // A sum with 1/2 has no bits below 2⁻²⁴.
    let small = ((value.abs() + 0.5) - 0.5).to_bits();
    let near = if size < SMALL { small } else { near };
    let near = if size < INFINITE { near } else { size };
    f32::from_bits(near | (bits & 0x8000_0000))
}

/// An operand as its product has it: times a power of two, rounded, and divided by the power again.
pub(super) fn halved<T: Real>(values: &[T], power: f32) -> Vec<T> {
    let back = power.recip();
    let round = |value: &T| T::of(rounded(value.single() * power) * back);
    values.iter().map(round).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every finite number of half precision from 0 on, in rising order.
    fn all() -> Vec<f64> {
        let number = |bits: u32| match (bits >> 10, f64::from(bits & 0x3ff)) {
            (0, fraction) => fraction * 2.0_f64.powi(-24),
            (exponent, fraction) => (1024.0 + fraction) * 2.0_f64.powi(exponent as i32 - 25),
        };
        (0..0x7c00).map(number).collect()
    }

    #[test]
    fn what_is_of_half_precision_stays_and_what_is_between_goes_to_the_nearer() {
        let all = all();
        assert_eq!(all.last(), Some(&65504.0));
        for (number, pair) in all.windows(2).enumerate() {
            let [below, above] = [pair[0] as f32, pair[1] as f32];
            let middle = below.midpoint(above);
            let even = if number % 2 == 0 { below } else { above };
            for (value, expected) in [
                (below, below),
                (above, above),
                (middle, even),
                (middle.next_down(), below),
                (middle.next_up(), above),
            ] {
                assert_eq!(rounded(value), expected, "{value:e}");
                assert_eq!(rounded(-value), -expected, "-{value:e}");
            }
        }
    }

    #[test]
    fn what_is_beyond_is_the_largest_number_and_what_is_not_finite_stays() {
        for value in [65504.0, 65519.0, 65520.0, 1e9, f32::MAX] {
            assert_eq!(rounded(value), 65504.0);
            assert_eq!(rounded(-value), -65504.0);
        }
        assert_eq!(rounded(f32::INFINITY), f32::INFINITY);
        assert_eq!(rounded(f32::NEG_INFINITY), f32::NEG_INFINITY);
        for bits in [0x7fff_ffff, 0xffff_ffff, 0x7fc0_0000, 0x7f80_0001] {
            assert!(rounded(f32::from_bits(bits)).is_nan());
        }
        assert_eq!(rounded(-0.0).to_bits(), (-0.0_f32).to_bits());
    }

    proptest! {
        #[test]
        fn the_error_is_half_of_the_last_of_eleven_bits(value in -65504.0_f32..65504.0, power in -20_i32..20) {
            let power = 2.0_f32.powi(power);
            let value = value / power;
            let found = f64::from(halved(&[value], power)[0]);
            let allowed = f64::from(value).abs().max(2.0_f64.powi(-14) / f64::from(power)) * 2.0_f64.powi(-11);
            prop_assert!((found - f64::from(value)).abs() <= allowed, "{} {}", value, found);
        }
    }
}
