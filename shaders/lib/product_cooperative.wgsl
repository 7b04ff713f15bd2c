// c[m, n] = sum over k of a[m, k] * b[k, n] by cooperative matrices: SIDE by SIDE numbers of half precision that a subgroup
// multiplies at once, with sums in f32.
//
// A workgroup of LANES invocations makes a tile of HEIGHT rows and BREADTH columns. DEPTH terms of the operands at a time are brought
// into workgroup memory, laid out as they are stored and rounded on the way, with zeros behind edges; while they are multiplied, the
// next are on their way. A subgroup has DOWN by ACROSS matrices of sums, side by side with those of GROUPS_X - 1 others. In the end they
// go through workgroup memory, a row of each subgroup's matrices at a time, to the lanes: each has ROWS rows of four columns that lie
// side by side.
//
// Sums are over k in rising order, SIDE terms at a time, whose order is the adapter's. Sums of a's rows are of what is not rounded: of
// every eighth term, and those eight in rising order.
//
// The kernel that imports this declares `shape` with a, b, m, n, k. All subgroups have as many lanes, and the host counts by it.

enable f16;
enable wgpu_cooperative_matrix;

#import batch
#import magnifier
#import matrix16 unless SIDE_8
#import matrix8 if SIDE_8
#import words unless VECTORS
#import vectors if VECTORS

override LANES: u32 = 128u; // 2*HEIGHT
override HEIGHT: u32 = 64u;
override BREADTH: u32 = 64u;
override DOWN: u32 = 2u;
override ACROSS: u32 = 2u;
override GROUPS_X: u32 = 2u; // BREADTH / SIDE / ACROSS
override LOADS_A: u32 = 4u; // HEIGHT*DEPTH / 4 / LANES
override LOADS_B: u32 = 4u; // BREADTH*DEPTH / 4 / LANES
override ROWS: u32 = 8u; // HEIGHT*BREADTH / 4 / LANES
override STAGED: u32 = 4u; // ROWS / DOWN
override STEPS: u32 = 2u; // DEPTH / SIDE
override A_TRANSPOSED: bool = false; // a is stored [k, m]
override B_TRANSPOSED: bool = false; // b is stored [n, k]

override ROW_SUMS: bool = false; // the first workgroup of a row of them also sums a over k, of which it is stored [k, m]

const DEPTH = 32u;
const SUMS: u32 = 1u;
const LANES_X: u32 = LANES;
const LANES_Y: u32 = 1u;
const BESIDE: u32 = 1u;

// Eight numbers more than a row has keep neighbouring rows in different banks.
const PITCH_A = select(DEPTH, HEIGHT, A_TRANSPOSED) + 8u;
const PITCH_B = select(BREADTH, DEPTH, B_TRANSPOSED) + 8u;
const PITCH = BREADTH + 4u;

var<workgroup> tile_a: array<f16, HEIGHT * (DEPTH + 8u)>; // [m, k], or [k, m] if A_TRANSPOSED
var<workgroup> tile_b: array<f16, BREADTH * (DEPTH + 8u)>; // [k, n], or [n, k] if B_TRANSPOSED
var<workgroup> staged: array<f32, HEIGHT / DOWN * PITCH>;

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
}

// The sums of the lane's rows, for its four columns.
var<private> sums: array<vec4<f32>, ROWS>;

// With ROW_SUMS, of the row that `summed_row` names.
var<private> row_sums: array<f32, SUMS>;

const NONE = 0xffffffffu;

// The `i`th of the lane's rows in what is staged at a time, of all subgroups' rows of matrices.
fn staged_row(at: Invocation, i: u32) -> u32 {
    return i % STAGED * (4u * LANES / BREADTH) + at.lane.x / (BREADTH / 4u);
}

fn row_of(at: Invocation, i: u32) -> u32 {
    let row = staged_row(at, i);
    return at.group.y * HEIGHT + (row / SIDE * DOWN + i / STAGED) * SIDE + row % SIDE;
}

