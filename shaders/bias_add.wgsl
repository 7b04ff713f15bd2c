// values[r, c] += bias[c].
//
// bias    [1, columns]
// values  [batch, columns]
//
// An invocation changes a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    bias: vec2<u32>,
    values: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < rows_of(shape.rows) * shape.columns; i += 64u * groups.x) {
        let shift = bias[shape.bias.x + id.z * shape.bias.y + i % shape.columns];
        values[shape.values.x + id.z * shape.values.y + i] += shift;
    }
}
