// output[r, :] = source[order[first + r], :], of two sources.
//
// source1  [split, columns1], the first rows of a source that two bindings may be needed for
// rest1    [height - split, columns1], its other rows
// source2  [height, columns2]
// order    [1, -]
// output1  [batch, columns1]
// output2  [batch, columns2]
//
// An invocation copies a value at a time, a row's of the first source before those of the second; a member is a layer of the
// grid's z.

#import batch

struct Shape {
    source1: vec2<u32>,
    rest1: vec2<u32>,
    source2: vec2<u32>,
    order: vec2<u32>,
    output1: vec2<u32>,
    output2: vec2<u32>,
    columns1: u32,
    columns2: u32,
    split: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source1: array<f32>;
@group(0) @binding(2) var<storage, read> rest1: array<f32>;
@group(0) @binding(3) var<storage, read> source2: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> output1: array<f32>;
@group(0) @binding(6) var<storage, read_write> output2: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let columns = shape.columns1 + shape.columns2;
    for (var i = id.x; i < step.rows * columns; i += 64u * groups.x) {
        let r = i / columns;
        let c = i % columns;
        let row = order[shape.order.x + id.z * shape.order.y + step.first + r];
        if c < shape.columns1 {
            var value: f32;
            if row < shape.split {
                value = source1[shape.source1.x + row * shape.columns1 + c];
            } else {
                value = rest1[shape.rest1.x + (row - shape.split) * shape.columns1 + c];
            }
            output1[shape.output1.x + id.z * shape.output1.y + r * shape.columns1 + c] = value;
        } else {
            let c2 = c - shape.columns1;
            let value = source2[shape.source2.x + row * shape.columns2 + c2];
            output2[shape.output2.x + id.z * shape.output2.y + r * shape.columns2 + c2] = value;
        }
    }
}
