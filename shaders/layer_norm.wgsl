// output = scale * u + shift with u = (z - m) / sqrt(v + epsilon), m and v each row's mean and variance.
//
// input        [batch, columns]: z
// scale_shift  [2, columns]
// statistics   [batch, 2]: m and 1 / sqrt(v + epsilon)
// output       [batch, columns]
//
// LANES invocations share a row (lib/reduce), a member is a layer of the grid's z.

#import batch
#import norm
#import reduce

struct Shape {
    input: vec2<u32>,
    scale_shift: vec2<u32>,
    statistics: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> scale_shift: array<f32>;
@group(0) @binding(3) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * (GROUP / LANES) + lane / LANES;
    // Lanes without a row go along with the others' barriers.
    let columns = select(0u, shape.columns, row < step.rows);
    let z = shape.input.x + group.z * shape.input.y + row * shape.columns;
    let y = shape.output.x + group.z * shape.output.y + row * shape.columns;
    let p = shape.scale_shift.x + group.z * shape.scale_shift.y;
    let count = f32(shape.columns);
    var sum = 0.0;
    for (var c = lane % LANES; c < columns; c += LANES) {
        sum += input[z + c];
    }
    let mean = row_sum(lane, vec4(sum, 0.0, 0.0, 0.0)).x / count;
    sum = 0.0;
    for (var c = lane % LANES; c < columns; c += LANES) {
        let away = input[z + c] - mean;
        sum += away * away;
    }
    let inverse = inverse_deviation(row_sum(lane, vec4(sum, 0.0, 0.0, 0.0)).x / count);
    for (var c = lane % LANES; c < columns; c += LANES) {
        let u = (input[z + c] - mean) * inverse;
        output[y + c] = scale_shift[p + c] * u + scale_shift[p + shape.columns + c];
    }
    if lane % LANES == 0u && columns > 0u {
        let s = shape.statistics.x + group.z * shape.statistics.y + 2u * row;
        statistics[s] = mean;
        statistics[s + 1u] = inverse;
    }
}
