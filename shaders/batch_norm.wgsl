// output = scale * u + shift with u = (z - m) / sqrt(v + epsilon), m and v each column's mean and variance over the batch. They
// go into their running means with a share of a tenth, v by n - 1 rows. A batch of one row goes by the running ones.
//
// input        [batch, columns]: z
// scale_shift  [2, columns]
// running      [2, columns]: mean and variance
// statistics   [2, columns]: m and 1 / sqrt(v + epsilon)
// output       [batch, columns]
//
// A workgroup has 16 columns, each with 16 lanes that take every 16th row (lib/columns). A member is a layer of the grid's z.

#import batch
#import columns
#import norm

const SHARE = 0.1;

struct Shape {
    input: vec2<u32>,
    scale_shift: vec2<u32>,
    running: vec2<u32>,
    statistics: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> scale_shift: array<f32>;
@group(0) @binding(3) var<storage, read_write> running: array<f32>;
@group(0) @binding(4) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WIDTH, LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let columns = shape.columns;
    let column = group.x * WIDTH + lane.x;
    // Lanes without a column go along with the others' barriers.
    let rows = select(0u, step.rows, column < columns);
    let z = shape.input.x + group.z * shape.input.y + column;
    let of_running = shape.running.x + group.z * shape.running.y + column;
    let s = shape.statistics.x + group.z * shape.statistics.y + column;
    let p = shape.scale_shift.x + group.z * shape.scale_shift.y + column;
    let count = f32(step.rows);
    var sum = 0.0;
    for (var row = lane.y; row < rows; row += LANES) {
        sum += input[z + row * columns];
    }
    var mean = column_sum(lane.xy, vec2(sum, 0.0)).x / count;
    sum = 0.0;
    for (var row = lane.y; row < rows; row += LANES) {
        let away = input[z + row * columns] - mean;
        sum += away * away;
    }
    var variance = column_sum(lane.xy, vec2(sum, 0.0)).x / count;
    if column >= columns {
        return;
    }
    if step.rows == 1u {
        mean = running[of_running];
        variance = running[of_running + columns];
    } else if lane.y == 0u {
        let of_samples = variance * (count / (count - 1.0));
        running[of_running] += SHARE * (mean - running[of_running]);
        running[of_running + columns] += SHARE * (of_samples - running[of_running + columns]);
    }
    let inverse = inverse_deviation(variance);
    if lane.y == 0u {
        statistics[s] = mean;
        statistics[s + columns] = inverse;
    }
    let scale = scale_shift[p];
    let shift = scale_shift[p + columns];
    let y = shape.output.x + group.z * shape.output.y + column;
    for (var row = lane.y; row < rows; row += LANES) {
        output[y + row * columns] = scale * ((input[z + row * columns] - mean) * inverse) + shift;
    }
}
