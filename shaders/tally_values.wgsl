// Sums of values and their errors, a record a step, and counts of quantiles, added to those of the steps before: `Tallied::Values` and
// `spread` in src/program/tally.rs. The step of the first record begins the counts anew.
//
// answers  [batch, targets * width]
// targets  [batch, targets]
// moments  [targets, 2], shared: mean and deviation
// counts   [1, levels + 1]
// sums     [records, 1 + 10 * targets + levels]
//
// A workgroup for each target, for each quantile, and for what lies between them: a lane every 64th row, then a tree over the lanes
// (lib/reduce). What varies is summed up about the step's mean, so that nothing cancels. A member is a layer of the grid's z.

#import batch
#import reduce

const LEAST_TARGET = 2.220446e-16;
const LEAST_DEVIATION = 0.001; // of the target's: √LossFunction::LEAST_VARIANCE

struct Shape {
    answers: vec2<u32>,
    targets: vec2<u32>,
    moments: vec2<u32>,
    counts: vec2<u32>,
    sums: vec2<u32>,
    width: u32,
    place: u32,
    count: u32, // of targets
    levels: u32,
    record: u32, // the first
    normal: u32, // whether the second answer is a deviation
    shares: array<vec4<f32>, 8>, // the quantiles
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> answers: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> counts: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = shape.answers.x + group.z * shape.answers.y;
    let t = shape.targets.x + group.z * shape.targets.y;
    let width = 1u + 10u * shape.count + shape.levels;
    let s = shape.sums.x + group.z * shape.sums.y + (step.record - shape.record) * width;
    if group.x < shape.count {
        spread(lane, a, t, s, group.x);
    } else {
        quantile(lane, a, t, s, group.x - shape.count, group.z);
    }
}

fn spread(lane: u32, a: u32, t: u32, s: u32, which: u32) {
    let own = moments[shape.moments.x + 2u * which + 1u];
    let unit = 1.0 / own;
    let wide = shape.count * shape.width;
    let from_target = targets[t + which];
    let from_error = from_target - answers[a + which * shape.width + shape.place];
    var firsts = vec4<f32>();
    var largest = 0.0;
    var likelihood = 0.0;
    for (var row = lane; row < step.rows; row += GROUP) {
        let y = targets[t + row * shape.count + which];
        let o = a + row * wide + which * shape.width;
        let e = y - answers[o + shape.place];
        firsts += vec4(y - from_target, e - from_error, abs(e), abs(e) / max(abs(y), LEAST_TARGET));
        largest = max(largest, abs(e));
        if shape.normal == 1u {
            let deviation = max(answers[o + 1u], LEAST_DEVIATION * own);
            let far = e / deviation;
            likelihood += log(deviation) + 0.5 * far * far;
        }
    }
    firsts = row_sum(lane, firsts);
    largest = row_max(lane, largest);
    let rows = f32(step.rows);
    let mean = from_target + firsts.x / rows;
    let mean_error = from_error + firsts.y / rows;
    var about = vec4<f32>();
    for (var row = lane; row < step.rows; row += GROUP) {
        let y = targets[t + row * shape.count + which];
        let e = y - answers[a + row * wide + which * shape.width + shape.place];
        let away = vec2(y - mean, e - mean_error) * unit;
        about += vec4(away, away * away);
    }
    about = row_sum(lane, about);
    let likely = row_sum(lane, vec4(likelihood, 0.0, 0.0, 0.0)).x;
    if lane == 0u {
        let o = s + 1u + 10u * which;
        sums[o] = mean;
        sums[o + 1u] = about.x;
        sums[o + 2u] = about.z;
        sums[o + 3u] = mean_error;
        sums[o + 4u] = about.y;
        sums[o + 5u] = about.w;
        sums[o + 6u] = firsts.z;
        sums[o + 7u] = firsts.w;
        sums[o + 8u] = largest;
        sums[o + 9u] = likely;
        if which == 0u {
            sums[s] = rows;
        }
    }
}

// Of a quantile; the last is of what lies between the first and the last of them.
fn quantile(lane: u32, a: u32, t: u32, s: u32, which: u32, member: u32) {
    let between = which == shape.levels;
    let q = shape.shares[min(which, 31u) / 4u][which % 4u];
    var part = vec4<f32>();
    for (var i = lane; i < step.rows * shape.count; i += GROUP) {
        let y = targets[t + i];
        let o = a + i * shape.width;
        if between {
            let inside = shape.levels > 0u && answers[o] <= y && y <= answers[o + shape.width - 1u];
            part.y += select(0.0, 1.0, inside);
        } else {
            let e = y - answers[o + which];
            part += vec4(max(q * e, (q - 1.0) * e), select(0.0, 1.0, e <= 0.0), 0.0, 0.0);
        }
    }
    let total = row_sum(lane, part);
    if lane == 0u {
        let c = shape.counts.x + member * shape.counts.y + which;
        counts[c] = total.y + select(counts[c], 0.0, step.record == shape.record);
        if !between {
            sums[s + 1u + 10u * shape.count + which] = total.x;
        }
    }
}
