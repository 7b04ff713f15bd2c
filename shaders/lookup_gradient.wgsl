// output[t, :] += sum of gradient[r, c, :] over the rows r whose column c holds t, in the order of the rows.
//
// input     [batch, inputs]: the last `lookups` columns hold rows of the table; no two columns hold the same one
// gradient  [batch, columns]: `width` values for each of them come last
// output    [height, width], which is zero before where nothing is to be added to
//
// An invocation has a value of the gradient. That of the first row that holds t sums up all others of t: there are no atomics,
// and what is in no row of the batch is left alone. A member is a layer of the grid's z.

#import batch

struct Shape {
    input: vec2<u32>,
    gradient: vec2<u32>,
    output: vec2<u32>,
    inputs: u32,
    lookups: u32,
    columns: u32,
    height: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

// What a column of the lookups holds in a row.
fn held(member: u32, row: u32, column: u32) -> u32 {
    let at = shape.input.x + member * shape.input.y + row * shape.inputs;
    let value = input[at + shape.inputs - shape.lookups + column];
    return u32(clamp(value, 0.0, f32(shape.height - 1u)));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let each = shape.lookups * shape.width;
    for (var i = id.x; i < step.rows * each; i += 64u * groups.x) {
        let row = i / each;
        let column = i % each / shape.width;
        let wanted = held(id.z, row, column);
        var other = 0u;
        while other < row && held(id.z, other, column) != wanted {
            other += 1u;
        }
        if other == row {
            let d = shape.gradient.x + id.z * shape.gradient.y + shape.columns - each + i % each;
            var sum = 0.0;
            for (var r = row; r < step.rows; r++) {
                if held(id.z, r, column) == wanted {
                    sum += gradient[d + r * shape.columns];
                }
            }
            output[shape.output.x + id.z * shape.output.y + wanted * shape.width + i % shape.width] += sum;
        }
    }
}
