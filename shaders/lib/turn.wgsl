// cos and sin of 2 pi t, to a unit or two of 2^-24 on every adapter: WGSL's own may be off by 2^-11.
//
// t = k/4 + r with a whole k and |r| <= 1/8, so that the angle 2 pi r is within pi/4, where Cephes' polynomials for sinf and cosf
// hold; k says which of the two is the cosine, and the signs.
fn turn(t: f32) -> vec2<f32> {
    let k = round(4.0 * t);
    let a = (t - 0.25 * k) * 6.28318531;
    let z = a * a;
    let s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * a + a;
    let c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
    let quadrant = u32(i32(k)) & 3u;
    let swapped = (quadrant & 1u) != 0u;
    let cosine = select(c, s, swapped);
    let sine = select(s, c, swapped);
    return vec2(
        select(cosine, -cosine, ((quadrant + 1u) & 2u) != 0u),
        select(sine, -sine, (quadrant & 2u) != 0u),
    );
}
