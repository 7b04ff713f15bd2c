#import updates

struct Shape {
    gradients: vec2<u32>,
    hyper: vec2<u32>,
    parameters: vec2<u32>,
    length: u32,
    decayed: u32,
    nesterov: u32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
}

fn moments(member: u32, i: u32) -> vec3<f32> {
    return vec3<f32>();
}

fn keep(member: u32, i: u32, values: vec3<f32>) {}
