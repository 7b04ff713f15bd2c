use super::Real;
use super::dropout::{BLOCK, LANES, Mask};
use super::gaussian::gaussian;
use crate::model::Dropout;
use crate::random::threefry2x32;

/// values = 0 with the probability `mask`, else values + deviation·a normal number. The noise has a layer's draws, the mask the
/// next one's.
pub(super) fn perturb<T: Real>(
    (deviation, mask): (f32, f32),
    keys: &[u32],
    (number, layer): (u32, u32),
    first: u32,
    columns: usize,
    values: &mut [T],
) {
    if deviation > 0.0 {
        let key = threefry2x32([keys[0], keys[1]], [number, layer]);
        for (row, values) in values.chunks_exact_mut(columns).enumerate() {
            add_noise(
                T::of(deviation),
                key,
                first.wrapping_add(row as u32),
                values,
            );
        }
    }
    if mask > 0.0 {
        let mask = Mask::new(
            Dropout::Plain,
            T::of(mask),
            keys,
            (number, layer + 1),
            first,
        );
        mask.each(
            columns,
            values,
            |x, stays| if stays { x } else { T::zero() },
        );
    }
}

/// A draw is for two columns, as those of dropout are.
fn add_noise<T: Real>(deviation: T, key: [u32; 2], position: u32, values: &mut [T]) {
    for (block, values) in values.chunks_mut(BLOCK).enumerate() {
        let (mut first, mut second) = ([T::zero(); LANES], [T::zero(); LANES]);
        let draws = (block * LANES) as u32..;
        for (draw, (first, second)) in draws.zip(first.iter_mut().zip(&mut second)) {
            [*first, *second] = gaussian(threefry2x32(key, [position, draw]));
        }
        for (half, noise) in values.chunks_mut(LANES).zip([first, second]) {
            for (value, noise) in half.iter_mut().zip(noise) {
                *value += deviation * noise;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: usize = 101;

    fn perturbed(settings: (f32, f32), keys: [u32; 2], place: (u32, u32), first: u32) -> Vec<f32> {
        let mut values = vec![1.0; 300 * COLUMNS];
        perturb(settings, &keys, place, first, COLUMNS, &mut values);
        values
    }

    #[test]
    fn noise_has_its_deviation_and_the_mask_its_share() {
        let values = perturbed((0.5, 0.3), [1, 2], (0, 9), 0);
        let count = values.len() as f64;
        let kept: Vec<f64> = values
            .iter()
            .filter(|&&x| x != 0.0)
            .map(|&x| f64::from(x))
            .collect();
        // Four deviations of a binomial share, of a mean and of a variance.
        let share = 1.0 - kept.len() as f64 / count;
        assert!((share - 0.3).abs() < 4.0 * (0.21 / count).sqrt(), "{share}");
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        assert!((mean - 1.0).abs() < 4.0 * 0.5 / count.sqrt(), "{mean}");
        let variance = kept.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        assert!(
            (variance - 0.25).abs() < 4.0 * 0.25 * (2.0 / count).sqrt(),
            "{variance}"
        );
    }

    #[test]
    fn draws_follow_from_key_step_layer_position_and_column() {
        for settings in [(0.5, 0.0), (0.0, 0.5), (0.5, 0.5)] {
            let whole = perturbed(settings, [1, 2], (0, 9), 0);
            for other in [
                perturbed(settings, [1, 3], (0, 9), 0),
                perturbed(settings, [1, 2], (1, 9), 0),
                perturbed(settings, [1, 2], (0, 11), 0),
                perturbed(settings, [1, 2], (0, 9), 500),
            ] {
                let same = whole.iter().zip(&other).filter(|(a, b)| a == b).count();
                assert!((same as f64) < 0.52 * whole.len() as f64);
            }
            // A row's draws are its own, wherever a micro-batch begins.
            let later = perturbed(settings, [1, 2], (0, 9), 7);
            assert_eq!(whole[COLUMNS * 7..COLUMNS * 8], later[..COLUMNS]);
        }
    }
}
