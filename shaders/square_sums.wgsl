// sums[c] = sum of values^2 over the c-th chunk of the values.
//
// values  [1, length]
// sums    [1, chunks]
//
// A workgroup sums a chunk, a lane every 64th value, then a tree over the lanes (lib/reduce). A member is a layer of the
// grid's z. Values larger than a binding are taken by one dispatch for each piece, which begins at chunk `first`.

#import batch
#import reduce

struct Shape {
    values: vec2<u32>,
    sums: vec2<u32>,
    length: u32,
    chunk: u32,
    first: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let from_value = group.x * shape.chunk;
    let end = min(from_value + shape.chunk, shape.length);
    var sum = 0.0;
    for (var i = from_value + lane; i < end; i += GROUP) {
        let value = values[shape.values.x + group.z * shape.values.y + i];
        sum += value * value;
    }
    let total = row_sum(lane, vec4(sum, 0.0, 0.0, 0.0)).x;
    if lane == 0u {
        sums[shape.sums.x + group.z * shape.sums.y + shape.first + group.x] = total;
    }
}
