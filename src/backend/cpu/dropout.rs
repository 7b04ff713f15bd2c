use super::Real;
use crate::model::Dropout;
use crate::random::threefry2x32;

/// What decides which values stay, and what becomes of them and of the others: shaders/lib/mask.wgsl.
pub(super) struct Mask<T> {
    key: [u32; 2],
    /// A value stays if the upper 24 bits of its word are this at least.
    least: u32,
    /// Position of the batch's first row in the order.
    first: u32,
    /// A value that stays becomes scale·x + shift.
    pub(super) scale: T,
    shift: T,
    dropped: T,
}

/// Draws that are made side by side, each of two words: the first for a column of the block's first half, the second for that
/// of its second half, so that neither has to be moved.
pub(super) const LANES: usize = 16;
pub(super) const BLOCK: usize = 2 * LANES;

impl<T: Real> Mask<T> {
    pub(super) fn new(
        kind: Dropout,
        rate: T,
        keys: &[u32],
        (number, layer): (u32, u32),
        first: u32,
    ) -> Self {
        let keep = T::one() - rate;
        let (scale, shift, dropped) = if kind == Dropout::Alpha {
            // −λ·α of SELU: its value far below zero.
            let limit = T::of_f64(-1.758_099_340_847_376_6);
            let scale = T::one() / ((limit * limit * rate + T::one()) * keep).sqrt();
            let shift = -scale * limit * rate;
            (scale, shift, scale * limit + shift)
        } else {
            (T::one() / keep, T::zero(), T::zero())
        };
        Mask {
            key: threefry2x32([keys[0], keys[1]], [number, layer]),
            // As many bits as f32 has, so that the comparison is the same everywhere.
            least: (rate.single() * 16_777_216.0).ceil() as u32,
            first,
            scale,
            shift,
            dropped,
        }
    }

    /// Gives each value what `f` makes of it and of whether it stays.
    pub(super) fn each(&self, columns: usize, values: &mut [T], f: impl Fn(T, bool) -> T) {
        for (row, values) in values.chunks_exact_mut(columns).enumerate() {
            let position = self.first.wrapping_add(row as u32);
            for (block, values) in values.chunks_mut(BLOCK).enumerate() {
                let (mut first, mut second) = ([0; LANES], [0; LANES]);
                let draws = (block * LANES) as u32..;
                for (draw, words) in draws.zip(first.iter_mut().zip(&mut second)) {
                    [*words.0, *words.1] = threefry2x32(self.key, [position, draw]);
                }
                for (half, words) in values.chunks_mut(LANES).zip([first, second]) {
                    for (value, word) in half.iter_mut().zip(words) {
                        *value = f(*value, word >> 8 >= self.least);
                    }
                }
            }
        }
    }
}

/// output = scale·input + shift where the mask lets it be, else the constant
pub(super) fn dropout<T: Real>(mask: &Mask<T>, columns: usize, input: &[T], output: &mut [T]) {
    output.copy_from_slice(input);
    mask.each(columns, output, |x, stays| {
        if stays {
            mask.scale * x + mask.shift
        } else {
            mask.dropped
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_pytorch() {
        // torch 2.15: dropout(ones, 0.25) and alpha_dropout(x, 0.25) of x = 1 and x = −2, with what is left out last.
        for (kind, expected) in [
            (Dropout::Plain, [4.0 / 3.0, -8.0 / 3.0, 0.0]),
            (
                Dropout::Alpha,
                [
                    1.248_439_319_927_757_7,
                    -1.353_334_451_646_042_2,
                    -1.143_544_188_209_472_6,
                ],
            ),
        ] {
            let mask = Mask::<f64>::new(kind, 0.25, &[1, 2], (0, 0), 0);
            let found = [
                mask.scale + mask.shift,
                mask.shift - 2.0 * mask.scale,
                mask.dropped,
            ];
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-14,
                    "{kind}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn the_share_left_out_is_the_rate_and_its_places_follow_from_everything() {
        let kept = |key: [u32; 2], number, layer, first| {
            let mask = Mask::<f32>::new(Dropout::Plain, 0.3, &key, (number, layer), first);
            let mut output = vec![0.0; 200 * 101];
            dropout(&mask, 101, &vec![1.0; 200 * 101], &mut output);
            output.iter().map(|&value| value > 0.0).collect::<Vec<_>>()
        };
        let whole = kept([1, 2], 0, 0, 0);
        let share = whole.iter().filter(|&&kept| !kept).count() as f64 / whole.len() as f64;
        // Four standard deviations of a binomial share.
        assert!((share - 0.3).abs() < 4.0 * (0.3 * 0.7 / whole.len() as f64).sqrt());
        for other in [
            kept([1, 3], 0, 0, 0),
            kept([1, 2], 1, 0, 0),
            kept([1, 2], 0, 1, 0),
            kept([1, 2], 0, 0, 500),
        ] {
            let same = whole.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!((same as f64 / whole.len() as f64 - 0.58).abs() < 0.02);
        }
        // A row's places are its own, wherever a micro-batch begins.
        assert_eq!(whole[101 * 7..101 * 8], kept([1, 2], 0, 0, 7)[..101]);
    }
}
