// output = (a*b) . f'(z), with f' found from f's output or input.
//
// a          [m, k]
// b          [k, n]
// kept  [m, n]
// output     [m, n]
//
// A workgroup makes a tile of the output in one of the ways of lib/products, a member a layer of the grid's z.

#import products
#import functions

override FUNCTION: u32 = 0u;

struct Shape {
    a: vec2<u32>,
    b: vec2<u32>,
    kept: vec2<u32>,
    output: vec2<u32>,
    m: u32,
    n: u32,
    k: u32,
    m_stride: u32,
    k_stride: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(3) var<storage, read> kept: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(LANES_X, LANES_Y, BESIDE)
fn main(at: Invocation) {
    product(at);
    if BESIDE > 1u && at.lane.z > 0u {
        return;
    }
    let rows = rows_of(shape.m);
    let columns = shape.n;
    let first = shape.output.x + at.group.z * shape.output.y;
    let first_kept = shape.kept.x + at.group.z * shape.kept.y;
#repeat i ROWS
    for (var j = 0u; j < 4u; j++) {
        let row = row_of(at, {i}u);
        let column = column_of(at, j);
        if row < rows && column < columns {
            let inside = row * columns + column;
            let slope = derivative(FUNCTION, kept[first_kept + inside]);
            output[first + inside] = sums[{i}u][j] * slope;
        }
    }
#end
}
