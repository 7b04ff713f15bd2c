// The members' own memory as a buffer.

@group(0) @binding(1) var<storage, read_write> arena: array<f32>;

fn load(at: u32) -> f32 {
    return arena[at];
}

fn store(at: u32, value: f32) {
    arena[at] = value;
}

// Behind an op: what it has stored is loaded by the next one.
fn finished() {
    storageBarrier();
}
