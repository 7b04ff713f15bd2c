// values = own * values + others * other.
//
// other   [1, length]
// values  [1, length]
//
// An invocation takes a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    other: vec2<u32>,
    values: vec2<u32>,
    length: u32,
    own: f32,
    others: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> other: array<f32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < shape.length; i += 64u * groups.x) {
        let at = shape.values.x + id.z * shape.values.y + i;
        let added = other[shape.other.x + id.z * shape.other.y + i];
        values[at] = shape.own * values[at] + shape.others * added;
    }
}
