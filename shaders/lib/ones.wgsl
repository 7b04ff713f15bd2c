// Numbers of a flat buffer, one at a time.

alias Stored = f32;
alias Numbers = f32;

const COUNT: u32 = 1u;
const AT_ONCE: u32 = 4u;

fn numbers(all: Stored) -> Numbers {
    return all;
}

fn stored(all: Numbers) -> Stored {
    return all;
}

fn number(all: Numbers, c: u32) -> f32 {
    return all;
}

fn put(all: Numbers, c: u32, value: f32) -> Numbers {
    return value;
}
