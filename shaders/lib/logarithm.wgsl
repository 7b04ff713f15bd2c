// log(1 + e) for 0 <= e <= 1; of nearly 1 by its series, as the sum would lose what matters.
fn log_one_plus(e: f32) -> f32 {
    let near = e * (1.0 - e * (0.5 - e * (0.33333333 - e * (0.25 - e * 0.2))));
    return select(log(1.0 + e), near, e < 0.05);
}
