// c[m, n] = sum over k of a[m, k] * b[n, k], where there are few columns and many terms: all lanes of a workgroup share each sum.
//
// A workgroup makes four rows of four columns. A lane adds up every 64th term, then a tree goes over the lanes: the order of the sum
// depends on k alone. Lane 0 has the sums.
//
// The kernel that imports this declares `shape` with a, b, m, n, k.

#import batch
#import operands unless HALF
#import halves if HALF

const LANES_X: u32 = 64u;
const LANES_Y: u32 = 1u;
const BESIDE: u32 = 1u;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

const ROWS: u32 = 4u;

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
}

var<private> sums: array<vec4<f32>, ROWS>;

// Of all lanes, row by row.
var<workgroup> shares: array<vec4<f32>, ROWS * LANES_X>;

const NONE = 0xffffffffu;

// The lane's `i`th row, or NONE where another lane has it.
fn row_of(at: Invocation, i: u32) -> u32 {
    return select(NONE, at.group.y * ROWS + i, at.lane.x == 0u);
}

fn column_of(at: Invocation, j: u32) -> u32 {
    return at.group.x * 4u + j;
}

fn product(at: Invocation) {
    let lane = at.lane.x;
    let depth = rows_of(shape.k);
    let rows = shape.a.x + at.group.z * shape.a.y
        + min(at.group.y * ROWS + vec4(0u, 1u, 2u, 3u), vec4(rows_of(shape.m) - 1u)) * shape.k_stride;
    let columns = shape.b.x + at.group.z * shape.b.y
        + min(at.group.x * 4u + vec4(0u, 1u, 2u, 3u), vec4(shape.n - 1u)) * shape.k_stride;
#repeat i ROWS
    var sum_{i} = vec4<f32>();
#end
    for (var k = lane; k < depth; k += LANES_X) {
        let right = factors_b(vec4(b[columns.x + k], b[columns.y + k], b[columns.z + k], b[columns.w + k]));
#repeat i ROWS
        sum_{i} = fma(vec4(factor_a(a[rows[{i}u] + k])), right, sum_{i});
#end
    }
#repeat i ROWS
    shares[{i}u * LANES_X + lane] = sum_{i};
#end
    workgroupBarrier();
    for (var half = LANES_X / 2u; half > 0u; half /= 2u) {
        if lane < half {
#repeat i ROWS
            shares[{i}u * LANES_X + lane] += shares[{i}u * LANES_X + lane + half];
#end
        }
        workgroupBarrier();
    }
#repeat i ROWS
    sums[{i}u] = shares[{i}u * LANES_X];
#end
}
