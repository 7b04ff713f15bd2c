// What dropout leaves out: src/backend/cpu/dropout.rs, and the cipher in src/random.rs.

const PLAIN = 0u;
const ALPHA = 1u;

// A value that stays becomes scale * x + shift.
struct Mask {
    key: vec2<u32>,
    rate: f32,
    scale: f32,
    shift: f32,
    dropped: f32,
}

fn mask(kind: u32, rate: f32, key: vec2<u32>, number: u32, layer: u32) -> Mask {
    let drawn = threefry(key, vec2(number, layer));
    let keep = 1.0 - rate;
    if kind == PLAIN {
        return Mask(drawn, rate, 1.0 / keep, 0.0, 0.0);
    }
    // -lambda * alpha of SELU: its value far below zero.
    let limit = -1.7580993408473766;
    let scale = 1.0 / sqrt((limit * limit * rate + 1.0) * keep);
    let shift = -scale * limit * rate;
    return Mask(drawn, rate, scale, shift, scale * limit + shift);
}

// Whether the values of columns 2 * pair and 2 * pair + 1 of a row stay, by 24 bits each, as many as f32 has.
fn stay(m: Mask, position: u32, pair: u32) -> vec2<bool> {
    return vec2<f32>(threefry(m.key, vec2(position, pair)) >> vec2(8u)) / 16777216.0 >= vec2(m.rate);
}

fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    let last = 0x1BD11BDAu ^ key.x ^ key.y;
    var x = counter + key;
    x = turns(x, vec4(13u, 15u, 26u, 6u)) + vec2(key.y, last + 1u);
    x = turns(x, vec4(17u, 29u, 16u, 24u)) + vec2(last, key.x + 2u);
    x = turns(x, vec4(13u, 15u, 26u, 6u)) + vec2(key.x, key.y + 3u);
    x = turns(x, vec4(17u, 29u, 16u, 24u)) + vec2(key.y, last + 4u);
    return turns(x, vec4(13u, 15u, 26u, 6u)) + vec2(last, key.x + 5u);
}

fn turns(x: vec2<u32>, by: vec4<u32>) -> vec2<u32> {
    return turn(turn(turn(turn(x, by.x), by.y), by.z), by.w);
}

fn turn(x: vec2<u32>, by: u32) -> vec2<u32> {
    let sum = x.x + x.y;
    return vec2(sum, ((x.y << by) | (x.y >> (32u - by))) ^ sum);
}
