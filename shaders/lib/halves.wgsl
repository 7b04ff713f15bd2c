// The operands of a product in half precision, held in f32: src/backend/cpu/half.rs.

#import magnifier

// The nearest numbers of half precision, of two the even one; ±65504 for all beyond. What is no finite number stays. Rounding is done
// by integers, as WGSL leaves it open which way its own conversions round.
fn rounded(values: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(values);
    let size = bits & vec4(0x7fffffffu);
    // Of the 13 bits that go, half of the least that stays is added, less one bit where that is even.
    let near = (size + 0xfffu + ((size >> vec4(13u)) & vec4(1u))) & vec4(0xffffe000u);
    // Below 2^-14 there are multiples of 2^-24.
    let small = bitcast<vec4<u32>>(round(abs(values) * 16777216.0) / 16777216.0);
    let finite = select(min(near, vec4(0x477fe000u)), small, size < vec4(0x38800000u));
    let all = select(finite, size, size >= vec4(0x7f800000u));
    return bitcast<vec4<f32>>(all | (bits & vec4(0x80000000u)));
}

fn factors_a(values: vec4<f32>) -> vec4<f32> {
    return rounded(values * power_of_two(magnifier()));
}

fn factors_b(values: vec4<f32>) -> vec4<f32> {
    return rounded(values);
}

fn factor_a(value: f32) -> f32 {
    return factors_a(vec4(value)).x;
}
