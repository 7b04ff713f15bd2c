// c[m, n] = sum over k of a[m, k] * b[k, n], tile by tile through workgroup memory.
//
// A workgroup of LANES_X * LANES_Y invocations makes a tile of ROWS*LANES_Y rows and 4*LANES_X columns, a lane ROWS by 4 of them that lie
// side by side: with 16 rows, five vectors that it reads from workgroup memory are 64 multiply-adds. What the next round wants is on
// its way from memory, all of it at once, while a round is computed; nothing looks at it before.
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
#import words unless VECTORS
#import vectors if VECTORS
#import row_sums
#import slices

override LANES_X: u32 = 16u;
override LANES_Y: u32 = 16u;
override FOURS_DOWN: u32 = 1u; // of a lane's rows
override ROWS: u32 = 4u; // 4 * FOURS_DOWN
override DEPTH: u32 = 16u; // terms of a round
override HALF: bool = false;
override LOADS_A: u32 = 1u; // fours that a lane brings in a round: FOURS_DOWN * DEPTH / LANES_X
override LOADS_B: u32 = 1u; // DEPTH / LANES_Y
override BESIDE: u32 = 1u; // slices side by side: 1 or SLICES
override A_TRANSPOSED: bool = false; // a is stored [k, m]
override B_TRANSPOSED: bool = false; // b is stored [n, k]

override ROW_SUMS: bool = false; // the first workgroup of a row of them also sums a over k

// Terms whose multiply-adds stand one behind the other in the text: compilers for cards do not copy the loop out.
const AT_ONCE: u32 = 8u;

const SUMS: u32 = 4u;

var<workgroup> tile_a: array<Four, FOURS_DOWN * LANES_Y * DEPTH * BESIDE>; // [slice, k, m / 4]
var<workgroup> tile_b: array<Four, LANES_X * DEPTH * BESIDE>; // [slice, k, n / 4]

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
}

// The sums of the lane's rows, for its four columns. Of slices that are made side by side, the lanes of the first have them all.
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

// The row of a whose sum is the lane's `i`th, or NONE: the first lanes of a row of them have four each.
fn summed_row(at: Invocation, i: u32) -> u32 {
    return select(NONE, row_of(at, 4u * at.lane.x + i), at.group.x == 0u && at.lane.x < FOURS_DOWN);
}

// Four rows of a at one k. What stands outside an operand is read inside it, so that no load waits for a branch.
fn four_rows(at: Invocation, four: u32, k: u32, rows: u32, depth: u32) -> vec4<f32> {
    let first = shape.a.x + at.group.z * shape.a.y;
    let row = at.group.y * LANES_Y * ROWS + 4u * four;
    let inner = min(k, depth - 1u);
    if A_TRANSPOSED {
        return four_of_a(first + inner * apart_a(shape.m_stride), row, shape.m_stride);
    }
    let each = first + min(row + vec4(0u, 1u, 2u, 3u), vec4(rows - 1u)) * apart_a(shape.k_stride);
    return vec4(one_of_a(each.x, inner), one_of_a(each.y, inner), one_of_a(each.z, inner), one_of_a(each.w, inner));
}

// Four columns of b at one k, likewise.
fn four_columns(at: Invocation, four: u32, k: u32, depth: u32) -> vec4<f32> {
    let first = shape.b.x + at.group.z * shape.b.y;
    let column = 4u * (at.group.x * LANES_X + four);
    let inner = min(k, depth - 1u);
    if !B_TRANSPOSED {
        return four_of_b(first + inner * apart_b(shape.n), column, shape.n);
    }
    let each = first + min(column + vec4(0u, 1u, 2u, 3u), vec4(shape.n - 1u)) * apart_b(shape.k_stride);
    return vec4(one_of_b(each.x, inner), one_of_b(each.y, inner), one_of_b(each.z, inner), one_of_b(each.w, inner));
}

// Which of a tile's fours the `i`th is that a lane brings, and which k it is of. Consecutive lanes read consecutive words of the operand,
// whichever way it is stored.
fn place(index: u32, i: u32, fours: u32, along_k: bool) -> vec2<u32> {
    let at = index + i * LANES_X * LANES_Y;
    return select(vec2(at % fours, at / fours), vec2(at / DEPTH, at % DEPTH), along_k);
}

// Where it lies there, in rows of a power of two of them. Each k has them in an order of its own: lanes that store one four of several k's,
// and those that read several fours of one k, are at different banks.
fn slot(four: u32, k: u32, fours: u32) -> u32 {
    return k * fours + (four ^ (k & min(fours - 1u, 7u)));
}

