// Many whole steps of a small program in one dispatch: for each step, each op in order, with a barrier behind it.
//
// program  the ops, as src/backend/gpu/table.rs writes them; views are offsets and member strides in the arena. Of a short
//          program the shader's text has them too, and they are read from there (lib/ops_in_line)
// arena    all of the members' own buffers, in a buffer or in an image (lib/arena_in_buffer, lib/arena_in_image)
// inputs   [dataset rows, inputs]
// targets  [dataset rows, targets]
// order    [members, order]
// steps    [steps]
// log      [members, records, 4]
// keys     [members, 2]
// run      which of the steps this dispatch runs
//
// One workgroup for each member (the grid's z): the members are independent, and what one writes in an op, its own
// lanes alone read in the next. Lanes share an op's output values, or its rows, LANES apart.

#import step
#import arena_in_image if IMAGE
#import arena_in_buffer unless IMAGE
#import functions
#import update
#import ops_in_line if OP_COUNT
#import ops_by_table unless OP_COUNT
#import ops_in_tiles if TILE_ROWS
#import ops_by_value unless TILE_ROWS
#import ops_on_answers
#import ops_that_draw

override LANES: u32 = 64u;
// The program's activations beside the identity, if there are no more than two, so that no other is compiled.
override FUNCTION: u32 = 0xffffffffu;
override OTHER_FUNCTION: u32 = 0xffffffffu; // the same again if there is one
override LOSS: u32 = 0xffffffffu; // its only loss
override RULE: u32 = 0xffffffffu; // its only optimizer's
override KINDS: u32 = 0xffffffffu; // a bit for each kind of op that it has: what it has not is not compiled

const ANY = 0xffffffffu;
const OPS = 128u;
const BATCH = 0xffffffffu;

const GATHER = 0u;
const MATMUL = 1u;
const BIAS_ADD = 2u;
const ACTIVATION = 3u;
const ACTIVATION_GRADIENT = 4u;
const LOSS_GRADIENT = 5u;
const METRICS = 6u;
const BIAS_GRADIENT = 7u;
const UPDATE = 8u;
const CLEAR = 9u;
const SOFTMAX = 10u;
const CLIP_VALUE = 11u;
const SQUARE_SUMS = 12u;
const CLIP_NORM = 13u;
const DROPOUT = 14u;
const DROPOUT_GRADIENT = 15u;
const AVERAGE = 16u;
const MAX_NORM = 17u;
const PERTURB = 18u;

// What a product does with its sums.
const STORE = 0u;
const ACCUMULATE = 1u;
const BIAS_ACTIVATE = 2u; // d is the bias
const TIMES_DERIVATIVE = 3u; // d is the kept tensor

// Of a loss: the last column of a target is its row's weight, or the last n are its outputs'.
const OF_ROWS = 1u;
const OF_OUTPUTS = 2u;

// Of an optimizer: SGD looks ahead.
const NESTEROV = 1u;

struct Op {
    kind: u32,
    function: u32,
    epilogue: u32,
    m: u32,
    n: u32,
    k: u32,
    a: vec2<u32>,
    b: vec2<u32>,
    c: vec2<u32>,
    d: vec2<u32>,
    e: vec2<u32>,
    f: vec2<u32>,
    a_strides: vec2<u32>, // of its rows and columns, as they are read
    b_strides: vec2<u32>,
    beta1: u32, // this and all below are the bits of an f32
    beta2: u32,
    epsilon: u32,
    parameter: u32, // of a loss, or the limit of a clipping
    tiled: u32, // whether a product is made in tiles
    padding: u32,
}

struct Program {
    count: vec4<u32>, // of the ops, in x
    levels: array<vec4<f32>, 8>, // of a loss of quantiles
    ops: array<Op, OPS>,
}

struct Run {
    first: u32,
    steps: u32,
}

@group(0) @binding(0) var<uniform> program: Program;
@group(0) @binding(2) var<storage, read> inputs: array<f32>;
@group(0) @binding(3) var<storage, read> targets: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read> steps: array<Step>;
@group(0) @binding(6) var<storage, read_write> log_of: array<f32>;
@group(0) @binding(7) var<storage, read> keys: array<u32>;
@group(1) @binding(0) var<uniform> run: Run;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    for (var s = run.first; s < run.first + run.steps; s++) {
        step(group.z, lane, steps[s]);
    }
}

