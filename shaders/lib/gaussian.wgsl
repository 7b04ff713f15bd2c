#import circle

// Two independent numbers of the standard normal distribution from two random words (Box and Muller 1958), by polynomials that
// are the same in src/backend/cpu/gaussian.rs.
fn gaussian(words: vec2<u32>) -> vec2<f32> {
    let radius = sqrt(-2.0 * log_share(words.x >> 8u));
    let angle = words.y >> 8u;
    let turn = (angle + 0x200000u) >> 22u;
    let rest = f32(i32(angle) - i32(turn << 22u)) * 2.384185791015625e-7;
    return radius * circle(turn, rest);
}

// log((m + 1) / 2^24) for m < 2^24: of a power of two and a number from sqrt(1/2) to sqrt(2), by Cephes' polynomial for logf.
fn log_share(m: u32) -> f32 {
    let bits = bitcast<u32>(f32(m + 1u));
    let mantissa = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
    let large = mantissa > 1.41421356;
    let e = f32(i32(bits >> 23u) - select(151, 150, large));
    let x = select(mantissa, 0.5 * mantissa, large) - 1.0;
    var p = 7.0376836292e-2;
    p = p * x - 1.1514610310e-1;
    p = p * x + 1.1676998740e-1;
    p = p * x - 1.2420140846e-1;
    p = p * x + 1.4249322787e-1;
    p = p * x - 1.6668057665e-1;
    p = p * x + 2.0000714765e-1;
    p = p * x - 2.4999993993e-1;
    p = p * x + 3.3333331174e-1;
    let z = x * x;
    return (p * x * z - 2.12194440e-4 * e - 0.5 * z + x) + 0.693359375 * e;
}
