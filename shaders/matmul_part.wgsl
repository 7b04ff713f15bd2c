// parts[p, m, n] = sum over the p-th part of k of a[m, k] * b[k, n], the first of the two dispatches of a product that is made in
// parts; and rows[p, m] = sum over the same part of k of a[m, k] if ROW_SUMS. The second is the product's own kernel, by
// lib/product_parts.
//
// a      [m, k], or [k, m] if A_TRANSPOSED
// b      [k, n], or [n, k] if B_TRANSPOSED
// parts  [parts, m, n], and behind it, in the same buffer, rows [parts, m]
//
// A workgroup makes a tile of a part (lib/product or lib/product_subgroup). The parts of a tile lie next to each other in the
// grid's y, a member is a layer of its z.

#import products

struct Shape {
    a: vec2<u32>,
    b: vec2<u32>,
    parts: vec2<u32>,
    m: u32,
    n: u32,
    k: u32,
    m_stride: u32,
    k_stride: u32,
    count: u32,  // parts
    length: u32, // of k in a part, a multiple of 16
    height: u32, // m for a full batch
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(at: Invocation) {
    let part = at.group.y % shape.count;
    var inside = at;
    inside.group.y = at.group.y / shape.count;
    let first = part * shape.length;
    terms(inside, first, min(first + shape.length, rows_of(shape.k)));
    let rows = rows_of(shape.m);
    let whole = shape.parts.x + at.group.z * shape.parts.y;
    let size = shape.height * shape.n;
#repeat i ROWS
    for (var j = 0u; j < 4u; j++) {
        let row = row_of(inside, {i}u);
        let column = column_of(inside, j);
        if row < rows && column < shape.n {
            parts[whole + part * size + row * shape.n + column] = sums[{i}u][j];
        }
    }
#end
    if ROW_SUMS {
#repeat i SUMS
        if summed_row(inside, {i}u) < rows {
            parts[whole + shape.count * size + part * shape.height + summed_row(inside, {i}u)] = row_sums[{i}u];
        }
#end
    }
}
