// output[r] = input[r], an image, flipped, turned about its centre and moved, with a square of it set to the background: drawn for
// each row. Pixels between others are interpolated linearly both ways; what lies outside is the background.
//
// keys    [1, 2]
// input   [batch, columns], columns = height * width * channels
// output  [batch, columns]
//
// An invocation makes a value at a time, a member is a layer of the grid's z.

#import batch
#import circle
#import mask

struct Shape {
    keys: vec2<u32>,
    input: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
    layer: u32,
    height: u32,
    width: u32,
    channels: u32,
    channels_last: u32,
    shift: u32, // whole pixels at most, either way
    quarters: f32, // of a circle at most, either way
    flip: u32,
    cutout: u32, // side of the square
    background: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let k = shape.keys.x + id.z * shape.keys.y;
    let key = threefry(vec2(keys[k], keys[k + 1u]), vec2(step.number, shape.layer));
    let area = shape.height * shape.width;
    let centre = vec2(f32(shape.width) - 1.0, f32(shape.height) - 1.0) * 0.5;
    for (var i = id.x; i < step.rows * shape.columns; i += 64u * groups.x) {
        let row = i / shape.columns;
        let column = i % shape.columns;
        let pixel = select(column % area, column / shape.channels, shape.channels_last == 1u);
        let channel = select(column / area, column % shape.channels, shape.channels_last == 1u);
        let x = pixel % shape.width;
        let y = pixel / shape.width;
        let to = shape.output.x + id.z * shape.output.y + i;
        let position = step.first + row;

        let cut = threefry(key, vec2(position, 2u));
        let left = x + shape.cutout / 2u - whole(cut.x, shape.width);
        let upper = y + shape.cutout / 2u - whole(cut.y, shape.height);
        if left < shape.cutout && upper < shape.cutout {
            output[to] = shape.background;
            continue;
        }

        let moved = threefry(key, vec2(position, 0u));
        let turned = threefry(key, vec2(position, 1u));
        let sides = 2u * shape.shift + 1u;
        let by = vec2(f32(whole(moved.x, sides)), f32(whole(moved.y, sides))) - f32(shape.shift);
        let angle = shape.quarters * (2.0 * fraction(turned.x) - 1.0);
        let turn = round(angle);
        let c = circle(u32(i32(turn)), angle - turn);
        let flips = shape.flip == 1u && (turned.y >> 31u) == 1u;

        // Where the pixel comes from.
        let d = vec2(f32(x), f32(y)) - centre - by;
        let back = vec2(c.x * d.x + c.y * d.y, c.x * d.y - c.y * d.x);
        let source = vec2(select(back.x, -back.x, flips), back.y) + centre;
        let corner = floor(source);
        let f = source - corner;
        let at = vec2<i32>(corner);
        let first = id.z * shape.input.y + shape.input.x + row * shape.columns;
        let above = (1.0 - f.x) * value(first, channel, at) + f.x * value(first, channel, at + vec2(1, 0));
        let below = (1.0 - f.x) * value(first, channel, at + vec2(0, 1)) + f.x * value(first, channel, at + vec2(1, 1));
        output[to] = (1.0 - f.y) * above + f.y * below;
    }
}

// A number from 0 to below n; both factors are single numbers in the twin too.
fn whole(word: u32, n: u32) -> u32 {
    return min(u32(fraction(word) * f32(n)), n - 1u);
}

fn fraction(word: u32) -> f32 {
    return f32(word >> 8u) * 5.9604644775390625e-8;
}

fn value(first: u32, channel: u32, at: vec2<i32>) -> f32 {
    // What is before the first wraps around to a large number.
    let x = u32(at.x);
    let y = u32(at.y);
    if x >= shape.width || y >= shape.height {
        return shape.background;
    }
    let pixel = y * shape.width + x;
    let planar = channel * shape.height * shape.width + pixel;
    return input[first + select(planar, pixel * shape.channels + channel, shape.channels_last == 1u)];
}
