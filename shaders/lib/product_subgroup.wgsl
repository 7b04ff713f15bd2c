// c[m, n] = sum over k of a[m, k] * b[k, n], as outer products within subgroups, without workgroup memory.
//
// A workgroup of LANES invocations makes a tile of ROWS rows and 4*LANES columns, a lane all rows of four columns that lie side by side.
// The grid's x goes down the rows, its y across the columns. Of b a lane reads its own columns. Of a it reads a share of what the whole
// tile wants, and has the rest from the lanes beside it: a value of a is broadcast from the lane that holds it. The first WIDTH lanes of a
// subgroup hold what there is, and those behind them the same again, so that subgroups of WIDTH lanes or any multiple will do.
//
// Sums are over k in rising order, in one sum for each value or in slices of k (lib/slices), and over zeros up to a multiple of 16, as
// those of lib/product: the bits are the same.
//
// The kernel that imports this declares `shape` with a, b, m, n, k.

#import batch
#import operands unless HALF
#import halves if HALF
#import words unless VECTORS IMAGES
#import vectors if VECTORS
#import images if IMAGES
#import row_sums
#import slices

override LANES: u32 = 8u;
override WIDTH: u32 = 8u;
override ROWS: u32 = 16u; // a multiple of 4 and of WIDTH
override PARTS: u32 = 2u; // ROWS / WIDTH
override A_TRANSPOSED: bool = false; // a is stored [k, m]
override B_TRANSPOSED: bool = false; // b is stored [n, k]

override ROW_SUMS: bool = false; // the first workgroup of a row of them also sums a over k

const LANES_X: u32 = LANES;
const LANES_Y: u32 = 1u;
const BESIDE: u32 = 1u;
const SUMS: u32 = 4u;

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
    @builtin(subgroup_invocation_id) inner: u32,
}

// The sums of the lane's rows, for its four columns.
var<private> sums: array<vec4<f32>, ROWS>;

// With ROW_SUMS, of the rows that `summed_row` names.
var<private> row_sums: array<f32, SUMS>;

const NONE = 0xffffffffu;

fn row_of(at: Invocation, i: u32) -> u32 {
    return at.group.x * ROWS + i;
}

fn column_of(at: Invocation, j: u32) -> u32 {
    return 4u * (at.group.y * LANES + at.lane.x) + j;
}

// The row of a whose sum is the lane's `i`th, or NONE: the first lanes have four each.
fn summed_row(at: Invocation, i: u32) -> u32 {
    return select(NONE, row_of(at, 4u * at.lane.x + i), at.group.y == 0u && at.lane.x < ROWS / 4u);
}

// Where an operand's part is read: what of it stays the same for all k. A processor's driver reads what is uniform anew, lane by lane,
// wherever the text does.
struct Places {
    a: u32, // the place of the member's first row
    b: u32,
    rows: u32, // of a
    depth: u32,
    n: u32,
    m_stride: u32,
    columns: vec4<u32>, // where b is transposed: the places of the lane's columns
}

fn places(at: Invocation, depth: u32) -> Places {
    let b = shape.b.x + at.group.z * shape.b.y;
    let columns = min(column_of(at, 0u) + vec4(0u, 1u, 2u, 3u), vec4(shape.n - 1u));
    return Places(
        shape.a.x + at.group.z * shape.a.y,
        b,
        rows_of(shape.m),
        depth,
        shape.n,
        shape.m_stride,
        b + columns * apart_b(shape.k_stride),
    );
}

// The place of a row of a that is part of what the lane holds.
fn place_of_a(at: Invocation, part: u32, to: Places) -> u32 {
    return to.a + min(row_of(at, part), to.rows - 1u) * apart_a(shape.k_stride);
}

// Four values of the tile's share of a, for k to k + 3. They are those of the row at `place`; or, where a is transposed, of four rows at
// one k.
fn part_of_a(at: Invocation, part: u32, place: u32, k: u32, to: Places) -> vec4<f32> {
    if A_TRANSPOSED {
        let row = row_of(at, 4u * (part % (ROWS / 4u)));
        let inner = k + part / (ROWS / 4u);
        let four = four_of_a(to.a + min(inner, to.depth - 1u) * apart_a(to.m_stride), row, to.m_stride);
        return factors_a(select(vec4<f32>(), four, inner < to.depth));
    }
    let four = four_of_a(place, k, to.depth);
    return factors_a(select(vec4<f32>(), four, k + vec4(0u, 1u, 2u, 3u) < vec4(to.depth)));
}

// The lane's four columns of b, for k to k + 3.
fn four_rows_of_b(at: Invocation, k: u32, to: Places) -> mat4x4<f32> {
    let inner = k + vec4(0u, 1u, 2u, 3u);
    var fours: mat4x4<f32>;
    if B_TRANSPOSED {
        fours = transpose(mat4x4<f32>(
            four_of_b(to.columns.x, k, to.depth),
            four_of_b(to.columns.y, k, to.depth),
            four_of_b(to.columns.z, k, to.depth),
            four_of_b(to.columns.w, k, to.depth),
        ));
    } else {
        let rows = to.b + min(inner, vec4(to.depth - 1u)) * apart_b(to.n);
        let column = column_of(at, 0u);
        fours = mat4x4<f32>(
            four_of_b(rows.x, column, to.n),
            four_of_b(rows.y, column, to.n),
            four_of_b(rows.z, column, to.n),
            four_of_b(rows.w, column, to.n),
        );
    }
    let inside = inner < vec4(to.depth);
    return mat4x4<f32>(
        factors_b(select(vec4<f32>(), fours[0], inside.x)),
        factors_b(select(vec4<f32>(), fours[1], inside.y)),
        factors_b(select(vec4<f32>(), fours[2], inside.z)),
        factors_b(select(vec4<f32>(), fours[3], inside.w)),
    );
}

fn together(at: Invocation) {}

// The product's terms of k from `first`, a multiple of 16, up to `end` or the next one; with zeros for those from `depth` on.
fn terms(at: Invocation, first: u32, end: u32, depth: u32) {
    let to = places(at, depth);
#repeat p PARTS
    let place_{p} = place_of_a(at, {p}u * WIDTH + at.inner % WIDTH, to);
#end
#repeat i ROWS
    var sum_{i} = vec4<f32>();
#end
    let last = (end + 15u) / 16u * 16u;
    for (var k = first; k < last; k += 4u) {
        let held = array<vec4<f32>, PARTS>(
#repeat p PARTS
            part_of_a(at, {p}u * WIDTH + at.inner % WIDTH, place_{p}, k, to),
#end
        );
        let right = four_rows_of_b(at, k, to);
        // Row by row, so that a sum stays in a register for all four terms.
#repeat i ROWS
#repeat j 4
        sum_{i} = fma(
            vec4(subgroupBroadcast(
                held[select({i}u, {j}u * ROWS / 4u + {i}u / 4u, A_TRANSPOSED) / WIDTH][select({j}u, {i}u % 4u, A_TRANSPOSED)],
                select({i}u, {j}u * ROWS / 4u + {i}u / 4u, A_TRANSPOSED) % WIDTH,
            )),
            right[{j}u],
            sum_{i},
        );
#end
#end
    }
#repeat i ROWS
    sums[{i}u] = total(sum_{i});
#end
    if ROW_SUMS {
        sum_rows(at, first, min(end, depth));
    }
}
