#import batch
#import update

// All weights' updates. An invocation updates a weight at a time, a member is a layer of the grid's z. The penalties are on
// the first `decayed` weights alone. Imported by lib/moments0 to moments3, which declare `shape` and the moments.

override RULE: u32 = 0u;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> gradients: array<f32>;
@group(0) @binding(2) var<storage, read> hyper: array<f32>; // eta, lambda, mu, lambda1
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let h = shape.hyper.x + id.z * shape.hyper.y;
    var rates = Rates(
        hyper[h] * step.rate,
        0.0,
        0.0,
        hyper[h + 2u],
        vec3(step.correction1, step.correction2, step.correction3),
        shape.beta1,
        shape.beta2,
        shape.epsilon,
        shape.nesterov == 1u,
    );
    for (var i = id.x; i < shape.length; i += 64u * groups.x) {
        let p = shape.parameters.x + id.z * shape.parameters.y + i;
        let g = gradients[shape.gradients.x + id.z * shape.gradients.y + i];
        rates.decay = select(0.0, hyper[h + 1u], i < shape.decayed);
        rates.l1 = select(0.0, hyper[h + 3u], i < shape.decayed);
        let after = update(RULE, Weight(parameters[p], moments(id.z, i)), g, rates);
        parameters[p] = after.w;
        keep(id.z, i, after.moments);
    }
}
