// As lib/arena_in_buffer, as an image: texels of one value, row after row. A processor's driver fetches those of all lanes at once.

@group(0) @binding(1) var arena: texture_storage_2d<r32float, read_write>;

const IN_A_ROW = 1024u;

fn texel(at: u32) -> vec2<u32> {
    return vec2(at % IN_A_ROW, at / IN_A_ROW);
}

fn load(at: u32) -> f32 {
    return textureLoad(arena, texel(at)).x;
}

fn store(at: u32, value: f32) {
    textureStore(arena, texel(at), vec4(value));
}

fn finished() {
    textureBarrier();
}
