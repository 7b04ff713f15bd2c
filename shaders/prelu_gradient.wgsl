// slopes = gradient * min(z, 0);  gradient = gradient * (1 if z > 0, else alpha).
//
// input     [batch, columns]: z
// slope     [1, 1]: alpha
// gradient  [batch, columns]
// slopes    [batch, columns]
//
// An invocation changes a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    input: vec2<u32>,
    slope: vec2<u32>,
    gradient: vec2<u32>,
    slopes: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> slope: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> slopes: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let alpha = slope[shape.slope.x + id.z * shape.slope.y];
    for (var i = id.x; i < rows_of(shape.rows) * shape.columns; i += 64u * groups.x) {
        let z = input[shape.input.x + id.z * shape.input.y + i];
        let at = shape.gradient.x + id.z * shape.gradient.y + i;
        let g = gradient[at];
        slopes[shape.slopes.x + id.z * shape.slopes.y + i] = select(g * z, 0.0, z > 0.0);
        gradient[at] = g * select(alpha, 1.0, z > 0.0);
    }
}
