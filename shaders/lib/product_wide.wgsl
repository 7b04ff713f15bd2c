// c[m, n] = sum over k of a[m, k] * b[k, n], tile by tile through workgroup memory, with many sums to a lane.
//
// A workgroup of LANES_X * LANES_Y invocations makes a tile of 16*LANES_Y rows and 4*LANES_X columns, a lane 16 by 4 of them that
// lie side by side: five vectors that it reads from workgroup memory are 64 multiply-adds. What the next round wants is on its way
// from memory while a round is computed.
//
// Sums are over k in rising order, in one sum for each value or in slices of k (lib/slices), and over zeros up to a multiple of DEPTH, as
// those of lib/product: the bits are the same.
//
// The kernel that imports this declares `shape` with a, b, m, n, k.

#import batch
#import slices
#import words unless VECTORS
#import vectors if VECTORS

override LANES_X: u32 = 32u; // 16 or 32
override LANES_Y: u32 = 4u; // 4 or 8
override FOURS_OF_A: u32 = 1u; // that a lane loads in a round: 32 / LANES_X
override FOURS_OF_B: u32 = 2u; // 8 / LANES_Y
override A_TRANSPOSED: bool = false; // a is stored [k, m]
override B_TRANSPOSED: bool = false; // b is stored [n, k]

override ROW_SUMS: bool = false; // the first workgroup of a row of them also sums a over k

const BESIDE: u32 = 1u;
const DEPTH = 8u;
const ROWS: u32 = 16u;
const SUMS: u32 = 16u;

// Fours of rows, and of columns, of one k behind those of another, and one more: lanes that store to several k's at once then do so
// to several banks.
var<workgroup> tile_a: array<vec4<f32>, DEPTH * (4u * LANES_Y + 1u)>; // [k, m / 4]
var<workgroup> tile_b: array<vec4<f32>, DEPTH * (LANES_X + 1u)>; // [k, n / 4]

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
}

// The sums of the lane's rows, for its four columns.
var<private> sums: array<vec4<f32>, ROWS>;

// With ROW_SUMS, of the rows that `summed_row` names.
var<private> row_sums: array<f32, SUMS>;

const NONE = 0xffffffffu;

fn row_of(at: Invocation, i: u32) -> u32 {
    return (at.group.y * LANES_Y + at.lane.y) * ROWS + i;
}

fn column_of(at: Invocation, j: u32) -> u32 {
    return 4u * (at.group.x * LANES_X + at.lane.x) + j;
}

// The row of a whose sum is the lane's `i`th, or NONE.
fn summed_row(at: Invocation, i: u32) -> u32 {
    return select(NONE, row_of(at, i), at.group.x == 0u && at.lane.x == 0u);
}

// Where the `i`th four that a lane brings goes in a tile of so many fours: which of them, and its k. Consecutive lanes read consecutive
// words, whichever way the operand is stored.
fn place(index: u32, i: u32, fours: u32, along_k: bool) -> vec2<u32> {
    let at = index + i * LANES_X * LANES_Y;
    return select(vec2(at % fours, at / fours), vec2(at / DEPTH, at % DEPTH), along_k);
}

// Four rows of a at one k.
fn four_rows(at: Invocation, four: u32, k: u32, rows: u32, depth: u32) -> vec4<f32> {
    let first = shape.a.x + at.group.z * shape.a.y;
    let row = at.group.y * LANES_Y * ROWS + 4u * four;
    let inner = min(k, depth - 1u);
    var found: vec4<f32>;
    if A_TRANSPOSED {
        found = four_of_a(first + inner * shape.m_stride, row, shape.m_stride);
    } else {
        let at = first + min(row + vec4(0u, 1u, 2u, 3u), vec4(rows - 1u)) * shape.k_stride + inner;
        found = vec4(one_of_a(at.x), one_of_a(at.y), one_of_a(at.z), one_of_a(at.w));
    }
    return select(vec4<f32>(), found, k < depth);
}

// Four columns of b at one k.
fn four_columns(at: Invocation, four: u32, k: u32, depth: u32) -> vec4<f32> {
    let first = shape.b.x + at.group.z * shape.b.y;
    let column = 4u * (at.group.x * LANES_X + four);
    let inner = min(k, depth - 1u);
    var found: vec4<f32>;
    if B_TRANSPOSED {
        let at = first + min(column + vec4(0u, 1u, 2u, 3u), vec4(shape.n - 1u)) * shape.k_stride + inner;
        found = vec4(one_of_b(at.x), one_of_b(at.y), one_of_b(at.z), one_of_b(at.w));
    } else {
        found = four_of_b(first + inner * shape.n, column, shape.n);
    }
    return select(vec4<f32>(), found, k < depth);
}

fn together(at: Invocation) {}

// The product's terms of k from `first` up to `end`, both multiples of DEPTH unless `end` is `depth`; with zeros for those from `depth` on.
fn terms(at: Invocation, first: u32, end: u32, depth: u32) {
    let rows = rows_of(shape.m);
    let index = at.lane.y * LANES_X + at.lane.x;
    let height = 4u * LANES_Y;
#repeat q 4
#repeat c 4
    var sum_{q}_{c} = vec4<f32>();
#end
#end
#repeat i FOURS_OF_A
    let place_a_{i} = place(index, {i}u, height, !A_TRANSPOSED);
    var next_a_{i} = four_rows(at, place_a_{i}.x, first + place_a_{i}.y, rows, depth);
#end
#repeat i FOURS_OF_B
    let place_b_{i} = place(index, {i}u, LANES_X, B_TRANSPOSED);
    var next_b_{i} = four_columns(at, place_b_{i}.x, first + place_b_{i}.y, depth);
#end
    for (var k = first; k < end; k += DEPTH) {
#repeat i FOURS_OF_A
        tile_a[place_a_{i}.y * (height + 1u) + place_a_{i}.x] = next_a_{i};
#end
#repeat i FOURS_OF_B
        tile_b[place_b_{i}.y * (LANES_X + 1u) + place_b_{i}.x] = next_b_{i};
#end
        workgroupBarrier();
        if k + DEPTH < end {
#repeat i FOURS_OF_A
            next_a_{i} = four_rows(at, place_a_{i}.x, k + DEPTH + place_a_{i}.y, rows, depth);
#end
#repeat i FOURS_OF_B
            next_b_{i} = four_columns(at, place_b_{i}.x, k + DEPTH + place_b_{i}.y, depth);
#end
        }
        for (var j = 0u; j < DEPTH; j++) {
            let right = tile_b[j * (LANES_X + 1u) + at.lane.x];
            let at_a = j * (height + 1u) + 4u * at.lane.y;
#repeat q 4
            let left_{q} = tile_a[at_a + {q}u];
#end
#repeat q 4
#repeat c 4
            sum_{q}_{c} = fma(vec4(left_{q}[{c}u]), right, sum_{q}_{c});
#end
#end
            if ROW_SUMS && at.group.x == 0u {
#repeat q 4
#repeat c 4
                row_sums[4u * {q}u + {c}u] += left_{q}[{c}u];
#end
#end
            }
        }
        workgroupBarrier();
    }
#repeat q 4
#repeat c 4
    sums[4u * {q}u + {c}u] = sum_{q}_{c};
#end
#end
}
