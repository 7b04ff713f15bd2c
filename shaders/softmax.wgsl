// output[r, i] = exp(z[r, i] - max z[r, :]) / sum exp(z[r, :] - max z[r, :]), or its logarithm if LOG.
//
// logits  [batch, columns]
// output  [batch, columns]
//
// LANES invocations share a row (lib/reduce), a member is a layer of the grid's z.

#import batch
#import reduce
#import exponential

override LOG: bool = false;

struct Shape {
    logits: vec2<u32>,
    output: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * (GROUP / LANES) + lane / LANES;
    // Lanes without a row go along with the others' barriers.
    let columns = select(0u, shape.columns, row < rows_of(shape.rows));
    let z = shape.logits.x + group.z * shape.logits.y + row * shape.columns;
    let p = shape.output.x + group.z * shape.output.y + row * shape.columns;
    var largest = -3.4028234e38;
    for (var c = lane % LANES; c < columns; c += LANES) {
        largest = max(largest, logits[z + c]);
    }
    largest = row_max(lane, largest);
    var total = 0.0;
    for (var c = lane % LANES; c < columns; c += LANES) {
        total += exponential(logits[z + c] - largest);
    }
    total = row_sum(lane, vec4(total, 0.0, 0.0, 0.0)).x;
    for (var c = lane % LANES; c < columns; c += LANES) {
        let away = logits[z + c] - largest;
        if LOG {
            output[p + c] = away - log(total);
        } else {
            output[p + c] = exponential(away) / total;
        }
    }
}