// Sums of slices side by side go to the lanes of the first, four by four.
fn together(at: Invocation) {
    if BESIDE > 1u {
        let own = at.lane.y * LANES_X + at.lane.x;
#repeat i ROWS
        sums[{i}u] = joined(at.lane.z, own, sums[{i}u]);
#end
        if ROW_SUMS {
            let whole = joined(at.lane.z, own, vec4(row_sums[0], row_sums[1], row_sums[2], row_sums[3]));
#repeat c 4
            row_sums[{c}u] = whole[{c}u];
#end
        }
    }
}

// The sum of all slices, in place of the tile of a.
fn joined(slice: u32, own: u32, values: vec4<f32>) -> vec4<f32> {
    let lanes = LANES_X * LANES_Y;
    if slice > 0u {
        tile_a[(slice - 1u) * lanes + own] = Four(values);
    }
    workgroupBarrier();
    var sum = values;
    if slice == 0u {
        for (var other = 1u; other < BESIDE; other++) {
            sum += vec4<f32>(tile_a[(other - 1u) * lanes + own]);
        }
    }
    workgroupBarrier();
    return sum;
}

// The product's terms of k from `first` up to `end`, both multiples of DEPTH unless `end` is `depth`; with zeros for those from `depth` on.
fn terms(at: Invocation, first: u32, end: u32, depth: u32) {
    let rows = rows_of(shape.m);
    let index = at.lane.y * LANES_X + at.lane.x;
    let height = FOURS_DOWN * LANES_Y;
    // The slice's tiles.
    let own_a = at.lane.z * height * DEPTH;
    let own_b = at.lane.z * LANES_X * DEPTH;
#repeat q FOURS_DOWN
#repeat c 4
    var sum_{q}_{c} = vec4<f32>();
#end
#end
#repeat i LOADS_A
    let place_a_{i} = place(index, {i}u, height, !A_TRANSPOSED);
    let slot_a_{i} = own_a + slot(place_a_{i}.x, place_a_{i}.y, height);
    var next_a_{i} = four_rows(at, place_a_{i}.x, first + place_a_{i}.y, rows, depth);
#end
#repeat i LOADS_B
    let place_b_{i} = place(index, {i}u, LANES_X, B_TRANSPOSED);
    let slot_b_{i} = own_b + slot(place_b_{i}.x, place_b_{i}.y, LANES_X);
    var next_b_{i} = four_columns(at, place_b_{i}.x, first + place_b_{i}.y, depth);
#end
    for (var k = first; k < end; k += DEPTH) {
#repeat i LOADS_A
        tile_a[slot_a_{i}] = Four(factors_a(select(vec4<f32>(), next_a_{i}, k + place_a_{i}.y < depth)));
#end
#repeat i LOADS_B
        tile_b[slot_b_{i}] = Four(factors_b(select(vec4<f32>(), next_b_{i}, k + place_b_{i}.y < depth)));
#end
        workgroupBarrier();
        if k + DEPTH < end {
#repeat i LOADS_A
            next_a_{i} = four_rows(at, place_a_{i}.x, k + DEPTH + place_a_{i}.y, rows, depth);
#end
#repeat i LOADS_B
            next_b_{i} = four_columns(at, place_b_{i}.x, k + DEPTH + place_b_{i}.y, depth);
#end
        }
        for (var j = 0u; j < DEPTH; j += AT_ONCE) {
#repeat u AT_ONCE
            {
                let right = vec4<f32>(tile_b[own_b + slot(at.lane.x, j + {u}u, LANES_X)]);
#repeat q FOURS_DOWN
                let left_{q} = vec4<f32>(tile_a[own_a + slot(FOURS_DOWN * at.lane.y + {q}u, j + {u}u, height)]);
#end
#repeat q FOURS_DOWN
#repeat c 4
                sum_{q}_{c} = fma(vec4(left_{q}[{c}u]), right, sum_{q}_{c});
#end
#end
                if ROW_SUMS && !HALF && at.group.x == 0u {
                    var own = left_0;
#repeat q FOURS_DOWN
                    own = select(own, left_{q}, at.lane.x == {q}u);
#end
#repeat c 4
                    row_sums[{c}u] += own[{c}u];
#end
                }
            }
#end
        }
        workgroupBarrier();
    }
#repeat q FOURS_DOWN
#repeat c 4
    sums[4u * {q}u + {c}u] = total(sum_{q}_{c});
#end
#end
    if ROW_SUMS && HALF {
        // What is added up is not rounded.
        sum_rows(at, first, min(end, depth));
    }
}
