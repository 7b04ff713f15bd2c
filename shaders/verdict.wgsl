// Each row's class, the class answered (the first of equals), how many classes come before its own (of equals the later ones, of two
// the first), -log p with p within 2^-23 of 0 and 1, the highest answer, and its bin.
//
// answers  [batch, columns]
// targets  [batch, 1]
// rows     [batch, 6]
//
// LANES invocations share a row (lib/reduce), a member is a layer of the grid's z.

#import batch
#import reduce
#import surprise

// The upper bounds of all bins but the last, k/15, rounded down: a number is above one or not as it is above k/15.
const BOUNDS = array<f32, 14>(
    0.0666666627, 0.133333325, 0.199999988, 0.266666651, 0.333333313, 0.399999976, 0.466666639,
    0.533333302, 0.599999964, 0.666666627, 0.73333329, 0.799999952, 0.866666615, 0.933333278,
);

struct Shape {
    answers: vec2<u32>,
    targets: vec2<u32>,
    rows: vec2<u32>,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> answers: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> rows: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * (GROUP / LANES) + lane / LANES;
    // Lanes without a row go along with the others' barriers.
    let columns = select(0u, shape.columns, row < step.rows);
    let a = shape.answers.x + group.z * shape.answers.y + row * shape.columns;
    var wanted = 0u;
    var own = 0.0;
    if columns > 0u {
        wanted = u32(targets[shape.targets.x + group.z * shape.targets.y + row]);
        own = answers[a + wanted];
    }
    var largest = -3.4028234e38;
    for (var c = lane % LANES; c < columns; c += LANES) {
        largest = max(largest, answers[a + c]);
    }
    largest = row_max(lane, largest);
    var called = -f32(shape.columns);
    var before = 0.0;
    for (var c = lane % LANES; c < columns; c += LANES) {
        let value = answers[a + c];
        called = max(called, select(-f32(shape.columns), -f32(c), value == largest));
        let ahead = select(c > wanted, c < wanted, shape.columns == 2u);
        before += select(0.0, 1.0, value > own || (value == own && ahead));
    }
    called = -row_max(lane, called);
    before = row_sum(lane, vec4(before, 0.0, 0.0, 0.0)).x;
    if row < step.rows && lane % LANES == 0u {
        var bin = 0.0;
        for (var k = 0u; k < 14u; k += 1u) {
            bin += select(0.0, 1.0, largest > bound(k));
        }
        let o = shape.rows.x + group.z * shape.rows.y + 6u * row;
        rows[o] = f32(wanted);
        rows[o + 1u] = min(called, f32(shape.columns - 1u));
        rows[o + 2u] = before;
        rows[o + 3u] = surprise(own);
        rows[o + 4u] = largest;
        rows[o + 5u] = bin;
    }
}

fn bound(k: u32) -> f32 {
    var bounds = BOUNDS;
    return bounds[k];
}
