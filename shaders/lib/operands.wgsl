// The operands of a product as they are.

fn factor_a(value: f32) -> f32 {
    return value;
}

fn factors_a(values: vec4<f32>) -> vec4<f32> {
    return values;
}

fn factors_b(values: vec4<f32>) -> vec4<f32> {
    return values;
}

// What a sum of products of them stands for.
fn total(sum: vec4<f32>) -> vec4<f32> {
    return sum;
}
