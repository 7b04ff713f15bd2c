use super::Real;
use super::gaussian::circle;
use crate::program::{Image, Warp};
use crate::random::threefry2x32;

/// What happens to one image.
#[derive(Clone, Copy, Debug)]
struct Pose<T> {
    /// Pixels to the right and down.
    shift: [T; 2],
    /// Cosine and sine of the angle by which it is turned from the right to below.
    circle: [T; 2],
    flip: bool,
    /// The square's side and its first column and row, which may lie before the image.
    cutout: (i64, [i64; 2]),
}

impl<T: Real> Pose<T> {
    /// As it is drawn for a row of this position. What is drawn is single here too, as it is on the device.
    fn drawn(warp: &Warp, key: [u32; 2], position: u32) -> Self {
        let draw = |index| threefry2x32(key, [position, index]);
        let ([across, down], [angle, flip], cut) = (draw(0), draw(1), draw(2));
        let by = |word| T::of(whole(word, 2 * warp.shift + 1) as f32 - warp.shift as f32);
        let angle = warp.quarters() * (2.0 * fraction(angle) - 1.0);
        let turn = angle.round_ties_even();
        let half = i64::from(warp.cutout / 2);
        let first = |word, side| i64::from(whole(word, side)) - half;
        Pose {
            shift: [by(across), by(down)],
            circle: circle(turn as i32 as u32, T::of(angle - turn)),
            flip: warp.flip && flip >> 31 == 1,
            cutout: (
                warp.cutout.into(),
                [
                    first(cut[0], warp.image.width),
                    first(cut[1], warp.image.height),
                ],
            ),
        }
    }

    /// Where the pixel comes from.
    fn source(&self, image: &Image, [x, y]: [u32; 2]) -> [T; 2] {
        let half = |side: u32| T::of(0.5 * (side as f32 - 1.0));
        let centre = [half(image.width), half(image.height)];
        let [x, y] = [
            T::of(x as f32) - centre[0] - self.shift[0],
            T::of(y as f32) - centre[1] - self.shift[1],
        ];
        let [cosine, sine] = self.circle;
        let (x, y) = (cosine * x + sine * y, cosine * y - sine * x);
        [if self.flip { -x } else { x } + centre[0], y + centre[1]]
    }

    fn is_cut(&self, [x, y]: [u32; 2]) -> bool {
        let (side, [left, upper]) = self.cutout;
        let inside = |at: u32, first: i64| (first..first + side).contains(&i64::from(at));
        inside(x, left) && inside(y, upper)
    }

    fn apply(&self, image: &Image, background: T, input: &[T], output: &mut [T]) {
        for (x, y) in (0..image.height).flat_map(|y| (0..image.width).map(move |x| (x, y))) {
            let source = self.source(image, [x, y]);
            let corner = source.map(T::floor);
            let [across, down] = [source[0] - corner[0], source[1] - corner[1]];
            let [left, upper] = corner.map(|side| side.to_i64().unwrap_or(i64::MIN));
            let cut = self.is_cut([x, y]);
            for channel in 0..image.channels {
                let value = |x: i64, y: i64| {
                    let place = image.place(channel, x, y);
                    place.map_or(background, |place| input[place])
                };
                let row = |y| (T::one() - across) * value(left, y) + across * value(left + 1, y);
                let mixed = (T::one() - down) * row(upper) + down * row(upper + 1);
                if let Some(place) = image.place(channel, x.into(), y.into()) {
                    output[place] = if cut { background } else { mixed };
                }
            }
        }
    }
}

/// A number from 0 to below n.
fn whole(word: u32, n: u32) -> u32 {
    ((fraction(word) * n as f32) as u32).min(n - 1)
}

fn fraction(word: u32) -> f32 {
    (word >> 8) as f32 / 16_777_216.0
}

