// As lib/vectors, for operands that were copied into images of texels of four, which a processor's driver fetches for all lanes at once.
//
// An operand lies there row after row, or in panels of 32 columns, each a layer: rows of a panel follow each other, so that what a
// workgroup reads of one row and of the next lies close together, however long they are.

@group(0) @binding(1) var a: texture_storage_2d_array<rgba32float, read>;
@group(0) @binding(2) var b: texture_storage_2d_array<rgba32float, read>;

// Rows of a panel in a row of the image, a power of two; or 0, where there are no panels.
override PANELS_A: u32 = 0u;
override PANELS_B: u32 = 0u;

const PANEL = 32u;
const IN_A_ROW = 1024u; // texels of rows that are no panels'

// As in lib/rows; rows of panels are counted.
fn apart_a(columns: u32) -> u32 {
    return select(1u, columns, PANELS_A == 0u);
}

fn apart_b(columns: u32) -> u32 {
    return select(1u, columns, PANELS_B == 0u);
}

// Where a value's texel is, and in which layer.
fn texel(row: u32, column: u32, panels: u32) -> vec3<u32> {
    if panels == 0u {
        let four = (row + column) / 4u;
        return vec3(four % IN_A_ROW, four / IN_A_ROW, 0u);
    }
    return vec3(row % panels * (PANEL / 4u) + column % PANEL / 4u, row / panels, column / PANEL);
}

fn four_of_a(row: u32, first: u32, columns: u32) -> vec4<f32> {
    let place = texel(row, min(first, columns - 4u), PANELS_A);
    return textureLoad(a, place.xy, place.z);
}

fn four_of_b(row: u32, first: u32, columns: u32) -> vec4<f32> {
    let place = texel(row, min(first, columns - 4u), PANELS_B);
    return textureLoad(b, place.xy, place.z);
}
