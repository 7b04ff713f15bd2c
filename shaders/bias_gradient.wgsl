// output[c] = sum over r of gradient[r, c], or output[c] += it if ACCUMULATE.
//
// gradient  [batch, columns]
// output    [1, columns]
//
// A workgroup sums 16 columns, each by 16 lanes that take every 16th row, then a tree over the lanes (lib/columns): the
// order of the sum depends on the shape alone. A member is a layer of the grid's z.

#import batch
#import columns

override ACCUMULATE: bool = false;

struct Shape {
    gradient: vec2<u32>,
    output: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WIDTH, LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let column = group.x * WIDTH + lane.x;
    let first = shape.gradient.x + group.z * shape.gradient.y + column;
    var sum = 0.0;
    if column < shape.columns {
        for (var row = lane.y; row < rows_of(shape.rows); row += LANES) {
            sum += gradient[first + row * shape.columns];
        }
    }
    sum = column_sum(lane.xy, vec2(sum, 0.0)).x;
    if lane.y == 0u && column < shape.columns {
        let o = shape.output.x + group.z * shape.output.y + column;
        if ACCUMULATE {
            output[o] += sum;
        } else {
            output[o] = sum;
        }
    }
}
