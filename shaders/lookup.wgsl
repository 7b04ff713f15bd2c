// Each of a row's last columns holds the number of a row of the table, which takes its place; all else as it is.
//
// input   [batch, inputs]
// table   [height, width]
// output  [batch, inputs - lookups + lookups * width]
//
// An invocation makes a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    input: vec2<u32>,
    table: vec2<u32>,
    output: vec2<u32>,
    inputs: u32,
    lookups: u32,
    height: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = shape.inputs - shape.lookups;
    let columns = first + shape.lookups * shape.width;
    let last = f32(shape.height - 1u);
    for (var i = id.x; i < step.rows * columns; i += 64u * groups.x) {
        let x = shape.input.x + id.z * shape.input.y + i / columns * shape.inputs;
        let column = i % columns;
        let to = shape.output.x + id.z * shape.output.y + i;
        if column < first {
            output[to] = input[x + column];
        } else {
            let at = column - first;
            let row = u32(clamp(input[x + first + at / shape.width], 0.0, last));
            output[to] = table[shape.table.x + id.z * shape.table.y + row * shape.width + at % shape.width];
        }
    }
}
