/// cos and sin of 2πt: shaders/lib/turn.wgsl, without a branch, so that loops of it are vectorised.
#[inline]
pub(super) fn turn(t: f32) -> (f32, f32) {
    // Added to a number below 2²², it leaves the nearest whole one, whose last bits are the sum's; larger ones have no part of a
    // turn worth the name in single precision.
    const WHOLE: f32 = 12_582_912.0;
    let sum = 4.0 * t + WHOLE;
    let quadrant = sum.to_bits();
    let a = (t - 0.25 * (sum - WHOLE)) * std::f32::consts::TAU;
    let z = a * a;
    let s = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * a + a;
    let c = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let swapped = quadrant & 1 != 0;
    let (cosine, sine) = if swapped { (s, c) } else { (c, s) };
    let signed = |value: f32, bits: u32| f32::from_bits(value.to_bits() ^ ((bits & 2) << 30));
    (
        signed(cosine, quadrant.wrapping_add(1)),
        signed(sine, quadrant),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_within_a_rounding_or_two_of_the_exact_one() {
        for i in -20_000..=20_000_i32 {
            let t = i as f32 / 1_999.0;
            let (cosine, sine) = turn(t);
            let exact = (f64::from(t) * std::f64::consts::TAU).sin_cos();
            let error = (f64::from(cosine) - exact.1)
                .abs()
                .max((f64::from(sine) - exact.0).abs());
            assert!(error < 1.2e-7, "{t}: {error:e}");
        }
        for t in [1e7, -3e9, 1e30, 8e37] {
            let (cosine, sine) = turn(t);
            assert!(
                cosine.abs() < 1.1 && sine.abs() < 1.1,
                "{t}: {cosine} {sine}"
            );
        }
    }
}
