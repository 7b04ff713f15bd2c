// What dropout leaves out: src/backend/cpu/dropout.rs, and the cipher in src/random.rs.

const PLAIN = 0u;
const ALPHA = 1u;

// A value that stays becomes scale * x + shift.
struct Mask {
    key: vec2<u32>,
    least: u32, // a value stays if the upper 24 bits of its word are this at least
    scale: f32,
    shift: f32,
    dropped: f32,
}

fn mask(kind: u32, rate: f32, key: vec2<u32>, number: u32, layer: u32) -> Mask {
    let drawn = threefry(key, vec2(number, layer));
    let keep = 1.0 - rate;
    // As many bits as f32 has, so that the comparison is the same everywhere.
    let least = u32(ceil(rate * 16777216.0));
    if kind == PLAIN {
        return Mask(drawn, least, 1.0 / keep, 0.0, 0.0);
    }
    // -lambda * alpha of SELU: its value far below zero.
    let limit = -1.7580993408473766;
    let scale = 1.0 / sqrt((limit * limit * rate + 1.0) * keep);
    let shift = -scale * limit * rate;
    return Mask(drawn, least, scale, shift, scale * limit + shift);
}

// A draw is for two columns, 16 apart: columns come in blocks of 32.
fn draws_of(columns: u32) -> u32 {
    return (columns + 31u) / 32u * 16u;
}

fn first_column(draw: u32) -> u32 {
    return draw / 16u * 32u + draw % 16u;
}

// Whether the values of a draw's two columns of a row stay.
fn stay(m: Mask, position: u32, draw: u32) -> vec2<bool> {
    return (threefry(m.key, vec2(position, draw)) >> vec2(8u)) >= vec2(m.least);
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
