// values = 0 where a draw says so, else values + deviation * a normal number.
//
// keys    [1, 2]
// values  [batch, columns]
//
// An invocation takes a draw, for two columns of a row, at a time, a member is a layer of the grid's z.

#import batch
#import gaussian
#import mask

struct Shape {
    keys: vec2<u32>,
    values: vec2<u32>,
    columns: u32,
    layer: u32, // of the noise; the mask's is the next
    deviation: f32,
    mask: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let k = shape.keys.x + id.z * shape.keys.y;
    let key = vec2(keys[k], keys[k + 1u]);
    let noise_key = threefry(key, vec2(step.number, shape.layer));
    let m = mask(PLAIN, shape.mask, key, step.number, shape.layer + 1u);
    let draws = draws_of(shape.columns);
    for (var i = id.x; i < step.rows * draws; i += 64u * groups.x) {
        let row = i / draws;
        let draw = i % draws;
        let column = first_column(draw);
        let position = step.first + row;
        let noise = shape.deviation * gaussian(threefry(noise_key, vec2(position, draw)));
        let stays = stay(m, position, draw);
        let at = shape.values.x + id.z * shape.values.y + row * shape.columns + column;
        if column < shape.columns {
            values[at] = select(0.0, values[at] + noise.x, stays.x);
        }
        if column + 16u < shape.columns {
            values[at + 16u] = select(0.0, values[at + 16u] + noise.y, stays.y);
        }
    }
}
