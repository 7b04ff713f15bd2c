// Each row's loss, its gradient by the logits times the step's factor, and a record of the row:
// (loss, 1 if the prediction is right, sum of |prediction - t|, sum of (prediction - t)^2),
// with the formulas of `LossFunction` in src/program/loss.rs, and a gradient by each.
//
// logits    [batch, columns]
// targets   [batch, 1] for classes, else [batch, columns / width]; more with WEIGHTS
// gradient  [batch, columns]
// rows      [batch, 4]
//
// LANES invocations share a row (lib/reduce), a member is a layer of the grid's z.

#import batch
#import reduce
#import functions
#import losses

override FUNCTION: u32 = 0u;
override WEIGHTS: u32 = 0u; // columns behind a target: 0 none, 1 the row's weight, 2 a weight for each output

struct Shape {
    logits: vec2<u32>,
    targets: vec2<u32>,
    gradient: vec2<u32>,
    rows: vec2<u32>,
    columns: u32,
    parameter: f32, // of the function
    width: u32, // outputs for each value of a target
    padding: u32,
    levels: array<vec4<f32>, 8>, // the quantile by output of such a value
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
    let wished = select(shape.columns / shape.width, 1u, of_class(FUNCTION));
    let weights = select(min(WEIGHTS, 1u), shape.columns, WEIGHTS == 2u);
    let t = shape.targets.x + group.z * shape.targets.y + row * (wished + weights);
    var weight = 1.0;
    if WEIGHTS == 1u && row < step.rows {
        weight = targets[t + wished];
    }
    var record: vec4<f32>;
    if of_class(FUNCTION) {
        record = class_row(lane, columns, z, d, t, weight * step.loss_scale);
    } else if FUNCTION == GAUSSIAN {
        record = normals(lane, columns / 2u, z, d, t, weight * step.loss_scale);
    } else {
        record = elementwise(lane, columns, z, d, t, weight * step.loss_scale);
    }
    if row < step.rows && lane % LANES == 0u {
        record.x *= weight;
        rows[shape.rows.x / 4u + group.z * (shape.rows.y / 4u) + row] = record;
    }
}

fn class_row(lane: u32, columns: u32, z: u32, d: u32, t: u32, scale: f32) -> vec4<f32> {
    var largest = -3.4028234e38;
    for (var c = lane % LANES; c < columns; c += LANES) {
        largest = max(largest, logits[z + c]);
    }
    largest = row_max(lane, largest);
    var wanted = 0u;
    var logit = 0.0;
    if columns > 0u {
        wanted = u32(targets[t]);
        logit = logits[z + wanted];
    }
    // A tie goes to the first class, as argmax has it: (total, rest, gaps, classes before t that reach the maximum); in place
    // of the first two, the loss and the classes that are too near for a margin.
    var sums = vec4<f32>();
    for (var c = lane % LANES; c < columns; c += LANES) {
        let value = logits[z + c];
        let other = select(1.0, 0.0, c == wanted);
        if FUNCTION == HINGE {
            let short = other * max(1.0 + value - logit, 0.0);
            sums += vec4(short, select(0.0, 1.0, short > 0.0), 0.0, 0.0);
        } else {
            let power = exponential(value - largest);
            sums += vec4(power, other * power, largest - value, 0.0);
        }
        sums.w += select(0.0, 1.0, value == largest && c < wanted);
    }
    sums = row_sum(lane, sums);
    let right = select(0.0, 1.0, logit == largest && sums.w == 0.0);
    if FUNCTION == HINGE {
        let share = 1.0 / f32(max(columns, 1u));
        for (var c = lane % LANES; c < columns; c += LANES) {
            let short = select(0.0, share, 1.0 + logits[z + c] - logit > 0.0);
            gradient[d + c] = select(short, -sums.y * share, c == wanted) * scale;
        }
        return vec4(sums.x * share, right, 0.0, 0.0);
    }
    let row = Classes(sums.x, sums.y, sums.z, largest, logit);
    let found = class_loss(FUNCTION, shape.parameter, columns, row);
    for (var c = lane % LANES; c < columns; c += LANES) {
        let wished = found.off + select(0.0, found.on, c == wanted);
        let slope = found.factor * (exponential(logits[z + c] - largest) / sums.x - wished);
        gradient[d + c] = slope * scale;
    }
    return vec4(found.loss, right, 0.0, 0.0);
}

fn elementwise(lane: u32, columns: u32, z: u32, d: u32, t: u32, scale: f32) -> vec4<f32> {
    // (loss, outputs that are wrong, |error|, error^2)
    var sums = vec4<f32>();
    for (var c = lane % LANES; c < columns; c += LANES) {
        let found = output_loss(FUNCTION, parameter(c % shape.width), logits[z + c], targets[t + c / shape.width]);
        var weight = 1.0;
        if WEIGHTS == 2u {
            weight = targets[t + shape.columns / shape.width + c];
        }
        sums += vec4(weight * found.loss, found.wrong, abs(found.error), found.error * found.error);
        gradient[d + c] = found.slope * (weight * scale);
    }
    sums = row_sum(lane, sums);
    return vec4(sums.x, select(0.0, 1.0, sums.y == 0.0), sums.z, sums.w);
}

fn parameter(place: u32) -> f32 {
    if FUNCTION == QUANTILE {
        return shape.levels[place / 4u][place % 4u];
    }
    return shape.parameter;
}

fn normals(lane: u32, pairs: u32, z: u32, d: u32, t: u32, scale: f32) -> vec4<f32> {
    // As above.
    var sums = vec4<f32>();
    for (var c = lane % LANES; c < pairs; c += LANES) {
        let found = normal_loss(logits[z + 2u * c], logits[z + 2u * c + 1u], targets[t + c]);
        sums += vec4(found.loss, found.wrong, abs(found.error), found.error * found.error);
        gradient[d + 2u * c] = found.mean * scale;
        gradient[d + 2u * c + 1u] = found.log_variance * scale;
    }
    sums = row_sum(lane, sums);
    return vec4(sums.x, select(0.0, 1.0, sums.y == 0.0), sums.z, sums.w);
}
