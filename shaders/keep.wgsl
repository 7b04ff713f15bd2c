// kept[r - first, :] = values[r, :], with the row's position r in the order.
//
// values  [batch, columns]
// kept    [rows, columns]
//
// An invocation copies a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    values: vec2<u32>,
    kept: vec2<u32>,
    columns: u32,
    first: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> kept: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let v = shape.values.x + id.z * shape.values.y;
    let k = shape.kept.x + id.z * shape.kept.y + (step.first - shape.first) * shape.columns;
    for (var i = id.x; i < step.rows * shape.columns; i += 64u * groups.x) {
        kept[k + i] = values[v + i];
    }
}
