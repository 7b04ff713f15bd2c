#import turn

// Where a number's frequencies, phases, weights and biases lie in `parameters`: [numbers, frequencies] of the first two, then
// [numbers, outputs, frequencies] and [numbers, outputs]. The kernel that imports this declares `shape` with numbers,
// frequencies, outputs, and the parameters.

const TURN = 6.28318531;
const INVERSE_TURN = 0.159154943;

fn frequency_at(number: u32, k: u32) -> u32 {
    return number * shape.frequencies + k;
}

fn phase_at(number: u32, k: u32) -> u32 {
    return (shape.numbers + number) * shape.frequencies + k;
}

fn weight_at(number: u32, output: u32, k: u32) -> u32 {
    return (2u * shape.numbers + number * shape.outputs + output) * shape.frequencies + k;
}

fn bias_at(number: u32, output: u32) -> u32 {
    return shape.numbers * (2u + shape.outputs) * shape.frequencies + number * shape.outputs + output;
}

// cos and sin of 2 pi w x + b
fn wave(p: u32, number: u32, k: u32, x: f32) -> vec2<f32> {
    let frequency = parameters[p + frequency_at(number, k)];
    let phase = parameters[p + phase_at(number, k)];
    return turn(frequency * x + phase * INVERSE_TURN);
}
