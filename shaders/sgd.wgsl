// v = mu*v + g + lambda*w; w = w - eta*v, with the penalty lambda on the first `decayed` values alone.
//
// gradients   [1, length]
// hyper       [1, 4]: eta, lambda, mu
// parameters  [1, length]
// velocity    [1, length]
//
// An invocation updates a value at a time, a member is a layer of the grid's z.

#import batch
#import update

struct Shape {
    gradients: vec2<u32>,
    hyper: vec2<u32>,
    parameters: vec2<u32>,
    velocity: vec2<u32>,
    length: u32,
    decayed: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> gradients: array<f32>;
@group(0) @binding(2) var<storage, read> hyper: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> velocity: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let h = shape.hyper.x + id.z * shape.hyper.y;
    let rate = hyper[h] * step.rate;
    let momentum = hyper[h + 2u];
    for (var i = id.x; i < shape.length; i += 64u * groups.x) {
        let w = shape.parameters.x + id.z * shape.parameters.y + i;
        let v = shape.velocity.x + id.z * shape.velocity.y + i;
        let penalty = select(0.0, hyper[h + 1u], i < shape.decayed) * parameters[w];
        let gradient = gradients[shape.gradients.x + id.z * shape.gradients.y + i] + penalty;
        let updated = sgd_update(parameters[w], velocity[v], gradient, rate, momentum);
        parameters[w] = updated.x;
        velocity[v] = updated.y;
    }
}
