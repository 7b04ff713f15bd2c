// output = sums over the rows of dy * u and of dy, or += them if ACCUMULATE, for the gradient dy and u = (z - m) / sqrt(v +
// epsilon), m and v each row's.
//
// input       [batch, columns]: z
// statistics  [batch, 2]: m and 1 / sqrt(v + epsilon)
// gradient    [batch, columns]: dy
// output      [2, columns]
//
// A workgroup has 16 columns, each with 16 lanes that take every 16th row (lib/columns). A member is a layer of the grid's z.

#import batch
#import columns

override ACCUMULATE: bool = false;

struct Shape {
    input: vec2<u32>,
    statistics: vec2<u32>,
    gradient: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> statistics: array<f32>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WIDTH, LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let columns = shape.columns;
    let column = group.x * WIDTH + lane.x;
    let z = shape.input.x + group.z * shape.input.y + column;
    let d = shape.gradient.x + group.z * shape.gradient.y + column;
    let s = shape.statistics.x + group.z * shape.statistics.y;
    var sums = vec2<f32>();
    if column < columns {
        for (var row = lane.y; row < step.rows; row += LANES) {
            let dy = gradient[d + row * columns];
            let u = (input[z + row * columns] - statistics[s + 2u * row]) * statistics[s + 2u * row + 1u];
            sums += vec2(dy * u, dy);
        }
    }
    sums = column_sum(lane.xy, sums);
    if lane.y == 0u && column < columns {
        let o = shape.output.x + group.z * shape.output.y + column;
        if ACCUMULATE {
            sums += vec2(output[o], output[o + columns]);
        }
        output[o] = sums.x;
        output[o + columns] = sums.y;
    }
}
