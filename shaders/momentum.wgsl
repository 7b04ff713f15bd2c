// m = mu*m + (1-mu)*g; g = m, or mu*m + (1-mu)*g if NESTEROV; for each value of a gradient.
//
// hyper     [1, 8]: eta, lambda, mu, lambda1
// moment    [1, length]: m
// gradient  [1, length]: g
//
// An invocation takes a value at a time, a member is a layer of the grid's z.

#import batch

override NESTEROV: bool = false;

struct Shape {
    hyper: vec2<u32>,
    moment: vec2<u32>,
    gradient: vec2<u32>,
    length: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> hyper: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let mu = hyper[shape.hyper.x + id.z * shape.hyper.y + 2u];
    for (var i = id.x; i < shape.length; i += 64u * groups.x) {
        let m = shape.moment.x + id.z * shape.moment.y + i;
        let g = shape.gradient.x + id.z * shape.gradient.y + i;
        let mean = mu * moment[m] + (1.0 - mu) * gradient[g];
        moment[m] = mean;
        if NESTEROV {
            gradient[g] = mu * mean + (1.0 - mu) * gradient[g];
        } else {
            gradient[g] = mean;
        }
    }
}
