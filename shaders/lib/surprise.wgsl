const LEAST = 1.1920929e-7;

// -log p with p within 2^-23 of 0 and 1; near 1 by its series, where a logarithm may have lost what matters.
fn surprise(probability: f32) -> f32 {
    let p = clamp(probability, LEAST, 1.0 - LEAST);
    let q = 1.0 - p;
    let near = q * (1.0 + q * (0.5 + q * (0.33333333 + q * (0.25 + q * 0.2))));
    return select(-log(p), near, q < 0.05);
}
