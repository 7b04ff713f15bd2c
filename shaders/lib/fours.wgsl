// Numbers of a flat buffer, four at a time: all begins at multiples of four words, and has as many, or nothing behind it.

alias Stored = vec4<f32>;
alias Numbers = vec4<f32>;

const COUNT: u32 = 4u;

fn numbers(all: Stored) -> Numbers {
    return all;
}

fn stored(all: Numbers) -> Stored {
    return all;
}

fn number(all: Numbers, c: u32) -> f32 {
    return all[c];
}

fn put(all: Numbers, c: u32, value: f32) -> Numbers {
    var changed = all;
    changed[c] = value;
    return changed;
}
