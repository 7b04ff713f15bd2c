#import updates

struct Shape {
    gradients: vec2<u32>,
    hyper: vec2<u32>,
    parameters: vec2<u32>,
    moment1: vec2<u32>,
    length: u32,
    decayed: u32,
    nesterov: u32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
}

@group(0) @binding(4) var<storage, read_write> moment1: array<Stored>;

// Where a member's moments begin.
fn first_moments(member: u32) -> vec3<u32> {
    return vec3(
        shape.moment1.x + member * shape.moment1.y,
        0u,
        0u,
    ) / COUNT;
}

fn moments(at: vec3<u32>) -> Moments {
    return Moments(numbers(moment1[at.x]), Numbers(), Numbers());
}

fn keep(at: vec3<u32>, values: Moments) {
    moment1[at.x] = stored(values.first);
}
