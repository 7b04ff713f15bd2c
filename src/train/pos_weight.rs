use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::Matrix;

/// What labels that are there count in the loss, beside 1 for those that are not: `balanced`, `3`, or `3,1,0.5` by label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "Spelling")]
pub enum PosWeight {
    /// As often as a label is missing for each time that it is there.
    Balanced,
    /// One for all labels, or one for each.
    Given(Vec<f32>),
}

/// As TOML and JSON have it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Number(f32),
    Numbers(Vec<f32>),
    Word(String),
}

impl PosWeight {
    /// The weight of each label, of which 1 or 0 in `targets` `[rows, labels]` says whether it is there. A label that is there in
    /// all training rows or in none has nothing to be balanced by.
    pub(super) fn of_labels(&self, targets: &Matrix, train: &[u32]) -> Result<Vec<f32>, String> {
        let labels = targets.columns;
        match self {
            PosWeight::Given(given) if given.len() == 1 => Ok(vec![given[0]; labels]),
            PosWeight::Given(given) if given.len() == labels => Ok(given.clone()),
            PosWeight::Given(given) => Err(format!(
                "--pos-weight has {} numbers; one for all, or as many as there are labels are needed: {labels}",
                given.len()
            )),
            PosWeight::Balanced => {
                let there = |label: usize| {
                    let rows = train.iter().map(|&row| targets.row(row as usize)[label]);
                    rows.filter(|&there| there > 0.0).count()
                };
                let weight = |label: usize| match there(label) {
                    there if there == 0 || there == train.len() => 1.0,
                    there => ((train.len() - there) as f64 / there as f64) as f32,
                };
                Ok((0..labels).map(weight).collect())
            }
        }
    }
}

fn sound(weights: Vec<f32>) -> Result<PosWeight, String> {
    let fits = |weight: &f32| *weight >= 0.0 && weight.is_finite();
    if weights.is_empty() || !weights.iter().all(fits) {
        return Err("balanced, or numbers from 0 on are needed, as 3 or 3,1,0.5".into());
    }
    Ok(PosWeight::Given(weights))
}

impl FromStr for PosWeight {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "balanced" {
            return Ok(PosWeight::Balanced);
        }
        let weight = |part: &str| part.trim().parse().unwrap_or(f32::NAN);
        sound(text.split(',').map(weight).collect())
    }
}

impl Display for PosWeight {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            PosWeight::Balanced => f.write_str("balanced"),
            PosWeight::Given(weights) => {
                let weights: Vec<_> = weights.iter().map(ToString::to_string).collect();
                f.write_str(&weights.join(","))
            }
        }
    }
}

impl TryFrom<Spelling> for PosWeight {
    type Error = String;
    fn try_from(spelling: Spelling) -> Result<Self, String> {
        match spelling {
            Spelling::Number(weight) => sound(vec![weight]),
            Spelling::Numbers(weights) => sound(weights),
            Spelling::Word(word) => word.parse(),
        }
    }
}

impl From<PosWeight> for Spelling {
    fn from(weight: PosWeight) -> Self {
        match weight {
            PosWeight::Balanced => Spelling::Word("balanced".into()),
            PosWeight::Given(weights) => Spelling::Numbers(weights),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_balanced_by_the_training_rows() {
        let targets = Matrix {
            rows: 5,
            columns: 3,
            values: [1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1]
                .map(|bit: u8| bit.into())
                .to_vec(),
        };
        let weights = PosWeight::Balanced.of_labels(&targets, &[0, 1, 2, 3]);
        assert_eq!(weights, Ok(vec![1.0, 1.0, 1.0 / 3.0]));
        let parsed = |text: &str| text.parse::<PosWeight>();
        let given = parsed("2, 0.5,1").expect("it is valid");
        assert_eq!(given.of_labels(&targets, &[0]), Ok(vec![2.0, 0.5, 1.0]));
        assert_eq!(
            parsed("4").expect("it is valid").of_labels(&targets, &[0]),
            Ok(vec![4.0; 3])
        );
        let two = parsed("4,1").expect("it is valid");
        assert!(
            two.of_labels(&targets, &[0])
                .is_err_and(|error| error.contains("labels"))
        );
        for wrong in ["-1", "many", "", "1,x", "inf"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        let json = serde_json::to_string(&given).expect("it can be written");
        assert_eq!(json, "[2.0,0.5,1.0]");
    }
}