fn rows_of(rows: u32, s: Step) -> u32 {
    return select(rows, s.rows, rows == BATCH);
}

fn at(view: vec2<u32>, member: u32) -> u32 {
    return view.x + member * view.y;
}

fn has(kind: u32) -> bool {
    return (KINDS & (1u << kind)) != 0u;
}

fn has_elementwise() -> bool {
    return has(BIAS_ADD) || has(ACTIVATION) || has(ACTIVATION_GRADIENT) || has(AVERAGE) || has(CLIP_VALUE) || has(CLEAR);
}

fn activate_by(function: u32, z: f32) -> f32 {
    if function == IDENTITY {
        return z;
    }
    if OTHER_FUNCTION != FUNCTION && function == OTHER_FUNCTION {
        return activate(OTHER_FUNCTION, z);
    }
    return activate(select(FUNCTION, function, FUNCTION == ANY), z);
}

fn derivative_by(function: u32, kept: f32) -> f32 {
    if function == IDENTITY {
        return 1.0;
    }
    if OTHER_FUNCTION != FUNCTION && function == OTHER_FUNCTION {
        return derivative(OTHER_FUNCTION, kept);
    }
    return derivative(select(FUNCTION, function, FUNCTION == ANY), kept);
}

// c[r, :] = source[order[first + r], :]; the source is the inputs, or the targets by function
fn gather(op: Op, member: u32, lane: u32, s: Step) {
    let columns = op.n;
    let c = at(op.c, member);
    let first = at(op.b, member) + s.first;
    for (var i = lane; i < s.rows * columns; i += LANES) {
        let from_row = order[first + i / columns] * columns + i % columns;
        if op.function == 0u {
            store(c + i, inputs[from_row]);
        } else {
            store(c + i, targets[from_row]);
        }
    }
}

// c[m, n] = a[m, k] * b[k, n] and its epilogue. A lane has whole values, LANES apart.
fn product_by_value(op: Op, member: u32, lane: u32, s: Step) {
    let n = op.n;
    let depth = rows_of(op.k, s);
    let total = rows_of(op.m, s) * n;
    let a = at(op.a, member);
    let b = at(op.b, member);
    for (var i = lane; i < total; i += LANES) {
        var at_a = a + (i / n) * op.a_strides.x;
        var at_b = b + (i % n) * op.b_strides.y;
        var sum = 0.0;
        for (var k = 0u; k < depth; k++) {
            sum += load(at_a) * load(at_b);
            at_a += op.a_strides.y;
            at_b += op.b_strides.x;
        }
        finish(op, member, i, i % n, sum);
    }
}

// The sum of c's i-th value, in this column.
fn finish(op: Op, member: u32, i: u32, column: u32, sum: f32) {
    let c = at(op.c, member) + i;
    let d = at(op.d, member);
    switch op.epilogue {
        case ACCUMULATE: { store(c, load(c) + sum); }
        case BIAS_ACTIVATE: { store(c, activate_by(op.function, sum + load(d + column))); }
        case TIMES_DERIVATIVE: { store(c, sum * derivative_by(op.function, load(d + i))); }
        default: { store(c, sum); }
    }
}

// bias_add: c[r, :] += a;  activation: c = f(a);  activation_gradient: c = c . f'(a);  clip_value: c = clamp(c);
// average: c += share * (a - c);  clear: c = 0
fn elementwise(op: Op, member: u32, lane: u32, s: Step) {
    let n = op.n;
    let total = rows_of(op.m, s) * n;
    let a = at(op.a, member);
    let c = at(op.c, member);
    let function = op.function;
    for (var i = lane; i < total; i += LANES) {
        switch op.kind {
            case BIAS_ADD: { if has(BIAS_ADD) { store(c + i, load(c + i) + load(a + i % n)); } }
            case ACTIVATION: {
                if has(ACTIVATION) {
                    store(c + i, activate_by(function, load(a + i)));
                }
            }
            case ACTIVATION_GRADIENT: {
                if has(ACTIVATION_GRADIENT) {
                    store(c + i, load(c + i) * derivative_by(function, load(a + i)));
                }
            }
            case AVERAGE: {
                if has(AVERAGE) {
                    store(c + i, load(c + i) + s.average * (load(a + i) - load(c + i)));
                }
            }
            case CLIP_VALUE: {
                if has(CLIP_VALUE) {
                    let limit = bitcast<f32>(op.parameter);
                    store(c + i, clamp(load(c + i), -limit, limit));
                }
            }
            default: { store(c + i, 0.0); }
        }
    }
}

