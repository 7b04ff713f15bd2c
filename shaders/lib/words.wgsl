// The operands a and b of a product, read word by word.

#import rows

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

// Four values that lie behind each other: `first` and on, in a row of so many `columns`. The last stands for those behind it.
fn four_of_a(row: u32, first: u32, columns: u32) -> vec4<f32> {
    let at = row + min(first + vec4(0u, 1u, 2u, 3u), vec4(columns - 1u));
    return vec4(a[at.x], a[at.y], a[at.z], a[at.w]);
}

fn four_of_b(row: u32, first: u32, columns: u32) -> vec4<f32> {
    let at = row + min(first + vec4(0u, 1u, 2u, 3u), vec4(columns - 1u));
    return vec4(b[at.x], b[at.y], b[at.z], b[at.w]);
}

fn one_of_a(row: u32, column: u32) -> f32 {
    return a[row + column];
}

fn one_of_b(row: u32, column: u32) -> f32 {
    return b[row + column];
}
