// gradient = p * (g - sum of g * p) for the gradient g and the softmax p of a row; g - p * (sum of g) if log p is kept (LOG).
//
// kept      [batch, columns]: p, or log p
// gradient  [batch, columns]
//
// LANES invocations share a row (lib/reduce), a member is a layer of the grid's z.

#import batch
#import reduce
#import exponential

override LOG: bool = false;

struct Shape {
    kept: vec2<u32>,
    gradient: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> kept: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * (GROUP / LANES) + lane / LANES;
    // Lanes without a row go along with the others' barriers.
    let columns = select(0u, shape.columns, row < rows_of(shape.rows));
    let k = shape.kept.x + group.z * shape.kept.y + row * shape.columns;
    let g = shape.gradient.x + group.z * shape.gradient.y + row * shape.columns;
    var total = 0.0;
    for (var c = lane % LANES; c < columns; c += LANES) {
        total += gradient[g + c] * select(kept[k + c], 1.0, LOG);
    }
    total = row_sum(lane, vec4(total, 0.0, 0.0, 0.0)).x;
    for (var c = lane % LANES; c < columns; c += LANES) {
        if LOG {
            gradient[g + c] -= exponential(kept[k + c]) * total;
        } else {
            gradient[g + c] = kept[k + c] * (gradient[g + c] - total);
        }
    }
}
