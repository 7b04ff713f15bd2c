// output = scale * (z - m) / sqrt(v + epsilon) + shift with the running m and v.
//
// input        [batch, columns]: z
// scale_shift  [2, columns]
// running      [2, columns]: m and v
// output       [batch, columns]
//
// An invocation makes a value at a time, a member is a layer of the grid's z.

#import batch
#import norm

struct Shape {
    input: vec2<u32>,
    scale_shift: vec2<u32>,
    running: vec2<u32>,
    output: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> scale_shift: array<f32>;
@group(0) @binding(3) var<storage, read> running: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let columns = shape.columns;
    for (var i = id.x; i < rows_of(shape.rows) * columns; i += 64u * groups.x) {
        let p = shape.scale_shift.x + id.z * shape.scale_shift.y + i % columns;
        let r = shape.running.x + id.z * shape.running.y + i % columns;
        let away = input[shape.input.x + id.z * shape.input.y + i] - running[r];
        let factor = scale_shift[p] * inverse_deviation(running[r + columns]);
        output[shape.output.x + id.z * shape.output.y + i] = factor * away + scale_shift[p + columns];
    }
}
