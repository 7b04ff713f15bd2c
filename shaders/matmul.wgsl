// output = a*b, or output += a*b if ACCUMULATE.
//
// a       [m, k], or [k, m] if A_TRANSPOSED
// b       [k, n], or [n, k] if B_TRANSPOSED
// output  [m, n]
//
// A workgroup makes a tile of the output in one of the ways of lib/products, a member a layer of the grid's z.

#import products

override ACCUMULATE: bool = false;

struct Shape {
    a: vec2<u32>,
    b: vec2<u32>,
    output: vec2<u32>,
    m: u32,
    n: u32,
    k: u32,
    m_stride: u32, // elements from one k to the next where a is transposed
    k_stride: u32, // elements from one row to the next where k is the inner axis
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(LANES_X, LANES_Y, BESIDE)
fn main(at: Invocation) {
    product(at);
    if BESIDE > 1u && at.lane.z > 0u {
        return;
    }
    let rows = rows_of(shape.m);
    let columns = shape.n;
    let first = shape.output.x + at.group.z * shape.output.y;
#repeat i ROWS
    for (var j = 0u; j < 4u; j++) {
        let row = row_of(at, {i}u);
        let column = column_of(at, j);
        if row < rows && column < columns {
            let o = first + row * columns + column;
            if ACCUMULATE {
                output[o] += sums[{i}u][j];
            } else {
                output[o] = sums[{i}u][j];
            }
        }
    }
#end
}
