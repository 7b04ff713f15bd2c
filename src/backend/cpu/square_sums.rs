use super::Real;
use crate::program::chunk;

/// Sums that are made side by side, so that the compiler vectorises.
const LANES: usize = 16;

/// sums`[c]` = Σ values² over the `c`-th chunk
pub(super) fn square_sums<T: Real>(values: &[T], sums: &mut [T]) {
    let chunks = values.chunks(chunk(values.len()));
    for (sum, chunk) in sums.iter_mut().zip(chunks) {
        let mut lanes = [T::zero(); LANES];
        for part in chunk.chunks(LANES) {
            for (lane, &value) in lanes.iter_mut().zip(part) {
                *lane += value * value;
            }
        }
        *sum = lanes.into_iter().sum();
    }
}