fn column_of(at: Invocation, j: u32) -> u32 {
    return at.group.x * BREADTH + 4u * (at.lane.x % (BREADTH / 4u)) + j;
}

// The row of a whose sum the lane has, or NONE.
fn summed_row(at: Invocation, i: u32) -> u32 {
    return select(NONE, at.group.y * HEIGHT + at.lane.x, at.group.x == 0u && at.lane.x < HEIGHT);
}

// The nearest numbers, those beyond ±65504 brought to that. What is no finite number stays.
fn half(values: vec4<f32>) -> vec4<f16> {
    let finite = (bitcast<vec4<u32>>(values) & vec4(0x7f800000u)) != vec4(0x7f800000u);
    return vec4<f16>(select(values, clamp(values, vec4(-65504.0), vec4(65504.0)), finite));
}

// The lane's `i`th four values of a tile of a, and where they are in it: k or, where a is transposed, m by what is next to each other.
fn place_a(at: Invocation, i: u32) -> vec2<u32> {
    let index = i * LANES + at.lane.x;
    if A_TRANSPOSED {
        return vec2(4u * (index % (HEIGHT / 4u)), index / (HEIGHT / 4u));
    }
    return vec2(4u * (index % (DEPTH / 4u)), index / (DEPTH / 4u));
}

fn load_a(at: Invocation, i: u32, k: u32, rows: u32, depth: u32) -> vec4<f32> {
    let first = shape.a.x + at.group.z * shape.a.y;
    let place = place_a(at, i);
    let row = at.group.y * HEIGHT;
    if A_TRANSPOSED {
        let inner = row + place.x;
        let four = four_of_a(first + min(k + place.y, depth - 1u) * apart_a(shape.m_stride), inner, shape.m_stride);
        return select(vec4<f32>(), four, inner + vec4(0u, 1u, 2u, 3u) < vec4(select(0u, rows, k + place.y < depth)));
    }
    let inner = k + place.x;
    let four = four_of_a(first + min(row + place.y, rows - 1u) * apart_a(shape.k_stride), inner, shape.k_stride);
    return select(vec4<f32>(), four, inner + vec4(0u, 1u, 2u, 3u) < vec4(select(0u, depth, row + place.y < rows)));
}

fn keep_a(at: Invocation, i: u32, values: vec4<f32>) {
    let place = place_a(at, i);
    let halves = half(values * power_of_two(magnifier()));
    let first = place.y * PITCH_A + place.x;
    tile_a[first] = halves.x;
    tile_a[first + 1u] = halves.y;
    tile_a[first + 2u] = halves.z;
    tile_a[first + 3u] = halves.w;
}

fn place_b(at: Invocation, i: u32) -> vec2<u32> {
    let index = i * LANES + at.lane.x;
    if B_TRANSPOSED {
        return vec2(4u * (index % (DEPTH / 4u)), index / (DEPTH / 4u));
    }
    return vec2(4u * (index % (BREADTH / 4u)), index / (BREADTH / 4u));
}

fn load_b(at: Invocation, i: u32, k: u32, depth: u32) -> vec4<f32> {
    let first = shape.b.x + at.group.z * shape.b.y;
    let place = place_b(at, i);
    let column = at.group.x * BREADTH;
    if B_TRANSPOSED {
        let inner = k + place.x;
        let four = four_of_b(first + min(column + place.y, shape.n - 1u) * apart_b(shape.k_stride), inner, shape.k_stride);
        return select(vec4<f32>(), four, inner + vec4(0u, 1u, 2u, 3u) < vec4(select(0u, depth, column + place.y < shape.n)));
    }
    let inner = column + place.x;
    let four = four_of_b(first + min(k + place.y, depth - 1u) * apart_b(shape.n), inner, shape.n);
    return select(vec4<f32>(), four, inner + vec4(0u, 1u, 2u, 3u) < vec4(select(0u, shape.n, k + place.y < depth)));
}

