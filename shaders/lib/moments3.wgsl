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

@group(0) @binding(4) var<storage, read_write> moment1: array<Stored>;
@group(0) @binding(5) var<storage, read_write> moment2: array<Stored>;
@group(0) @binding(6) var<storage, read_write> moment3: array<Stored>;

// Where a member's moments begin.
fn first_moments(member: u32) -> vec3<u32> {
    return vec3(
        shape.moment1.x + member * shape.moment1.y,
        shape.moment2.x + member * shape.moment2.y,
        shape.moment3.x + member * shape.moment3.y,
    ) / COUNT;
}

fn moments(at: vec3<u32>) -> Moments {
    return Moments(numbers(moment1[at.x]), numbers(moment2[at.y]), numbers(moment3[at.z]));
}

fn keep(at: vec3<u32>, values: Moments) {
    moment1[at.x] = stored(values.first);
    moment2[at.y] = stored(values.second);
    moment3[at.z] = stored(values.third);
}
