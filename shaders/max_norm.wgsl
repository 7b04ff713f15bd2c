// Each row of the values: row = row * limit / (norm + 1e-7) where its Euclidean norm is above the limit.
//
// values  [rows, columns]
//
// LANES invocations share a row, a lane has every LANES-th value, then a tree over the lanes (lib/reduce); a workgroup has
// 64 / LANES rows at a time. A member is a layer of the grid's z.

#import batch
#import reduce

struct Shape {
    values: vec2<u32>,
    rows: u32,
    columns: u32,
    limit: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let height = GROUP / LANES;
    for (var first = group.x * height; first < shape.rows; first += height * groups.x) {
        let row = first + lane / LANES;
        let begin = shape.values.x + group.z * shape.values.y + row * shape.columns;
        let columns = select(0u, shape.columns, row < shape.rows);
        var sum = 0.0;
        for (var i = lane % LANES; i < columns; i += LANES) {
            sum += values[begin + i] * values[begin + i];
        }
        let norm = sqrt(row_sum(lane, vec4(sum, 0.0, 0.0, 0.0)).x);
        if norm > shape.limit {
            let factor = shape.limit / (norm + 1e-7);
            for (var i = lane % LANES; i < columns; i += LANES) {
                values[begin + i] *= factor;
            }
        }
    }
}
