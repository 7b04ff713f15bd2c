// average = average + share * (parameters - average), with the step's share.
//
// parameters  [1, length]
// average     [1, length]
//
// An invocation takes a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    parameters: vec2<u32>,
    average: vec2<u32>,
    length: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> average: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < shape.length; i += 64u * groups.x) {
        let w = parameters[shape.parameters.x + id.z * shape.parameters.y + i];
        let at = shape.average.x + id.z * shape.average.y + i;
        average[at] += step.average * (w - average[at]);
    }
}
