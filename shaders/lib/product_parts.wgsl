// c[m, n] = sum over p of a[p, m, n], where a has a product's parts as matmul_part made them; with ROW_SUMS also the sums over p
// of b[p, m], those of the rows that were multiplied.
//
// A workgroup makes 256 values of a row, a lane four of them that lie LANES_X apart. Sums are over p in rising order.
//
// The kernel that imports this declares `shape` with a, b, m, n; with k, the number of parts; m_stride, the elements from one of a's
// parts to the next; and k_stride, those from one of b's.

#import batch

const LANES_X: u32 = 64u;
const LANES_Y: u32 = 1u;

override ROW_SUMS: bool = false;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

const ROWS: u32 = 1u;
const SUMS: u32 = 1u;

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
}

var<private> sums: array<vec4<f32>, ROWS>;
var<private> row_sums: array<f32, SUMS>;

const NONE = 0xffffffffu;

fn row_of(at: Invocation, i: u32) -> u32 {
    return at.group.y + i;
}

fn column_of(at: Invocation, j: u32) -> u32 {
    return (at.group.x * 4u + j) * LANES_X + at.lane.x;
}

// The row whose sum the lane makes, or NONE.
fn summed_row(at: Invocation, i: u32) -> u32 {
    return select(NONE, row_of(at, i), at.group.x == 0u && at.lane.x == 0u);
}

fn product(at: Invocation) {
    let row = shape.a.x + at.group.z * shape.a.y + at.group.y * shape.n;
    let last = shape.n - 1u;
    for (var part = 0u; part < shape.k; part++) {
        let first = row + part * shape.m_stride;
        sums[0] += vec4(
            a[first + min(column_of(at, 0u), last)],
            a[first + min(column_of(at, 1u), last)],
            a[first + min(column_of(at, 2u), last)],
            a[first + min(column_of(at, 3u), last)],
        );
    }
    if ROW_SUMS && at.group.x == 0u && at.lane.x == 0u {
        let first = shape.b.x + at.group.z * shape.b.y + at.group.y;
        for (var part = 0u; part < shape.k; part++) {
            row_sums[0] += b[first + part * shape.k_stride];
        }
    }
}
