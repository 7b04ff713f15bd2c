// output = z if z > 0, else alpha * z.
//
// input   [batch, columns]: z
// slope   [1, 1]: alpha
// output  [batch, columns]
//
// An invocation makes a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    input: vec2<u32>,
    slope: vec2<u32>,
    output: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> slope: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let alpha = slope[shape.slope.x + id.z * shape.slope.y];
    for (var i = id.x; i < rows_of(shape.rows) * shape.columns; i += 64u * groups.x) {
        let z = input[shape.input.x + id.z * shape.input.y + i];
        output[shape.output.x + id.z * shape.output.y + i] = select(alpha * z, z, z > 0.0);
    }
}
