// Counts of verdicts, added to those of the steps before, and a record of the step's sums: `Tallied::Classes` in
// src/program/tally.rs. The step of the first record begins the counts anew.
//
// rows    [batch, 6]: class, class answered, classes before the own one, -log p, highest probability, its bin
// counts  [1, classes^2 + classes + 15]
// sums    [records, 17]
//
// A workgroup makes 64 counts, which whole numbers in its memory add up to, or one of the sums, a lane every 64th row, then a tree
// over the lanes (lib/reduce). A member is a layer of the grid's z.

#import batch
#import reduce

const BINS = 15u;
const WIDTH = 6u;

struct Shape {
    rows: vec2<u32>,
    counts: vec2<u32>,
    sums: vec2<u32>,
    classes: u32,
    record: u32, // the first
    blocks: u32, // of counts
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> counts: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;

var<workgroup> found: array<atomic<u32>, GROUP>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group.x + group.y * groups.x;
    let r = shape.rows.x + group.z * shape.rows.y;
    if number < shape.blocks {
        count(lane, number * GROUP, r, group.z);
    } else if number < shape.blocks + 1u + BINS {
        sum(lane, number - shape.blocks, r, group.z);
    }
}

fn count(lane: u32, first: u32, r: u32, member: u32) {
    let bins = shape.classes * (shape.classes + 1u);
    atomicStore(&found[lane], 0u);
    workgroupBarrier();
    for (var row = lane; row < step.rows; row += GROUP) {
        let o = r + WIDTH * row;
        let wanted = u32(rows[o]);
        let called = u32(rows[o + 1u]);
        note(first, wanted * shape.classes + called);
        note(first, shape.classes * shape.classes + u32(rows[o + 2u]));
        if wanted == called {
            note(first, bins + u32(rows[o + 5u]));
        }
    }
    workgroupBarrier();
    if first + lane < bins + BINS {
        let c = shape.counts.x + member * shape.counts.y + first + lane;
        counts[c] = f32(atomicLoad(&found[lane])) + select(counts[c], 0.0, step.record == shape.record);
    }
}

fn note(first: u32, place: u32) {
    if place >= first && place < first + GROUP {
        atomicAdd(&found[place - first], 1u);
    }
}

// Of -log p if which is 0, else of the highest probabilities of the bin before it.
fn sum(lane: u32, which: u32, r: u32, member: u32) {
    var part = 0.0;
    for (var row = lane; row < step.rows; row += GROUP) {
        let o = r + WIDTH * row;
        if which == 0u {
            part += rows[o + 3u];
        } else if u32(rows[o + 5u]) == which - 1u {
            part += rows[o + 4u];
        }
    }
    let total = row_sum(lane, vec4(part, 0.0, 0.0, 0.0)).x;
    if lane == 0u {
        let s = shape.sums.x + member * shape.sums.y + (step.record - shape.record) * (2u + BINS);
        sums[s + 1u + which] = total;
        if which == 0u {
            sums[s] = f32(step.rows);
        }
    }
}
