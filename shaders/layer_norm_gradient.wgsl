// gradient = (g - mean of g - u * (mean of g * u)) / sqrt(v + epsilon) with g = scale * dy, for the gradient dy and u = (z - m) /
// sqrt(v + epsilon); means over the row.
//
// input        [batch, columns]: z
// scale_shift  [2, columns]
// statistics   [batch, 2]: m and 1 / sqrt(v + epsilon)
// gradient     [batch, columns]
//
// LANES invocations share a row (lib/reduce), a member is a layer of the grid's z.

#import batch
#import reduce

struct Shape {
    input: vec2<u32>,
    scale_shift: vec2<u32>,
    statistics: vec2<u32>,
    gradient: vec2<u32>,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> scale_shift: array<f32>;
@group(0) @binding(3) var<storage, read> statistics: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * (GROUP / LANES) + lane / LANES;
    // Lanes without a row go along with the others' barriers, on the statistics of the first.
    let there = row < step.rows;
    let columns = select(0u, shape.columns, there);
    let z = shape.input.x + group.z * shape.input.y + row * shape.columns;
    let d = shape.gradient.x + group.z * shape.gradient.y + row * shape.columns;
    let p = shape.scale_shift.x + group.z * shape.scale_shift.y;
    let s = shape.statistics.x + group.z * shape.statistics.y + select(0u, 2u * row, there);
    let mean = statistics[s];
    let inverse = statistics[s + 1u];
    var sums = vec2<f32>();
    for (var c = lane % LANES; c < columns; c += LANES) {
        let g = scale_shift[p + c] * gradient[d + c];
        sums += vec2(g, g * ((input[z + c] - mean) * inverse));
    }
    let means = row_sum(lane, vec4(sums, 0.0, 0.0)).xy / f32(shape.columns);
    for (var c = lane % LANES; c < columns; c += LANES) {
        let u = (input[z + c] - mean) * inverse;
        gradient[d + c] = inverse * (scale_shift[p + c] * gradient[d + c] - means.x - u * means.y);
    }
}
