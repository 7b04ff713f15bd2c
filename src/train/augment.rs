use super::Config;
use crate::data::Preprocessing;
use crate::program::{Augmentation, Image, Warp};

impl Config {
    /// What is done to the rows of a training step; images are those that the preprocessing knows as such.
    pub fn augmentation(
        &self,
        preprocessing: Option<&Preprocessing>,
    ) -> Result<Augmentation, String> {
        let embeds = preprocessing.is_some_and(|made| !made.table_rows().is_empty());
        let changed = [
            ("--noise", self.noise),
            ("--mask", self.mask),
            ("--mixup", self.mixup),
        ];
        let changed = changed
            .iter()
            .find(|(_, given)| given.is_some_and(|given| given > 0.0));
        if let Some((option, _)) = changed.filter(|_| embeds) {
            return Err(format!(
                "{option} changes inputs, and a column of many texts is embedded by its number; leave it out, or give each text an input \
                 by --one-hot-up-to"
            ));
        }
        Ok(Augmentation {
            noise: self.noise.unwrap_or(0.0),
            mask: self.mask.unwrap_or(0.0),
            mixup: self.mixup.unwrap_or(0.0),
            warp: self.warp(preprocessing)?,
        })
    }

    fn warp(&self, preprocessing: Option<&Preprocessing>) -> Result<Option<Warp>, String> {
        let (shift, cutout) = (self.shift.unwrap_or(0), self.cutout.unwrap_or(0));
        let rotate = self.rotate.unwrap_or(0.0);
        let flip = self.flip.unwrap_or(false);
        let asked = [
            ("--shift", shift > 0),
            ("--rotate", rotate > 0.0),
            ("--flip", flip),
            ("--cutout", cutout > 0),
        ];
        let Some((option, _)) = asked.into_iter().find(|(_, asked)| *asked) else {
            return Ok(None);
        };
        let Some(Preprocessing::Image {
            shape,
            mean,
            deviation,
            ..
        }) = preprocessing
        else {
            return Err(format!(
                "{option} is for images: an IDX folder, an array of pixels or digits, preprocessed by auto or min-max; leave it out"
            ));
        };
        let image = image(shape).ok_or_else(|| {
            let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!(
                "{option}: data of shape {} have no height and width beside up to four channels; leave it out",
                sides.join(" × ")
            )
        })?;
        let least = image.height.min(image.width);
        for (option, pixels) in [("--shift", shift), ("--cutout", cutout)] {
            if pixels >= least {
                return Err(format!(
                    "{option} {pixels}: images are {} × {}; give less than {least}",
                    image.height, image.width
                ));
            }
        }
        Ok(Some(Warp {
            image,
            // What a pixel of 0 becomes.
            background: (-f64::from(*mean) / f64::from(*deviation)) as f32,
            shift,
            rotate,
            flip,
            cutout,
        }))
    }
}

/// The largest number of values that a pixel has: three colours and how opaque they are.
const CHANNELS: usize = 4;

/// How images of this shape lie in a row: height and width, with channels behind or before them.
fn image(shape: &[usize]) -> Option<Image> {
    let (height, width, channels, channels_last) = match *shape {
        [height, width] => (height, width, 1, true),
        [height, width, channels] if channels <= CHANNELS => (height, width, channels, true),
        [channels, height, width] if channels <= CHANNELS => (height, width, channels, false),
        _ => return None,
    };
    Some(Image {
        height: u32::try_from(height).ok()?,
        width: u32::try_from(width).ok()?,
        channels: channels as u32,
        channels_last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_the_side_of_up_to_four() {
        let found = |shape: &[usize]| {
            image(shape).map(|image| {
                (
                    image.height,
                    image.width,
                    image.channels,
                    image.channels_last,
                )
            })
        };
        assert_eq!(found(&[8, 9]), Some((8, 9, 1, true)));
        assert_eq!(found(&[8, 9, 3]), Some((8, 9, 3, true)));
        assert_eq!(found(&[3, 8, 9]), Some((8, 9, 3, false)));
        assert_eq!(found(&[5, 8, 9]), None);
        assert_eq!(found(&[64]), None);
    }

    #[test]
    fn the_background_is_what_a_pixel_of_zero_becomes() {
        let config = Config {
            shift: Some(1),
            ..Config::default()
        };
        let preprocessing = Preprocessing::Image {
            shape: vec![8, 8],
            full_scale: 16.0,
            mean: 0.25,
            deviation: 0.5,
        };
        let augmentation = config.augmentation(Some(&preprocessing));
        let warp = augmentation.expect("they are images").warp;
        assert_eq!(warp.map(|warp| warp.background), Some(-0.5));
        assert!(config.augmentation(None).is_err());
    }
}
