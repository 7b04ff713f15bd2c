// gradient = scale * gradient where the draw of the forward pass lets it be, else 0.
//
// hyper     [1, 8]: the rate is the fifth
// keys      [1, 2]
// gradient  [batch, columns]
//
// An invocation takes a draw, for two columns of a row, at a time, a member is a layer of the grid's z.

#import batch
#import mask

override KIND: u32 = 0u;

struct Shape {
    hyper: vec2<u32>,
    keys: vec2<u32>,
    gradient: vec2<u32>,
    columns: u32,
    layer: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> hyper: array<f32>;
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let k = shape.keys.x + id.z * shape.keys.y;
    let rate = hyper[shape.hyper.x + id.z * shape.hyper.y + 4u];
    let m = mask(KIND, rate, vec2(keys[k], keys[k + 1u]), step.number, shape.layer);
    let draws = draws_of(shape.columns);
    for (var i = id.x; i < step.rows * draws; i += 64u * groups.x) {
        let row = i / draws;
        let column = first_column(i % draws);
        let stays = stay(m, step.first + row, i % draws);
        let at = shape.gradient.x + id.z * shape.gradient.y + row * shape.columns + column;
        if column < shape.columns {
            gradient[at] = select(0.0, m.scale * gradient[at], stays.x);
        }
        if column + 16u < shape.columns {
            gradient[at + 16u] = select(0.0, m.scale * gradient[at + 16u], stays.y);
        }
    }
}
