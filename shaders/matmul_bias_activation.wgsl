// output = f(a*b^T + bias).
//
// a       [m, k]
// b       [n, k]  (B_TRANSPOSED)
// bias    [1, n]
// output  [m, n]
//
// A workgroup makes a tile of the output (lib/product), a member a layer of the grid's z.

#import product
#import functions

override FUNCTION: u32 = 0u;

struct Shape {
    a: vec2<u32>,
    b: vec2<u32>,
    bias: vec2<u32>,
    output: vec2<u32>,
    m: u32,
    n: u32,
    k: u32,
    m_stride: u32,
    k_stride: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let sums = product(group, lane);
    let at = place(group, lane);
    let rows = rows_of(shape.m);
    for (var j = 0u; j < 4u; j++) {
        let column = at.column + j * LANES_X;
        if column < shape.n {
            let shift = bias[shape.bias.x + at.member * shape.bias.y + column];
            for (var i = 0u; i < 4u; i++) {
                let row = at.row + i * LANES_Y;
                if row < rows {
                    let o = shape.output.x + at.member * shape.output.y + row * shape.n + column;
                    output[o] = activate(FUNCTION, sums[i][j] + shift);
                }
            }
        }
    }
}
