use super::Real;

/// Two independent numbers of the standard normal distribution from two random words (Box and Muller 1958), by the polynomials of
/// shaders/lib/gaussian.wgsl: without a branch or a call, so that a loop around it is vectorised.
#[inline]
pub(super) fn gaussian<T: Real>([first, second]: [u32; 2]) -> [T; 2] {
    let radius = (T::of(-2.0) * log_share::<T>(first >> 8)).sqrt();
    let angle = second >> 8;
    let turn = (angle + (1 << 21)) >> 22;
    let rest = (angle as i32 - (turn << 22) as i32) as f32 / 4_194_304.0;
    circle(turn, T::of(rest)).map(|side| radius * side)
}

/// log((m + 1) / 2²⁴) for m < 2²⁴: of a power of two and a number from √½ to √2, by Cephes' polynomial for `logf`.
#[inline]
fn log_share<T: Real>(m: u32) -> T {
    let bits = ((m + 1) as f32).to_bits();
    let mantissa = f32::from_bits((bits & 0x7f_ffff) | 0x3f80_0000);
    let large = mantissa > std::f32::consts::SQRT_2;
    let e = (bits >> 23) as i32 - if large { 150 } else { 151 };
    let x = if large { 0.5 * mantissa } else { mantissa } - 1.0;
    let (x, e) = (T::of(x), T::of(e as f32));
    let p = [
        -1.151_461_031_0e-1,
        1.167_699_874_0e-1,
        -1.242_014_084_6e-1,
        1.424_932_278_7e-1,
        -1.666_805_766_5e-1,
        2.000_071_476_5e-1,
        -2.499_999_399_3e-1,
        3.333_333_117_4e-1,
    ];
    let p = p.into_iter().fold(T::of_f64(7.037_683_629_2e-2), |sum, c| {
        sum * x + T::of_f64(c)
    });
    let z = x * x;
    (p * x * z - T::of_f64(2.121_944_40e-4) * e - T::of(0.5) * z + x) + T::of_f64(0.693_359_375) * e
}

/// Cosine and sine of (turn + rest) quarters of a circle, rest from −½ to ½: shaders/lib/circle.wgsl.
#[inline]
pub(super) fn circle<T: Real>(turn: u32, rest: T) -> [T; 2] {
    let r = rest * T::of_f64(std::f64::consts::FRAC_PI_2);
    let z = r * r;
    let sine = [8.332_160_873_6e-3, -1.666_665_461_1e-1]
        .into_iter()
        .fold(T::of_f64(-1.951_529_589_1e-4), |sum, c| {
            sum * z + T::of_f64(c)
        });
    let sine = sine * z * r + r;
    let cosine = [-1.388_731_625_493_765e-3, 4.166_664_568_298_827e-2]
        .into_iter()
        .fold(T::of_f64(2.443_315_711_809_948e-5), |sum, c| {
            sum * z + T::of_f64(c)
        });
    let cosine = cosine * z * z - T::of(0.5) * z + T::one();
    let odd = turn & 1 == 1;
    let (x, y) = if odd { (sine, cosine) } else { (cosine, sine) };
    let (left, down) = (matches!(turn & 3, 1 | 2), turn & 2 == 2);
    [if left { -x } else { x }, if down { -y } else { y }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::threefry2x32;

    #[test]
    fn polynomials_are_the_functions_to_rounding() {
        for m in (0..1 << 24)
            .step_by(997)
            .chain([0, 1, (1 << 24) - 2, (1 << 24) - 1])
        {
            let expected = (f64::from(m + 1) / 16_777_216.0).ln();
            let found = f64::from(log_share::<f32>(m));
            assert!(
                (found - expected).abs() <= 1.5e-7 * expected.abs(),
                "{m}: {found} {expected}"
            );
        }
        for step in 0..4000 {
            let quarters = f64::from(step) / 1000.0;
            let (turn, rest) = (quarters.round(), quarters - quarters.round());
            let [cosine, sine] = circle::<f32>(turn as u32, rest as f32);
            let angle = quarters * std::f64::consts::FRAC_PI_2;
            assert!((f64::from(cosine) - angle.cos()).abs() < 1.2e-7);
            assert!((f64::from(sine) - angle.sin()).abs() < 1.2e-7);
        }
    }

    #[test]
    fn numbers_have_the_moments_of_the_normal_distribution() {
        let count = 500_000;
        let numbers =
            (0..count).flat_map(|index| gaussian::<f64>(threefry2x32([1, 2], [3, index])));
        let numbers: Vec<f64> = numbers.collect();
        let mean = |f: &dyn Fn(f64) -> f64| {
            numbers.iter().map(|&x| f(x)).sum::<f64>() / numbers.len() as f64
        };
        // Each moment and five deviations of its mean: the variance of xᵏ is E x²ᵏ − (E xᵏ)².
        let near = |found: f64, expected: f64, variance: f64| {
            let far = 5.0 * (variance / numbers.len() as f64).sqrt();
            assert!((found - expected).abs() < far, "{found} {expected}");
        };
        near(mean(&|x| x), 0.0, 1.0);
        near(mean(&|x| x * x), 1.0, 2.0);
        near(mean(&|x| x.powi(3)), 0.0, 15.0);
        near(mean(&|x| x.powi(4)), 3.0, 96.0);
        // Φ(1) − Φ(−1)
        near(
            mean(&|x| f64::from(u8::from(x.abs() < 1.0))),
            0.682_689_492,
            0.2166,
        );
        // The two of a draw are independent.
        let pairs = numbers.chunks(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
        near(pairs / f64::from(count), 0.0, 2.0);
    }
}
