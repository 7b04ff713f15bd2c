// Numbers of a flat buffer, one at a time.

alias Numbers = f32;

const COUNT: u32 = 1u;

fn number(all: Numbers, c: u32) -> f32 {
    return all;
}

fn put(all: Numbers, c: u32, value: f32) -> Numbers {
    return value;
}
