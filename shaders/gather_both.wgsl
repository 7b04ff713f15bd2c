// output[r, :] = source[order[first + r], :], of two sources.
//
// source1  [split, columns1], the first rows of a source that two bindings may be needed for
// rest1    [height - split, columns1], its other rows, if REST
// source2  [height, columns2]
// order    [1, -]
// output1  [batch, columns1]
// output2  [batch, columns2]
//
// LANES invocations copy a row, four values each at a time, so that all four are on their way at once, or half as many that copy eight;
// a member is a layer of the grid's z.

#import batch
#import ones unless EIGHTS
#import eights if EIGHTS

override LANES: u32 = 64u; // a power of two
override REST: bool = false;
override EIGHTS: bool = false; // of the first source

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
@group(0) @binding(1) var<storage, read> source1: array<Stored>;
@group(0) @binding(2) var<storage, read> rest1: array<Stored>;
@group(0) @binding(3) var<storage, read> source2: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> output1: array<Stored>;
@group(0) @binding(6) var<storage, read_write> output2: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rows = step.rows;
    let columns1 = shape.columns1 / COUNT;
    let columns2 = shape.columns2;
    let split = shape.split;
    let first = shape.order.x + id.z * shape.order.y + step.first;
    let first1 = shape.source1.x / COUNT;
    let first_rest1 = shape.rest1.x / COUNT;
    let first2 = shape.source2.x;
    let to1 = (shape.output1.x + id.z * shape.output1.y) / COUNT;
    let to2 = shape.output2.x + id.z * shape.output2.y;
    let lanes = max(LANES * 4u / (COUNT * AT_ONCE), 1u);
    let lane = id.x % lanes;
    let stride = 64u * groups.x / lanes;
    for (var r = id.x / lanes; r < rows; r += stride) {
        let row = order[first + r];
        let is_rest = REST && row >= split;
        let from1 = select(first1 + row * columns1, first_rest1 + (row - split) * columns1, is_rest);
        for (var c = lane; c < columns1; c += AT_ONCE * lanes) {
#repeat j AT_ONCE
            let at_{j} = from1 + min(c + {j}u * lanes, columns1 - 1u);
            var value_{j}: Stored;
            if is_rest {
                value_{j} = rest1[at_{j}];
            } else {
                value_{j} = source1[at_{j}];
            }
#end
#repeat j AT_ONCE
            if c + {j}u * lanes < columns1 {
                output1[to1 + r * columns1 + c + {j}u * lanes] = value_{j};
            }
#end
        }
        for (var c = lane; c < columns2; c += lanes) {
            output2[to2 + r * columns2 + c] = source2[first2 + row * columns2 + c];
        }
    }
}
