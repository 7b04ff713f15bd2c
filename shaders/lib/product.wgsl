// c[m, n] = sum over k of a[m, k] * b[k, n], tile by tile through workgroup memory.
//
// A workgroup of LANES_X * LANES_Y invocations makes a tile of 4*LANES_Y rows and 4*LANES_X columns, a lane 4 by 4 of
// them. The lane's rows and columns lie LANES_Y and LANES_X apart, so that neighbouring lanes touch neighbouring words. What the next
// round wants is on its way from memory, all of it at once, while a round is computed.
//
// Operands in half precision are rounded on their way into workgroup memory, which holds them as f16 if STORED_HALF.
//
// Sums are over k in rising order, in one sum for each value or in slices of k (lib/slices), and over zeros up to a multiple of DEPTH.
// BESIDE slices are made by as many times the lanes, each with tiles of its own.
//
// The kernel that imports this declares `shape` with a, b, m, n, k.

#import stored_whole unless STORED_HALF
#import stored_half if STORED_HALF
#import batch
#import operands unless HALF
#import halves if HALF
#import row_sums
#import slices

override LANES_X: u32 = 16u;
override LANES_Y: u32 = 16u;
override HALF: bool = false;
override LOADS_A: u32 = 4u; // that a lane makes in a round: 64 / LANES_X
override LOADS_B: u32 = 4u; // 64 / LANES_Y
override BESIDE: u32 = 1u; // slices side by side: 1 or SLICES
override A_TRANSPOSED: bool = false; // a is stored [k, m]
override B_TRANSPOSED: bool = false; // b is stored [n, k]

override ROW_SUMS: bool = false; // the first workgroup of a row of them also sums a over k

const DEPTH = 16u;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

var<workgroup> tile_a: array<Stored, 4u * LANES_Y * DEPTH * BESIDE>; // [slice, k, m]
var<workgroup> tile_b: array<Stored, 4u * LANES_X * DEPTH * BESIDE>; // [slice, k, n]

const ROWS: u32 = 4u;
const SUMS: u32 = 4u;

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
}

// The sums of the lane's rows, for its four columns. Of slices that are made side by side, the lanes of the first have them all.
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

// What stands outside an operand is read inside it, so that no load waits for a branch, and is 0 for a term that there is not.
fn load_a(member: u32, row: u32, k: u32, rows: u32, depth: u32) -> f32 {
    let inner = min(k, depth - 1u);
    let inside = min(row, rows - 1u);
    let at = select(inside * shape.k_stride + inner, inner * shape.m_stride + inside, A_TRANSPOSED);
    return select(0.0, a[shape.a.x + member * shape.a.y + at], k < depth);
}

fn load_b(member: u32, k: u32, column: u32, depth: u32) -> f32 {
    let inner = min(k, depth - 1u);
    let inside = min(column, shape.n - 1u);
    let at = select(inner * shape.n + inside, inside * shape.k_stride + inner, B_TRANSPOSED);
    return select(0.0, b[shape.b.x + member * shape.b.y + at], k < depth);
}

// Which row of a tile so high, and which k, the `i`th of a lane's loads is of. Consecutive lanes load consecutive words of the operand,
// whichever way it is stored.
fn place(index: u32, i: u32, height: u32, along_k: bool) -> vec2<u32> {
    let at = index + i * LANES_X * LANES_Y;
    return select(vec2(at % height, at / height), vec2(at / DEPTH, at % DEPTH), along_k);
}

// Sums of slices side by side go to the lanes of the first, row by row.
fn together(at: Invocation) {
    if BESIDE > 1u {
        let own = at.lane.y * LANES_X + at.lane.x;
#repeat i ROWS
        hand_over(at.lane.z, own, sums[{i}u]);
        workgroupBarrier();
        sums[{i}u] = joined(at.lane.z, own, sums[{i}u]);
        workgroupBarrier();
#end
        if ROW_SUMS {
            hand_over(at.lane.z, own, row_sums);
            workgroupBarrier();
            row_sums = joined(at.lane.z, own, row_sums);
            workgroupBarrier();
        }
    }
}

// In place of a tile: four numbers of each lane of all slices but the first.
fn handed(slice: u32, own: u32, number: u32) -> u32 {
    return ((slice - 1u) * 4u + number) * LANES_X * LANES_Y + own;
}

fn hand_over(slice: u32, own: u32, values: vec4<f32>) {
    if slice > 0u {
#repeat c 4
        tile_a[handed(slice, own, {c}u)] = Stored(values[{c}u]);
#end
    }
}

fn joined(slice: u32, own: u32, first: vec4<f32>) -> vec4<f32> {
    var sum = first;
    if slice == 0u {
        for (var other = 1u; other < BESIDE; other++) {
            sum += vec4<f32>(vec4(
                tile_a[handed(other, own, 0u)],
                tile_a[handed(other, own, 1u)],
                tile_a[handed(other, own, 2u)],
                tile_a[handed(other, own, 3u)],
            ));
        }
    }
    return sum;
}

// The product's terms of k from `first` up to `end`, both multiples of DEPTH unless `end` is `depth`; with zeros for those from `depth` on.
fn terms(at: Invocation, first: u32, end: u32, depth: u32) {
    let group = at.group;
    let lane = at.lane;
    let rows = rows_of(shape.m);
    let height = 4u * LANES_Y;
    let width = 4u * LANES_X;
    let first_row = group.y * height;
    let first_column = group.x * width;
    let index = lane.y * LANES_X + lane.x;
    sums = array<vec4<f32>, ROWS>();
#repeat i LOADS_A
    let place_a_{i} = place(index, {i}u, height, !A_TRANSPOSED);
    var next_a_{i} = load_a(group.z, first_row + place_a_{i}.x, first + place_a_{i}.y, rows, depth);
#end
#repeat i LOADS_B
    let place_b_{i} = place(index, {i}u, width, B_TRANSPOSED);
    var next_b_{i} = load_b(group.z, first + place_b_{i}.y, first_column + place_b_{i}.x, depth);
#end
    // The slice's tiles.
    let own_a = at.lane.z * height * DEPTH;
    let own_b = at.lane.z * width * DEPTH;
    for (var k = first; k < end; k += DEPTH) {
#repeat i LOADS_A
        tile_a[own_a + place_a_{i}.y * height + place_a_{i}.x] = Stored(factor_a(next_a_{i}));
#end
#repeat i LOADS_B
        tile_b[own_b + place_b_{i}.y * width + place_b_{i}.x] = Stored(factor_b(next_b_{i}));
#end
        workgroupBarrier();
        if k + DEPTH < end {
#repeat i LOADS_A
            next_a_{i} = load_a(group.z, first_row + place_a_{i}.x, k + DEPTH + place_a_{i}.y, rows, depth);
#end
#repeat i LOADS_B
            next_b_{i} = load_b(group.z, k + DEPTH + place_b_{i}.y, first_column + place_b_{i}.x, depth);
#end
        }
        for (var j = 0u; j < DEPTH; j++) {
            let at_a = own_a + j * height + lane.y;
            let at_b = own_b + j * width + lane.x;
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
        sum_rows(at, rows, first, min(end, depth));
    }
}
