// The power of two that gradients are multiplied by before they are rounded to half precision, and their sums divided by:
// Step::magnifier in src/program/precision.rs.

#import batch

override MAGNIFIED: bool = false; // a is gradients

// The exponent of 1 / loss_scale, rounded up.
fn magnifier() -> i32 {
    return select(0, 127 - clamp(i32((bitcast<u32>(step.loss_scale) >> 23u) & 0xffu), 87, 167), MAGNIFIED);
}

fn power_of_two(exponent: i32) -> f32 {
    return bitcast<f32>(u32(exponent + 127) << 23u);
}

// What a sum of products stands for.
fn total(sum: vec4<f32>) -> vec4<f32> {
    return sum * power_of_two(-magnifier());
}
