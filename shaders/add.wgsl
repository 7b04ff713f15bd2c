// output = a + b.
//
// a       [batch, columns]
// b       [batch, columns]
// output  [batch, columns]
//
// An invocation makes a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    a: vec2<u32>,
    b: vec2<u32>,
    output: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < rows_of(shape.rows) * shape.columns; i += 64u * groups.x) {
        let sum = a[shape.a.x + id.z * shape.a.y + i] + b[shape.b.x + id.z * shape.b.y + i];
        output[shape.output.x + id.z * shape.output.y + i] = sum;
    }
}
