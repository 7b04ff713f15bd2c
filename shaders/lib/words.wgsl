// The operands a and b of a product, read word by word.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

// How far apart an operand's rows are, of so many columns. What reads it is given the place of a row: as many times that behind the
// place of the first.
fn apart_a(columns: u32) -> u32 {
    return columns;
}

fn apart_b(columns: u32) -> u32 {
    return columns;
}

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
