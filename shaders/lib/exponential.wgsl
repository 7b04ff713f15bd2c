// e^x for x <= 0, to a unit in the last place or two on every adapter: WGSL's own exp may be off by 3 + 2|x| of them, and
// drivers use that room, always to the same side, which adds up over thousands of steps.
//
// x = k ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody and Waite); e^r by Cephes' polynomial for expf. Below
// e^-87.3, where numbers become denormal, it is 0.
fn exponential(x: f32) -> f32 {
    let k = round(max(x, -88.0) * 1.44269504);
    let r = (max(x, -88.0) - k * 0.693359375) + k * 0.000212194440;
    let scale = bitcast<f32>(u32(i32(max(k, -126.0)) + 127) << 23u);
    return select(0.0, (near_zero(r) + 1.0) * scale, k >= -126.0);
}

// e^r - 1 for |r| <= ln 2 / 2
fn near_zero(r: f32) -> f32 {
    var p = 1.9875691500e-4;
    p = p * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    return p * r * r + r;
}

// e^x - 1 for x <= 0
fn exponential_minus_one(x: f32) -> f32 {
    return select(exponential(x) - 1.0, near_zero(max(x, -1.0)), x > -0.34);
}
