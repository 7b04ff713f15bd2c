// output = a^T*b and bias[i] = sum over k of a[k, i], or += them if ACCUMULATE.
//
// a       [k, m]  (A_TRANSPOSED)
// b       [k, n]
// output  [m, n], and behind it, in the same buffer, bias [1, m]
//
// A workgroup makes a tile of the output in one of the ways of lib/products, the first of a row of them the biases too; a member is
// a layer of the grid's z.

#import products

override ACCUMULATE: bool = false;

struct Shape {
    a: vec2<u32>,
    b: vec2<u32>,
    output: vec2<u32>,
    m: u32,
    n: u32,
    k: u32,
    m_stride: u32,
    k_stride: u32,
    bias: u32, // elements from the output to the bias
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
            keep(first + row * columns + column, sums[{i}u][j]);
        }
    }
#end
    let first_bias = first + shape.bias;
#repeat i SUMS
    if summed_row(at, {i}u) < rows {
        keep(first_bias + summed_row(at, {i}u), row_sums[{i}u]);
    }
#end
}

fn keep(at: u32, sum: f32) {
    if ACCUMULATE {
        output[at] += sum;
    } else {
        output[at] = sum;
    }
}
