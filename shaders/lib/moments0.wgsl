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

// Where a member's moments begin.
fn first_moments(member: u32) -> vec3<u32> {
    return vec3<u32>();
}

fn moments(at: vec3<u32>) -> Moments {
    return Moments(Numbers(), Numbers(), Numbers());
}

fn keep(at: vec3<u32>, values: Moments) {}
