// Added to variances: src/backend/cpu/norm.rs.
const EPSILON = 1e-5;

// 1 / sqrt(v + epsilon), by a division and a root: WGSL's inverseSqrt may be off by 2 units in the last place.
fn inverse_deviation(variance: f32) -> f32 {
    return 1.0 / sqrt(variance + EPSILON);
}
