// What outputs come to, by KIND: `Answer` in src/program/tally.rs. Outputs of a value are brought back by its target's mean and
// deviation, and from the logarithm of 1 + it if LOGARITHM.
//
// logits   [batch, outputs]
// moments  [targets, 2], shared
// output   [batch, columns]
//
// An invocation makes a value at a time, a member is a layer of the grid's z.

#import batch
#import functions

override KIND: u32 = 0u;
override LOGARITHM: bool = false;

const PAIR = 0u;
const CLAMPED = 1u;
const EXPONENTIAL = 2u;
const VALUES = 3u;
const QUANTILES = 4u;
const NORMAL = 5u;

const LEAST_VARIANCE = 1e-6;

struct Shape {
    logits: vec2<u32>,
    moments: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
    width: u32, // answers for each target
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> moments: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let z = shape.logits.x + id.z * shape.logits.y;
    for (var i = id.x; i < step.rows * shape.columns; i += 64u * groups.x) {
        output[shape.output.x + id.z * shape.output.y + i] = answer(z, i);
    }
}

// The i-th number of the output, of outputs that begin at z.
fn answer(z: u32, i: u32) -> f32 {
    let target_of = i % shape.columns / shape.width;
    let place = i % shape.width;
    switch KIND {
        case PAIR: {
            let logit = logits[z + i / 2u];
            return sigmoid(select(-logit, logit, i % 2u == 1u));
        }
        case CLAMPED: {
            let second = clamp(logits[z + i / 2u], 0.0, 1.0);
            return select(1.0 - second, second, i % 2u == 1u);
        }
        case EXPONENTIAL: { return power(logits[z + i]); }
        case QUANTILES: {
            let first = z + i - place;
            for (var c = 0u; c < shape.width; c += 1u) {
                if rank(first, c) == place {
                    return value(target_of, logits[first + c]);
                }
            }
            return value(target_of, logits[z + i]);
        }
        case NORMAL: {
            if place == 0u {
                return value(target_of, logits[z + i]);
            }
            return sqrt(max(power(logits[z + i]), LEAST_VARIANCE)) * moments[shape.moments.x + 2u * target_of + 1u];
        }
        default: { return value(target_of, logits[z + i]); }
    }
}

// How many of a target's outputs come before the c-th.
fn rank(first: u32, c: u32) -> u32 {
    let own = logits[first + c];
    var before = 0u;
    for (var other = 0u; other < shape.width; other += 1u) {
        let value = logits[first + other];
        before += select(0u, 1u, value < own || (value == own && other < c));
    }
    return before;
}

fn value(target_of: u32, z: f32) -> f32 {
    let mean = moments[shape.moments.x + 2u * target_of];
    let learned = z * moments[shape.moments.x + 2u * target_of + 1u] + mean;
    if !LOGARITHM {
        return learned;
    }
    if learned < 0.34 {
        return select(exponential_minus_one(min(learned, 0.0)), near_zero(max(learned, -0.34)), learned > -0.34);
    }
    return power(learned) - 1.0;
}

// e^x
fn power(x: f32) -> f32 {
    let e = exponential(-abs(x));
    return select(e, 1.0 / e, x > 0.0);
}
