// Counts of labels, added to those of the steps before, and the step's rows and losses: `Tallied::Labels` in src/program/tally.rs. The
// step of the first record begins the counts anew. A label is told from a probability above 1/2 on.
//
// answers  [batch, labels]
// targets  [batch, labels]
// counts   [1, 3 * labels + 1]
// sums     [records, 1 + labels]
//
// A workgroup counts for a label, the last for rows with all of them right: a lane every 64th row, then a tree over the lanes
// (lib/reduce). A member is a layer of the grid's z.

#import batch
#import reduce
#import surprise

struct Shape {
    answers: vec2<u32>,
    targets: vec2<u32>,
    counts: vec2<u32>,
    sums: vec2<u32>,
    labels: u32,
    record: u32, // the first
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> answers: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> counts: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = shape.answers.x + group.z * shape.answers.y;
    let t = shape.targets.x + group.z * shape.targets.y;
    // (rows with the label that are told to have it, rows with it, rows told to have it, losses), or rows with all labels right
    var part = vec4<f32>();
    for (var row = lane; row < step.rows; row += GROUP) {
        if group.x < shape.labels {
            let i = row * shape.labels + group.x;
            let p = answers[a + i];
            let called = p > 0.5;
            let there = targets[t + i] > 0.5;
            part += vec4(one(there && called), one(there), one(called), surprise(select(1.0 - p, p, there)));
        } else {
            var right = true;
            for (var i = row * shape.labels; i < (row + 1u) * shape.labels; i += 1u) {
                right = right && (answers[a + i] > 0.5) == (targets[t + i] > 0.5);
            }
            part.x += one(right);
        }
    }
    let total = row_sum(lane, part);
    if lane == 0u {
        let c = shape.counts.x + group.z * shape.counts.y + 3u * group.x;
        let fresh = step.record == shape.record;
        counts[c] = total.x + select(counts[c], 0.0, fresh);
        if group.x < shape.labels {
            counts[c + 1u] = total.y + select(counts[c + 1u], 0.0, fresh);
            counts[c + 2u] = total.z + select(counts[c + 2u], 0.0, fresh);
        }
        let s = shape.sums.x + group.z * shape.sums.y + (step.record - shape.record) * (1u + shape.labels);
        if group.x < shape.labels {
            sums[s + 1u + group.x] = total.w;
        } else {
            sums[s] = f32(step.rows);
        }
    }
}

fn one(condition: bool) -> f32 {
    return select(0.0, 1.0, condition);
}
