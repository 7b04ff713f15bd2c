// Cosine and sine of (turn + rest) quarters of a circle, rest from -1/2 to 1/2, by Cephes' polynomials for sinf and cosf: WGSL's own
// may be off by 2^-11.
fn circle(turn: u32, rest: f32) -> vec2<f32> {
    let r = rest * 1.57079633;
    let z = r * r;
    let sine = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
    var p = 2.443315711809948e-5;
    p = p * z - 1.388731625493765e-3;
    p = p * z + 4.166664568298827e-2;
    let cosine = p * z * z - 0.5 * z + 1.0;
    switch turn & 3u {
        case 1u: { return vec2(-sine, cosine); }
        case 2u: { return vec2(-cosine, -sine); }
        case 3u: { return vec2(sine, -cosine); }
        default: { return vec2(cosine, sine); }
    }
}