/// output`[r]` = input`[r]`, an image, flipped, turned about its centre and moved, with a square of it set to the background:
/// drawn for each row. Pixels between others are interpolated linearly both ways; what lies outside is the background.
pub(super) fn warp<T: Real>(
    warp: &Warp,
    keys: &[u32],
    (number, layer): (u32, u32),
    first: u32,
    input: &[T],
    output: &mut [T],
) {
    let key = threefry2x32([keys[0], keys[1]], [number, layer]);
    let values = warp.image.values();
    let rows = input
        .chunks_exact(values)
        .zip(output.chunks_exact_mut(values));
    for (row, (input, output)) in rows.enumerate() {
        let pose = Pose::<T>::drawn(warp, key, first.wrapping_add(row as u32));
        pose.apply(&warp.image, T::of(warp.background), input, output);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        height: u32,
        width: u32,
        shift: [f64; 2],
        degrees: f64,
        flip: bool,
        background: f64,
        input: Vec<f64>,
        expected: Vec<f64>,
    }

    #[test]
    fn an_image_becomes_what_grid_sample_makes_of_it() {
        let text = include_str!("../../../tests/data/warp.json");
        let cases: Vec<Case> = serde_json::from_str(text).expect("it is valid");
        for case in cases {
            let turn = (case.degrees / 90.0).round();
            let pose = Pose::<f64> {
                shift: case.shift,
                circle: circle(turn as i32 as u32, case.degrees / 90.0 - turn),
                flip: case.flip,
                cutout: (0, [0, 0]),
            };
            for channels_last in [false, true] {
                // Three channels: the image, twice it, and minus it.
                let channels = 3;
                let image = Image {
                    height: case.height,
                    width: case.width,
                    channels,
                    channels_last,
                };
                let spread = |plain: &[f64]| {
                    let area = plain.len();
                    let mut values = vec![0.0; area * channels as usize];
                    for (pixel, &value) in plain.iter().enumerate() {
                        for (channel, factor) in [1.0, 2.0, -1.0].into_iter().enumerate() {
                            let place = if channels_last {
                                3 * pixel + channel
                            } else {
                                channel * area + pixel
                            };
                            // About the background, which all channels share.
                            values[place] = case.background + factor * (value - case.background);
                        }
                    }
                    values
                };
                let input = spread(&case.input);
                let mut output = vec![f64::NAN; input.len()];
                pose.apply(&image, case.background, &input, &mut output);
                for (found, expected) in output.iter().zip(spread(&case.expected)) {
                    // The polynomials of sine and cosine are single.
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
        }
    }

    const IMAGE: Image = Image {
        height: 9,
        width: 12,
        channels: 1,
        channels_last: false,
    };

    #[test]
    fn what_is_drawn_keeps_its_limits_and_fills_them() {
        let settings = Warp {
            image: IMAGE,
            background: -1.0,
            shift: 2,
            rotate: 10.0,
            flip: true,
            cutout: 3,
        };
        let poses: Vec<Pose<f64>> = (0..4000)
            .map(|position| Pose::drawn(&settings, [5, 6], position))
            .collect();
        for side in 0..2 {
            for by in -2..=2 {
                let share = poses
                    .iter()
                    .filter(|pose| pose.shift[side] == f64::from(by))
                    .count();
                assert!(share.abs_diff(800) < 4 * 26, "{by}: {share}");
            }
        }
        let flips = poses.iter().filter(|pose| pose.flip).count();
        assert!(flips.abs_diff(2000) < 4 * 32, "{flips}");
        let most = 10_f64.to_radians().sin();
        let sines = poses.iter().map(|pose| pose.circle[1]);
        assert!(sines.clone().all(|sine| sine.abs() <= most + 1e-6));
        assert!(sines.clone().any(|sine| sine > 0.99 * most));
        assert!(sines.clone().any(|sine| sine < -0.99 * most));
        // The square's centre may be any pixel.
        for (side, length) in [(0, 12), (1, 9)] {
            let first = |pose: &Pose<f64>| pose.cutout.1[side];
            assert_eq!(poses.iter().map(first).min(), Some(-1));
            assert_eq!(poses.iter().map(first).max(), Some(length - 2));
        }
    }

    #[test]
    fn a_square_is_cut_out_and_nothing_else_changes() {
        let settings = Warp {
            image: IMAGE,
            background: -1.0,
            shift: 0,
            rotate: 0.0,
            flip: false,
            cutout: 4,
        };
        let rows = 200;
        let input: Vec<f32> = (0..rows * 108).map(|value| value as f32).collect();
        let mut output = vec![f32::NAN; input.len()];
        warp(&settings, &[1, 2], (3, 4), 5, &input, &mut output);
        let mut full = 0;
        for (input, output) in input.chunks(108).zip(output.chunks(108)) {
            let cut: Vec<usize> = (0..108)
                .filter(|&pixel| output[pixel] != input[pixel])
                .collect();
            assert!(cut.iter().all(|&pixel| output[pixel] == -1.0));
            // Two rows and columns of it are inside at least.
            assert!((4..=16).contains(&cut.len()));
            full += usize::from(cut.len() == 16);
        }
        assert!(full > rows / 3);
    }
}
