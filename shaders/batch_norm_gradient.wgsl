// output = sums over the n rows of dy * u and of dy, or += them if ACCUMULATE, for the gradient dy and u = (z - m) / sqrt(v +
// epsilon);  gradient = scale / sqrt(v + epsilon) * (dy - output[1] / n - u * output[0] / n). A single row went by running
// statistics, which are constants: scale / sqrt(v + epsilon) * dy.
//
// input        [batch, columns]: z
// scale_shift  [2, columns]
// statistics   [2, columns]: m and 1 / sqrt(v + epsilon)
// gradient     [batch, columns]
// output       [2, columns]
//
// A workgroup has 16 columns, each with 16 lanes that take every 16th row (lib/columns). A member is a layer of the grid's z.

#import batch
#import columns

override ACCUMULATE: bool = false;

struct Shape {
    input: vec2<u32>,
    scale_shift: vec2<u32>,
    statistics: vec2<u32>,
    gradient: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> scale_shift: array<f32>;
@group(0) @binding(3) var<storage, read> statistics: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WIDTH, LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let columns = shape.columns;
    let column = group.x * WIDTH + lane.x;
    // Lanes without a column go along with the others' barriers, on the values of the first.
    let there = column < columns;
    let rows = select(0u, step.rows, there);
    let c = select(0u, column, there);
    let z = shape.input.x + group.z * shape.input.y + c;
    let d = shape.gradient.x + group.z * shape.gradient.y + c;
    let s = shape.statistics.x + group.z * shape.statistics.y + c;
    let mean = statistics[s];
    let inverse = statistics[s + columns];
    var sums = vec2<f32>();
    for (var row = lane.y; row < rows; row += LANES) {
        let dy = gradient[d + row * columns];
        sums += vec2(dy * ((input[z + row * columns] - mean) * inverse), dy);
    }
    sums = column_sum(lane.xy, sums);
    let share = select(1.0 / f32(step.rows), 0.0, step.rows == 1u);
    let factor = scale_shift[shape.scale_shift.x + group.z * shape.scale_shift.y + c] * inverse;
    for (var row = lane.y; row < rows; row += LANES) {
        let u = (input[z + row * columns] - mean) * inverse;
        let past = share * (sums.y + u * sums.x);
        gradient[d + row * columns] = factor * (gradient[d + row * columns] - past);
    }
    if lane.y == 0u && there {
        let o = shape.output.x + group.z * shape.output.y + c;
        if ACCUMULATE {
            sums += vec2(output[o], output[o + columns]);
        }
        output[o] = sums.x;
        output[o + columns] = sums.y;
    }
}
