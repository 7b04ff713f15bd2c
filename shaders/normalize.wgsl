// output = values / max(sqrt(sum of sums), 1e-7).
//
// sums    [1, chunks]: of the values' squares
// values  [1, length]
// output  [1, length]
//
// Each workgroup adds up the sums, a lane every 64th, then a tree over the lanes (lib/reduce), so that all have the same
// bits; then an invocation takes a value at a time. A member is a layer of the grid's z.

#import batch
#import reduce

struct Shape {
    sums: vec2<u32>,
    values: vec2<u32>,
    output: vec2<u32>,
    length: u32,
    chunks: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    var sum = 0.0;
    for (var i = lane; i < shape.chunks; i += GROUP) {
        sum += sums[shape.sums.x + group.z * shape.sums.y + i];
    }
    let norm = max(sqrt(row_sum(lane, vec4(sum, 0.0, 0.0, 0.0)).x), 1e-7);
    for (var i = group.x * GROUP + lane; i < shape.length; i += GROUP * groups.x) {
        let value = values[shape.values.x + group.z * shape.values.y + i];
        output[shape.output.x + group.z * shape.output.y + i] = value / norm;
    }
}
