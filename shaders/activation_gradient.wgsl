// gradient = gradient . f'(z), with f' found from f's output or input.
//
// kept  [batch, columns]
// gradient   [batch, columns]
//
// An invocation changes a value at a time, a member is a layer of the grid's z.

#import batch
#import functions

override FUNCTION: u32 = 0u;

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
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < rows_of(shape.rows) * shape.columns; i += 64u * groups.x) {
        let slope = derivative(FUNCTION, kept[shape.kept.x + id.z * shape.kept.y + i]);
        gradient[shape.gradient.x + id.z * shape.gradient.y + i] *= slope;
    }
}
