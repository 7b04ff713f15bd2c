// log[record, :] = sum over r of rows[r, :].
//
// rows  [batch, 4]
// log   [records, 4]
//
// One workgroup for each member (the grid's z), a lane every 64th row, then a tree over the lanes (lib/reduce).

#import batch
#import reduce

struct Shape {
    rows: vec2<u32>,
    log: vec2<u32>,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> log: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var sums = vec4<f32>();
    for (var row = lane; row < step.rows; row += GROUP) {
        sums += rows[shape.rows.x / 4u + group.z * (shape.rows.y / 4u) + row];
    }
    sums = row_sum(lane, sums);
    if lane == 0u {
        log[shape.log.x / 4u + group.z * (shape.log.y / 4u) + step.record] = sums;
    }
}
