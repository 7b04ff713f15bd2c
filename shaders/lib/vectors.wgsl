// As lib/words, for operands whose rows all begin at a multiple of four words and have as many: a vector of four at a time.

#import rows

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

fn four_of_a(row: u32, first: u32, columns: u32) -> vec4<f32> {
    return a[(row + min(first, columns - 4u)) / 4u];
}

fn four_of_b(row: u32, first: u32, columns: u32) -> vec4<f32> {
    return b[(row + min(first, columns - 4u)) / 4u];
}

fn one_of_a(row: u32, column: u32) -> f32 {
    return a[(row + column) / 4u][(row + column) % 4u];
}

fn one_of_b(row: u32, column: u32) -> f32 {
    return b[(row + column) / 4u][(row + column) % 4u];
}
