// Each row's loss, its gradient by the logits times the step's factor, and a record of the row:
// (loss, 1 if the prediction is right, sum of |z - t|, sum of (z - t)^2).
//
//   cross-entropy         log(sum exp z) - z_t                    softmax(z) - one_hot(t)
//   binary cross-entropy  sum max(z, 0) - z*t + log(1 + e^-|z|)   sigmoid(z) - t
//   mse                   sum (z - t)^2                           2 (z - t)
//
// logits    [batch, columns]
// targets   [batch, 1] for classes, else [batch, columns]
// gradient  [batch, columns]
// rows      [batch, 4]
//
// LANES invocations share a row (lib/reduce), a member is a layer of the grid's z.

#import batch
#import reduce
#import functions
#import losses

override FUNCTION: u32 = 0u;

struct Shape {
    logits: vec2<u32>,
    targets: vec2<u32>,
    gradient: vec2<u32>,
    rows: vec2<u32>,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> rows: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * (GROUP / LANES) + lane / LANES;
    // Lanes without a row go along with the others' barriers.
    let columns = select(0u, shape.columns, row < step.rows);
    let z = shape.logits.x + group.z * shape.logits.y + row * shape.columns;
    let d = shape.gradient.x + group.z * shape.gradient.y + row * shape.columns;
    let t = shape.targets.x + group.z * shape.targets.y + row * select(shape.columns, 1u, FUNCTION == CROSS_ENTROPY);
    var record: vec4<f32>;
    if FUNCTION == CROSS_ENTROPY {
        record = cross_entropy(lane, columns, z, d, t);
    } else {
        record = elementwise(lane, columns, z, d, t);
    }
    if row < step.rows && lane % LANES == 0u {
        rows[shape.rows.x / 4u + group.z * (shape.rows.y / 4u) + row] = record;
    }
}

fn cross_entropy(lane: u32, columns: u32, z: u32, d: u32, t: u32) -> vec4<f32> {
    var largest = -3.4028234e38;
    for (var c = lane % LANES; c < columns; c += LANES) {
        largest = max(largest, logits[z + c]);
    }
    largest = row_max(lane, largest);
    var class_of_row = 0u;
    var logit = 0.0;
    if columns > 0u {
        class_of_row = u32(targets[t]);
        logit = logits[z + class_of_row];
    }
    // A tie goes to the first class, as argmax has it: (sum, classes before t that reach the maximum).
    var sums = vec4<f32>();
    for (var c = lane % LANES; c < columns; c += LANES) {
        let value = logits[z + c];
        sums.x += exponential(value - largest);
        sums.y += select(0.0, 1.0, value == largest && c < class_of_row);
    }
    sums = row_sum(lane, sums);
    for (var c = lane % LANES; c < columns; c += LANES) {
        let probability = exponential(logits[z + c] - largest) / sums.x;
        gradient[d + c] = (probability - select(0.0, 1.0, c == class_of_row)) * step.loss_scale;
    }
    let right = logit == largest && sums.y == 0.0;
    return vec4(log(sums.x) + (largest - logit), select(0.0, 1.0, right), 0.0, 0.0);
}

fn elementwise(lane: u32, columns: u32, z: u32, d: u32, t: u32) -> vec4<f32> {
    // (loss, outputs on the wrong side, |z - t|, (z - t)^2)
    var sums = vec4<f32>();
    for (var c = lane % LANES; c < columns; c += LANES) {
        let value = logits[z + c];
        let wanted = targets[t + c];
        let error = value - wanted;
        let found = output_loss(FUNCTION, value, wanted);
        sums += vec4(found.loss, found.wrong, abs(error), error * error);
        gradient[d + c] = found.slope * step.loss_scale;
    }
    sums = row_sum(lane, sums);
    return vec4(sums.x, select(0.0, 1.0, sums.y == 0.0), sums.z, sums.w);
}
