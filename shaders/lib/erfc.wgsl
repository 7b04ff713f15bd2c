#import exponential

// The complementary error function for x >= 0, to 4e-7 of its value: erfc(x) = e^-x^2 * t * p(t) with t = 1 / (1 + x/2), p
// the polynomial that is nearest to e^x^2 * erfc(x) / t on 0 < t <= 1, relative to it.
fn erfc(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.5 * x);
    var p = 0.042352092;
    p = p * t - 0.230855391;
    p = p * t + 0.486174577;
    p = p * t - 0.446973005;
    p = p * t + 0.127086718;
    p = p * t - 0.0572314446;
    p = p * t + 0.0930003507;
    p = p * t + 0.175376861;
    p = p * t + 0.246880584;
    p = p * t + 0.282093853;
    p = p * t + 0.282094795;
    return exponential(-min(x * x, 100.0)) * p * t;
}
