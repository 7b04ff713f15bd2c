//! e^x of numbers that are not positive, and what follows from it: shaders/lib/exponential.wgsl, without a branch, so that loops of it
//! are vectorised.

use std::f32::consts::LOG2_E;

/// 2^k, and e^r − 1 to a unit in the last place, with x = k·ln 2 + r. A NaN makes the second one; far below, the first is 0.
#[inline(always)]
fn parts(x: f32) -> (f32, f32) {
    // Added to a number below 2²², it leaves the nearest whole one, whose last bits are the sum's.
    const WHOLE: f32 = 12_582_912.0;
    let x = if x < -88.0 { -88.0 } else { x };
    let sum = x * LOG2_E + WHOLE;
    let k = sum - WHOLE;
    let r = (x - k * 0.693_359_4) + k * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for term in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = p * r + term;
    }
    let power = f32::from_bits(sum.to_bits().wrapping_add(127) << 23);
    (power, p * r * r + r)
}

/// e^x for x ≤ 0
#[inline(always)]
pub(super) fn exponential(x: f32) -> f32 {
    let (power, rest) = parts(x);
    rest * power + power
}

/// tanh z = sign z · (1 − e) / (1 + e) with e = e^−2|z|, of which 1 is taken away before it is rounded.
#[inline(always)]
pub(super) fn hyperbolic_tangent(z: f32) -> f32 {
    let (power, rest) = parts(-2.0 * z.abs());
    let less_one = rest * power + (power - 1.0);
    (-less_one / (less_one + 2.0)).copysign(z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_within_a_few_roundings_of_the_exact_ones() {
        for i in -100_000..=100_000_i32 {
            let z = i as f32 / 1_013.0;
            let error = |found: f32, exact: f64| (f64::from(found) / exact - 1.0).abs();
            for z in [z, z * 1e-4] {
                let exact = f64::from(z).tanh();
                assert!(
                    i == 0 || error(hyperbolic_tangent(z), exact) < 3.0e-7,
                    "{z}"
                );
            }
            if z <= 0.0 && z > -87.0 {
                assert!(error(exponential(z), f64::from(z).exp()) < 1.5e-7, "{z}");
            }
        }
    }

    #[test]
    fn far_away_they_are_their_limits_and_of_no_number_none() {
        for z in [30.0, 1e4, f32::MAX, f32::INFINITY] {
            assert_eq!((hyperbolic_tangent(z), hyperbolic_tangent(-z)), (1.0, -1.0));
        }
        assert_eq!((exponential(0.0), exponential(-0.0)), (1.0, 1.0));
        for x in [-88.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(exponential(x), 0.0);
        }
        assert!(exponential(f32::NAN).is_nan() && hyperbolic_tangent(f32::NAN).is_nan());
        assert_eq!(hyperbolic_tangent(-0.0).to_bits(), (-0.0_f32).to_bits());
    }
}
