// As lib/vectors, for operands that were copied into images: texels of four, row after row. A processor's driver fetches those of all
// lanes at once.

@group(0) @binding(1) var a: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var b: texture_storage_2d<rgba32float, read>;

const IN_A_ROW = 1024u;

fn texel(four: u32) -> vec2<u32> {
    return vec2(four % IN_A_ROW, four / IN_A_ROW);
}

fn four_of_a(row: u32, first: u32, columns: u32) -> vec4<f32> {
    return textureLoad(a, texel((row + min(first, columns - 4u)) / 4u));
}

fn four_of_b(row: u32, first: u32, columns: u32) -> vec4<f32> {
    return textureLoad(b, texel((row + min(first, columns - 4u)) / 4u));
}

fn one_of_a(at: u32) -> f32 {
    return textureLoad(a, texel(at / 4u))[at % 4u];
}

fn one_of_b(at: u32) -> f32 {
    return textureLoad(b, texel(at / 4u))[at % 4u];
}
