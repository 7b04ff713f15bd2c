// c[m, n] = sum over k of a[m, k] * b[k, n], tile by tile through workgroup memory.
//
// A workgroup of LANES_X * LANES_Y invocations makes a tile of 4*LANES_Y rows and 4*LANES_X columns, a lane 4 by 4 of
// them. The lane's rows and columns lie LANES_Y and LANES_X apart, so that neighbouring lanes touch neighbouring words.
//
// Operands in half precision are rounded on their way into workgroup memory, which holds them as f16 if STORED_HALF.
//
// Sums are over k in rising order, in one sum for each value, and over zeros up to a multiple of DEPTH.
//
// The kernel that imports this declares `shape` with a, b, m, n, k.

#import stored_whole unless STORED_HALF
#import stored_half if STORED_HALF
#import batch
#import operands unless HALF
#import halves if HALF
#import row_sums

override LANES_X: u32 = 16u;
override LANES_Y: u32 = 16u;
override HALF: bool = false;
override A_TRANSPOSED: bool = false; // a is stored [k, m]
override B_TRANSPOSED: bool = false; // b is stored [n, k]

override ROW_SUMS: bool = false; // the first workgroup of a row of them also sums a over k

const DEPTH = 16u;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

var<workgroup> tile_a: array<Stored, 4u * LANES_Y * DEPTH>; // [k, m]
var<workgroup> tile_b: array<Stored, 4u * LANES_X * DEPTH>; // [k, n]

const ROWS: u32 = 4u;
const SUMS: u32 = 4u;

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
}

// The sums of the lane's rows, for its four columns.
var<private> sums: array<vec4<f32>, ROWS>;

// With ROW_SUMS, of the rows that `summed_row` names.
var<private> row_sums: vec4<f32>;

const NONE = 0xffffffffu;

fn row_of(at: Invocation, i: u32) -> u32 {
    return (at.group.y * ROWS + i) * LANES_Y + at.lane.y;
}

fn column_of(at: Invocation, j: u32) -> u32 {
    return (at.group.x * 4u + j) * LANES_X + at.lane.x;
}

// The row of a whose sum is the lane's `i`th, or NONE.
fn summed_row(at: Invocation, i: u32) -> u32 {
    return select(NONE, row_of(at, i), at.group.x == 0u && at.lane.x == 0u);
}

fn one_of_a(at: u32) -> f32 {
    return a[at];
}

fn load_a(member: u32, row: u32, k: u32, rows: u32, depth: u32) -> f32 {
    if row >= rows || k >= depth {
        return 0.0;
    }
    let at = select(row * shape.k_stride + k, k * shape.m_stride + row, A_TRANSPOSED);
    return a[shape.a.x + member * shape.a.y + at];
}

fn load_b(member: u32, k: u32, column: u32, depth: u32) -> f32 {
    if column >= shape.n || k >= depth {
        return 0.0;
    }
    let at = select(k * shape.n + column, column * shape.k_stride + k, B_TRANSPOSED);
    return b[shape.b.x + member * shape.b.y + at];
}

fn product(at: Invocation) {
    terms(at, 0u, rows_of(shape.k));
}

// The product's terms of k from `first`, a multiple of DEPTH, up to `depth`.
fn terms(at: Invocation, first: u32, depth: u32) {
    let group = at.group;
    let lane = at.lane;
    let rows = rows_of(shape.m);
    let height = 4u * LANES_Y;
    let width = 4u * LANES_X;
    let first_row = group.y * height;
    let first_column = group.x * width;
    let index = lane.y * LANES_X + lane.x;
    let lanes = LANES_X * LANES_Y;
    sums = array<vec4<f32>, ROWS>();
    for (var k = first; k < depth; k += DEPTH) {
        // Consecutive lanes load consecutive words of the operand, whichever way it is stored.
        for (var i = index; i < height * DEPTH; i += lanes) {
            let at = select(vec2(i / DEPTH, i % DEPTH), vec2(i % height, i / height), A_TRANSPOSED);
            tile_a[at.y * height + at.x] = Stored(factor_a(load_a(group.z, first_row + at.x, k + at.y, rows, depth)));
        }
        for (var i = index; i < width * DEPTH; i += lanes) {
            let at = select(vec2(i % width, i / width), vec2(i / DEPTH, i % DEPTH), B_TRANSPOSED);
            tile_b[at.y * width + at.x] = Stored(factor_b(load_b(group.z, k + at.y, first_column + at.x, depth)));
        }
        workgroupBarrier();
        for (var j = 0u; j < DEPTH; j++) {
            let at_a = j * height + lane.y;
            let at_b = j * width + lane.x;
            let left = vec4<f32>(vec4(
                tile_a[at_a],
                tile_a[at_a + LANES_Y],
                tile_a[at_a + 2u * LANES_Y],
                tile_a[at_a + 3u * LANES_Y],
            ));
            let right = vec4<f32>(vec4(
                tile_b[at_b],
                tile_b[at_b + LANES_X],
                tile_b[at_b + 2u * LANES_X],
                tile_b[at_b + 3u * LANES_X],
            ));
            sums[0] = fma(left.xxxx, right, sums[0]);
            sums[1] = fma(left.yyyy, right, sums[1]);
            sums[2] = fma(left.zzzz, right, sums[2]);
            sums[3] = fma(left.wwww, right, sums[3]);
            if ROW_SUMS && !HALF && group.x == 0u {
                row_sums += left;
            }
        }
        workgroupBarrier();
    }
#repeat i ROWS
    sums[{i}u] = total(sums[{i}u]);
#end
    if ROW_SUMS && HALF {
        // What is added up is not rounded.
        sum_rows(at, rows, first, depth);
    }
}
