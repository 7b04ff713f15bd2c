// values = share * values + (1 - share) * other, with the share that the row's position in the order has.
//
// shares  [1, -]
// other   [batch, columns]
// values  [batch, columns]
//
// An invocation makes a value at a time, a member is a layer of the grid's z.

#import batch

struct Shape {
    shares: vec2<u32>,
    other: vec2<u32>,
    values: vec2<u32>,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> shares: array<f32>;
@group(0) @binding(2) var<storage, read> other: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < rows_of(shape.rows) * shape.columns; i += 64u * groups.x) {
        let share = shares[shape.shares.x + id.z * shape.shares.y + step.first + i / shape.columns];
        let second = other[shape.other.x + id.z * shape.other.y + i];
        let at = shape.values.x + id.z * shape.values.y + i;
        values[at] = share * values[at] + (1.0 - share) * second;
    }
}