// c[j] = sum of a^2 over the j-th chunk of k of its n values. A lane has whole chunks.
fn square_sums(op: Op, member: u32, lane: u32) {
    let n = op.n;
    let chunk = op.k;
    let a = at(op.a, member);
    let c = at(op.c, member);
    for (var j = lane; j * chunk < n; j += LANES) {
        var sum = 0.0;
        for (var i = j * chunk; i < min(n, j * chunk + chunk); i++) {
            sum += load(a + i) * load(a + i);
        }
        store(c + j, sum);
    }
}

// c = c * min(1, limit / (sqrt(sum of a's k values) + 1e-6))
fn clip_norm(op: Op, member: u32, lane: u32) {
    let a = at(op.a, member);
    let c = at(op.c, member);
    var sum = 0.0;
    for (var j = 0u; j < op.k; j++) {
        sum += load(a + j);
    }
    let factor = min(1.0, bitcast<f32>(op.parameter) / (sqrt(sum) + 1e-6));
    for (var i = lane; i < op.n; i += LANES) {
        store(c + i, load(c + i) * factor);
    }
}

// c[r, :] = c[r, :] * limit / (norm of c[r, :] + 1e-7) where that norm is above the limit. A lane has whole rows.
fn max_norm(op: Op, member: u32, lane: u32) {
    let n = op.n;
    let limit = bitcast<f32>(op.parameter);
    for (var row = lane; row < op.m; row += LANES) {
        let c = at(op.c, member) + row * n;
        var sum = 0.0;
        for (var i = 0u; i < n; i++) {
            sum += load(c + i) * load(c + i);
        }
        let norm = sqrt(sum);
        let factor = select(1.0, limit / (norm + 1e-7), norm > limit);
        for (var i = 0u; i < n; i++) {
            store(c + i, load(c + i) * factor);
        }
    }
}

// c[i] = sum over r of a[r, i], or c[i] += it. A lane has whole columns.
fn bias_gradient(op: Op, member: u32, lane: u32, s: Step) {
    let n = op.n;
    let a = at(op.a, member);
    let c = at(op.c, member);
    for (var i = lane; i < n; i += LANES) {
        var sum = 0.0;
        for (var row = 0u; row < rows_of(op.m, s); row++) {
            sum += load(a + row * n + i);
        }
        if op.epilogue == ACCUMULATE {
            sum += load(c + i);
        }
        store(c + i, sum);
    }
}

// a: gradients [1, n]; b: hyper; c: parameters; d, e, f: moments, c again where there is none; the first k weights are decayed
fn optimize(op: Op, member: u32, lane: u32, s: Step) {
    let a = at(op.a, member);
    let b = at(op.b, member);
    let c = at(op.c, member);
    let d = at(op.d, member);
    let e = at(op.e, member);
    let f = at(op.f, member);
    let count = op.m;
    let rule = select(RULE, op.function, RULE == ANY);
    var rates = Rates(
        load(b) * s.rate,
        0.0,
        0.0,
        load(b + 2u),
        vec3(s.correction1, s.correction2, s.correction3),
        bitcast<f32>(op.beta1),
        bitcast<f32>(op.beta2),
        bitcast<f32>(op.epsilon),
        op.epilogue == NESTEROV,
    );
    let decay = load(b + 1u);
    let l1 = load(b + 3u);
    for (var i = lane; i < op.n; i += LANES) {
        rates.decay = select(0.0, decay, i < op.k);
        rates.l1 = select(0.0, l1, i < op.k);
        var moments = vec3(load(d + i), 0.0, 0.0);
        if count > 1u {
            moments.y = load(e + i);
        }
        if count > 2u {
            moments.z = load(f + i);
        }
        let after = update(rule, Weight(load(c + i), moments), load(a + i), rates);
        store(d + i, after.moments.x);
        if count > 1u {
            store(e + i, after.moments.y);
        }
        if count > 2u {
            store(f + i, after.moments.z);
        }
        store(c + i, after.w);
    }
}
