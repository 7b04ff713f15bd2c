#import updates

struct Shape {
    gradients: vec2<u32>,
    hyper: vec2<u32>,
    parameters: vec2<u32>,
    moment1: vec2<u32>,
    moment2: vec2<u32>,
    moment3: vec2<u32>,
    length: u32,
    decayed: u32,
    nesterov: u32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
}

@group(0) @binding(4) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(5) var<storage, read_write> moment2: array<f32>;
@group(0) @binding(6) var<storage, read_write> moment3: array<f32>;

fn moments(member: u32, i: u32) -> vec3<f32> {
    return vec3(
        moment1[shape.moment1.x + member * shape.moment1.y + i],
        moment2[shape.moment2.x + member * shape.moment2.y + i],
        moment3[shape.moment3.x + member * shape.moment3.y + i],
    );
}

fn keep(member: u32, i: u32, values: vec3<f32>) {
    moment1[shape.moment1.x + member * shape.moment1.y + i] = values.x;
    moment2[shape.moment2.x + member * shape.moment2.y + i] = values.y;
    moment3[shape.moment3.x + member * shape.moment3.y + i] = values.z;
}
