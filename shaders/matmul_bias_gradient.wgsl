// output = a^T*b and bias[i] = sum over k of a[k, i], or += them if ACCUMULATE.
//
// a       [k, m]  (A_TRANSPOSED)
// b       [k, n]
// output  [m, n], and behind it, in the same buffer, bias [1, m]
//
// A workgroup makes a tile of the output (lib/product), the first of a row of them the biases too; a member is a layer of the
// grid's z.

#import product

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

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let sums = product(group, lane);
    let at = place(group, lane);
    let rows = rows_of(shape.m);
    let first = shape.output.x + at.member * shape.output.y;
    for (var i = 0u; i < 4u; i++) {
        let row = at.row + i * LANES_Y;
        if row < rows {
            for (var j = 0u; j < 4u; j++) {
                let column = at.column + j * LANES_X;
                if column < shape.n {
                    keep(first + row * shape.n + column, sums[i][j]);
                }
            }
            if group.x == 0u && lane.x == 0u {
                keep(first + shape.bias + row, row_sums[i]);
            }
        }
    }
}

fn keep(at: u32, sum: f32) {
    if ACCUMULATE {
        output[at] += sum;
    } else {
        output[at] = sum;
    }
}
