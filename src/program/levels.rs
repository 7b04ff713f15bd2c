use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Shares of a distribution, each between 0 and 1, from the least on: `0.1,0.5,0.9`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Levels {
    count: usize,
    values: [f32; Levels::MOST],
}

impl Levels {
    /// Shares that there are at most, which kernels have as eight vectors.
    pub const MOST: usize = 32;

    /// The half, the median's share.
    pub const MEDIAN: Levels = Levels::of([0.5]);

    /// These shares, which are in order.
    pub(crate) const fn of<const N: usize>(shares: [f32; N]) -> Self {
        let mut values = [0.0; Levels::MOST];
        let mut n = 0;
        while n < N {
            values[n] = shares[n];
            n += 1;
        }
        Levels { count: N, values }
    }

    /// Each of them.
    pub fn values(&self) -> &[f32] {
        &self.values[..self.count]
    }

    /// The place of the half among them.
    pub fn median(&self) -> Option<usize> {
        self.values().iter().position(|&share| share == 0.5)
    }

    /// All places, 0 where there is no share.
    pub(crate) fn padded(&self) -> [f32; Levels::MOST] {
        self.values
    }
}

impl Default for Levels {
    fn default() -> Self {
        Levels::MEDIAN
    }
}

impl TryFrom<Vec<f32>> for Levels {
    type Error = String;
    fn try_from(mut shares: Vec<f32>) -> Result<Self, String> {
        shares.sort_by(f32::total_cmp);
        let sound = |share: &f32| *share > 0.0 && *share < 1.0;
        let distinct = shares.windows(2).all(|pair| pair[0] < pair[1]);
        if !(1..=Levels::MOST).contains(&shares.len()) || !shares.iter().all(sound) || !distinct {
            return Err(format!(
                "up to {} different numbers between 0 and 1 are needed, as 0.1,0.5,0.9",
                Levels::MOST
            ));
        }
        let mut levels = Levels::of([]);
        levels.count = shares.len();
        levels.values[..shares.len()].copy_from_slice(&shares);
        Ok(levels)
    }
}

impl From<Levels> for Vec<f32> {
    fn from(levels: Levels) -> Self {
        levels.values().to_vec()
    }
}

impl FromStr for Levels {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let share = |part: &str| part.trim().parse().unwrap_or(f32::NAN);
        text.split(',').map(share).collect::<Vec<_>>().try_into()
    }
}

impl Display for Levels {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let shares: Vec<_> = self.values().iter().map(ToString::to_string).collect();
        f.pad(&shares.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::Levels;

    #[test]
    fn levels_are_shares_in_order() {
        let levels: Levels = "0.9, 0.1,0.5".parse().expect("they are valid");
        assert_eq!(levels.values(), [0.1, 0.5, 0.9]);
        assert_eq!(
            (levels.median(), Levels::of([0.1]).median()),
            (Some(1), None)
        );
        assert_eq!(levels.to_string(), "0.1,0.5,0.9");
        let json = serde_json::to_string(&levels).expect("it can be written");
        assert_eq!(json, "[0.1,0.5,0.9]");
        assert_eq!(
            serde_json::from_str::<Levels>(&json).expect("valid"),
            levels
        );
        let many = vec![0.01; 33];
        for wrong in ["", "0", "1", "0.5,0.5", "0.1,x", "NaN", "-0.1"] {
            assert!(wrong.parse::<Levels>().is_err(), "{wrong}");
        }
        assert!(Levels::try_from(many).is_err());
    }
}
