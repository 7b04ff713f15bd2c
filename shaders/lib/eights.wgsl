// Numbers of a flat buffer, eight at a time: all begins at multiples of eight words, and has as many, or nothing behind it. They are read
// and written as four words of 64 bits, each of two numbers: a processor's driver moves what lies in a buffer lane by lane and word by
// word, and a word of 64 bits as fast as one of 32.

alias Stored = vec4<u64>;
alias Numbers = mat2x4<f32>; // those in the lower halves, and those in the upper

const COUNT: u32 = 8u;
const AT_ONCE: u32 = 1u;

fn numbers(all: Stored) -> Numbers {
    let low = bitcast<vec4<f32>>(vec4<u32>(all));
    let high = bitcast<vec4<f32>>(vec4<u32>(all >> vec4(32u)));
    return Numbers(low, high);
}

fn stored(all: Numbers) -> Stored {
    let low = vec4<u64>(bitcast<vec4<u32>>(all[0]));
    let high = vec4<u64>(bitcast<vec4<u32>>(all[1]));
    return low | (high << vec4(32u));
}

fn number(all: Numbers, c: u32) -> f32 {
    return all[c % 2u][c / 2u];
}

fn put(all: Numbers, c: u32, value: f32) -> Numbers {
    var changed = all;
    changed[c % 2u][c / 2u] = value;
    return changed;
}
