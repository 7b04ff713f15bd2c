// output[r, :] = source[order[first + r], :], for the rows of the source that lie in this dispatch's window.
//
// source  [height, columns], a window of the dataset that begins at row first_row
// order   [1, -]
// output  [batch, columns]
//
// An invocation copies a value at a time, a member is a layer of the grid's z. A dataset larger than a binding is
// gathered by one dispatch a window.

#import batch

struct Shape {
    source: vec2<u32>,
    order: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
    first_row: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let columns = shape.columns;
    for (var i = id.x; i < step.rows * columns; i += 64u * groups.x) {
        let row = order[shape.order.x + id.z * shape.order.y + step.first + i / columns];
        // A row before the window wraps around to a large number.
        let inside = row - shape.first_row;
        if inside < shape.height {
            let value = source[shape.source.x + inside * columns + i % columns];
            output[shape.output.x + id.z * shape.output.y + i] = value;
        }
    }
}
