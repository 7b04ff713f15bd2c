// output[r, :] = source[order[first + r], :], for the rows of the source that lie in this dispatch's window.
//
// source  [height, columns], a window of the dataset that begins at row first_row
// order   [1, -]
// output  [batch, columns]
//
// LANES invocations copy a row, four values each at a time, so that all four are on their way at once, or half as many that copy eight;
// a member is a layer of the grid's z. A dataset larger than a binding is gathered by one dispatch a window.

#import batch
#import ones unless EIGHTS
#import eights if EIGHTS

override LANES: u32 = 64u; // a power of two
override EIGHTS: bool = false;

struct Shape {
    source: vec2<u32>,
    order: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
    first_row: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source: array<Stored>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<Stored>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rows = step.rows;
    let columns = shape.columns / COUNT;
    let first_row = shape.first_row;
    let height = shape.height;
    let first = shape.order.x + id.z * shape.order.y + step.first;
    let first_value = shape.source.x / COUNT;
    let to = (shape.output.x + id.z * shape.output.y) / COUNT;
    let lanes = max(LANES * 4u / (COUNT * AT_ONCE), 1u);
    let lane = id.x % lanes;
    let stride = 64u * groups.x / lanes;
    for (var r = id.x / lanes; r < rows; r += stride) {
        // A row before the window wraps around to a large number.
        let inside = order[first + r] - first_row;
        if inside < height {
            for (var c = lane; c < columns; c += AT_ONCE * lanes) {
#repeat j AT_ONCE
                let value_{j} = source[first_value + inside * columns + min(c + {j}u * lanes, columns - 1u)];
#end
#repeat j AT_ONCE
                if c + {j}u * lanes < columns {
                    output[to + r * columns + c + {j}u * lanes] = value_{j};
                }
#end
            }
        }
    }
}
