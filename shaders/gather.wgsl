// output[r, :] = source[order[first + r], :], for the rows of the source that lie in this dispatch's window.
//
// source  [height, columns], a window of the dataset that begins at row first_row
// order   [1, -]
// output  [batch, columns]
//
// LANES invocations copy a row, four values each at a time, so that all four are on their way at once; a member is a layer of the
// grid's z. A dataset larger than a binding is gathered by one dispatch a window.

#import batch

override LANES: u32 = 64u; // a power of two

struct Shape {
    source: vec2<u32>,
    order: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
    first_row: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rows = step.rows;
    let columns = shape.columns;
    let first_row = shape.first_row;
    let height = shape.height;
    let first = shape.order.x + id.z * shape.order.y + step.first;
    let first_value = shape.source.x;
    let to = shape.output.x + id.z * shape.output.y;
    let lane = id.x % LANES;
    let stride = 64u * groups.x / LANES;
    for (var r = id.x / LANES; r < rows; r += stride) {
        // A row before the window wraps around to a large number.
        let inside = order[first + r] - first_row;
        if inside < height {
            for (var c = lane; c < columns; c += 4u * LANES) {
#repeat j 4
                let value_{j} = source[first_value + inside * columns + min(c + {j}u * LANES, columns - 1u)];
#end
#repeat j 4
                if c + {j}u * LANES < columns {
                    output[to + r * columns + c + {j}u * LANES] = value_{j};
                }
#end
            }
        }
    }
}
