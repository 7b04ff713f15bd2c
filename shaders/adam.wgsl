// g' = g + lambda*w; m = b1*m + (1-b1)*g'; v = b2*v + (1-b2)*g'^2; w = w - eta * (m/c1) / (sqrt(v/c2) + epsilon),
// with the penalty lambda on the first `decayed` values alone and the bias corrections c of the step.
//
// gradients   [1, length]
// hyper       [1, 4]: eta, lambda
// parameters  [1, length]
// moment1     [1, length]: m
// moment2     [1, length]: v
//
// An invocation updates a value at a time, a member is a layer of the grid's z.

#import batch
#import update

struct Shape {
    gradients: vec2<u32>,
    hyper: vec2<u32>,
    parameters: vec2<u32>,
    moment1: vec2<u32>,
    moment2: vec2<u32>,
    length: u32,
    decayed: u32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> gradients: array<f32>;
@group(0) @binding(2) var<storage, read> hyper: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(5) var<storage, read_write> moment2: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let h = shape.hyper.x + id.z * shape.hyper.y;
    let rates = AdamRates(
        hyper[h] * step.rate,
        step.correction1,
        step.correction2,
        shape.beta1,
        shape.beta2,
        shape.epsilon,
    );
    for (var i = id.x; i < shape.length; i += 64u * groups.x) {
        let w = shape.parameters.x + id.z * shape.parameters.y + i;
        let m = shape.moment1.x + id.z * shape.moment1.y + i;
        let v = shape.moment2.x + id.z * shape.moment2.y + i;
        let penalty = select(0.0, hyper[h + 1u], i < shape.decayed) * parameters[w];
        let gradient = gradients[shape.gradients.x + id.z * shape.gradients.y + i] + penalty;
        let updated = adam_update(parameters[w], moment1[m], moment2[v], gradient, rates);
        parameters[w] = updated.x;
        moment1[m] = updated.y;
        moment2[v] = updated.z;
    }
}
