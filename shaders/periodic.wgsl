// Of each of the first numbers x of a row: x, then V cos(2 pi w x + b) + c; all else as it is.
//
// input       [batch, inputs]
// parameters  [1, values]: w, b, V and c (lib/waves)
// output      [batch, columns]: 1 + outputs for each number, then the other inputs
//
// An invocation makes a value at a time, a member is a layer of the grid's z.

#import batch
#import waves

struct Shape {
    input: vec2<u32>,
    parameters: vec2<u32>,
    output: vec2<u32>,
    inputs: u32,
    columns: u32,
    numbers: u32,
    frequencies: u32,
    outputs: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let width = 1u + shape.outputs;
    let embedded = shape.numbers * width;
    let p = shape.parameters.x + id.z * shape.parameters.y;
    for (var i = id.x; i < step.rows * shape.columns; i += 64u * groups.x) {
        let x = shape.input.x + id.z * shape.input.y + i / shape.columns * shape.inputs;
        let column = i % shape.columns;
        let to = shape.output.x + id.z * shape.output.y + i;
        if column >= embedded {
            output[to] = input[x + shape.numbers + column - embedded];
        } else if column % width == 0u {
            output[to] = input[x + column / width];
        } else {
            output[to] = wave_sum(p, column / width, column % width - 1u, input[x + column / width]);
        }
    }
}

// c + sum over k of V[k] cos(2 pi w[k] x + b[k])
fn wave_sum(p: u32, number: u32, o: u32, x: f32) -> f32 {
    var sum = parameters[p + bias_at(number, o)];
    for (var k = 0u; k < shape.frequencies; k++) {
        sum += parameters[p + weight_at(number, o, k)] * wave(p, number, k, x).x;
    }
    return sum;
}
