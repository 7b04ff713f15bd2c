// The gradients of w, b, V and c of y = V cos(2 pi w x + b) + c, summed over the rows, or += them if ACCUMULATE, for the gradient
// dy: with u = 2 pi w x + b and g = V^T dy,  dw = -2 pi x sin(u) g;  db = -sin(u) g;  dV = dy cos(u)^T;  dc = dy.
//
// input       [batch, inputs]: the numbers x come first
// parameters  [1, values]: w, b, V and c (lib/waves)
// gradient    [batch, columns]: of each number that of x itself, which nobody asks for, then dy
// output      [1, values], laid out as the parameters
//
// A workgroup of the grid's x and y has 16 values, each with 16 lanes that take every 16th row (lib/columns). A member is a layer of the grid's z.

#import batch
#import columns
#import waves

override ACCUMULATE: bool = false;

struct Shape {
    input: vec2<u32>,
    parameters: vec2<u32>,
    gradient: vec2<u32>,
    output: vec2<u32>,
    inputs: u32,
    columns: u32,
    numbers: u32,
    frequencies: u32,
    outputs: u32,
    values: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> parameters: array<f32>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WIDTH, LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let value = (group.y * groups.x + group.x) * WIDTH + lane.x;
    let p = shape.parameters.x + group.z * shape.parameters.y;
    let x = shape.input.x + group.z * shape.input.y;
    let d = shape.gradient.x + group.z * shape.gradient.y;
    var sum = 0.0;
    if value < shape.values {
        for (var row = lane.y; row < step.rows; row += LANES) {
            sum += of_row(value, p, x + row * shape.inputs, d + row * shape.columns);
        }
    }
    sum = column_sum(lane.xy, vec2(sum, 0.0)).x;
    if lane.y == 0u && value < shape.values {
        let o = shape.output.x + group.z * shape.output.y + value;
        if ACCUMULATE {
            output[o] += sum;
        } else {
            output[o] = sum;
        }
    }
}

// A row's part of the gradient of the parameter at `value`: x and d are where the row begins in the input and in the gradient.
fn of_row(value: u32, p: u32, x: u32, d: u32) -> f32 {
    let size = shape.numbers * shape.frequencies;
    let width = 1u + shape.outputs;
    if value >= (2u + shape.outputs) * size {
        let at = value - (2u + shape.outputs) * size;
        return gradient[d + at / shape.outputs * width + 1u + at % shape.outputs];
    }
    let k = value % shape.frequencies;
    if value >= 2u * size {
        let at = (value - 2u * size) / shape.frequencies;
        let number = at / shape.outputs;
        return gradient[d + number * width + 1u + at % shape.outputs] * wave(p, number, k, input[x + number]).x;
    }
    let number = value % size / shape.frequencies;
    var g = 0.0;
    for (var o = 0u; o < shape.outputs; o++) {
        g += parameters[p + weight_at(number, o, k)] * gradient[d + number * width + 1u + o];
    }
    let slope = -wave(p, number, k, input[x + number]).y * g;
    return select(slope, TURN * input[x + number] * slope, value < size);
}