fn keep_b(at: Invocation, i: u32, values: vec4<f32>) {
    let place = place_b(at, i);
    let halves = half(values);
    let first = place.y * PITCH_B + place.x;
    tile_b[first] = halves.x;
    tile_b[first + 1u] = halves.y;
    tile_b[first + 2u] = halves.z;
    tile_b[first + 3u] = halves.w;
}

fn left(row: u32, k: u32) -> Left {
    if A_TRANSPOSED {
        return coopLoad<Left>(&tile_a[k * PITCH_A + row], PITCH_A);
    }
    return coopLoadT<Left>(&tile_a[row * PITCH_A + k], PITCH_A);
}

fn right(k: u32, column: u32) -> Right {
    if B_TRANSPOSED {
        return coopLoad<Right>(&tile_b[column * PITCH_B + k], PITCH_B);
    }
    return coopLoadT<Right>(&tile_b[k * PITCH_B + column], PITCH_B);
}

fn product(at: Invocation) {
    let depth = rows_of(shape.k);
    let rows = rows_of(shape.m);
    let matrices = vec2(at.subgroup % GROUPS_X * ACROSS, at.subgroup / GROUPS_X * DOWN);
    var row_part = vec4<f32>();
#repeat i DOWN
#repeat j ACROSS
    var sum_{i}_{j}: Sums;
#end
#end
#repeat i LOADS_A
    var next_a_{i} = load_a(at, {i}u, 0u, rows, depth);
#end
#repeat i LOADS_B
    var next_b_{i} = load_b(at, {i}u, 0u, depth);
#end
    for (var k = 0u; k < depth; k += DEPTH) {
#repeat i LOADS_A
        keep_a(at, {i}u, next_a_{i});
        if ROW_SUMS {
            row_part += next_a_{i};
        }
#end
#repeat i LOADS_B
        keep_b(at, {i}u, next_b_{i});
#end
        workgroupBarrier();
        if k + DEPTH < depth {
#repeat i LOADS_A
            next_a_{i} = load_a(at, {i}u, k + DEPTH, rows, depth);
#end
#repeat i LOADS_B
            next_b_{i} = load_b(at, {i}u, k + DEPTH, depth);
#end
        }
#repeat s STEPS
#repeat i DOWN
        let left_{s}_{i} = left((matrices.y + {i}u) * SIDE, {s}u * SIDE);
#end
#repeat j ACROSS
        let right_{s}_{j} = right({s}u * SIDE, (matrices.x + {j}u) * SIDE);
#end
#repeat i DOWN
#repeat j ACROSS
        sum_{i}_{j} = coopMultiplyAdd(left_{s}_{i}, right_{s}_{j}, sum_{i}_{j});
#end
#end
#end
        workgroupBarrier();
    }
#repeat i DOWN
#repeat j ACROSS
    coopStoreT(sum_{i}_{j}, &staged[matrices.y / DOWN * SIDE * PITCH + (matrices.x + {j}u) * SIDE], PITCH);
#end
    workgroupBarrier();
#repeat r STAGED
    let place_{i}_{r} = staged_row(at, {r}u) * PITCH + 4u * (at.lane.x % (BREADTH / 4u));
    sums[{i}u * STAGED + {r}u] = total(vec4(
        staged[place_{i}_{r}],
        staged[place_{i}_{r} + 1u],
        staged[place_{i}_{r} + 2u],
        staged[place_{i}_{r} + 3u],
    ));
#end
    workgroupBarrier();
#end
    if ROW_SUMS {
        let place = at.lane.x / (HEIGHT / 4u) * HEIGHT + 4u * (at.lane.x % (HEIGHT / 4u));
        staged[place] = row_part.x;
        staged[place + 1u] = row_part.y;
        staged[place + 2u] = row_part.z;
        staged[place + 3u] = row_part.w;
        workgroupBarrier();
        for (var eighth = 0u; eighth < 8u; eighth++) {
            row_sums[0] += staged[eighth * HEIGHT + at.lane.x % HEIGHT];
        }
    }
}
