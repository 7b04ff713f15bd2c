use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the rows of a class count in the loss: `balanced`, or `spam=5,ham=1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClassWeight {
    /// All classes count alike in sum: rows / (classes · rows of the class), as scikit-learn has it.
    Balanced,
    /// By label; 1 for those left out.
    Given(Vec<(String, f32)>),
}

impl ClassWeight {
    /// The weight of each row's class, with mean 1 over the training rows. `classes` has the class of each row.
    pub fn of_rows(
        &self,
        labels: &[String],
        classes: &[u32],
        train: &[u32],
    ) -> Result<Vec<f32>, String> {
        let weights = self.of_classes(labels, classes, train)?;
        Ok(classes
            .iter()
            .map(|&class| weights[class as usize])
            .collect())
    }

    /// The weight of each class.
    pub(super) fn of_classes(
        &self,
        labels: &[String],
        classes: &[u32],
        train: &[u32],
    ) -> Result<Vec<f32>, String> {
        let mut counts = vec![0.0_f64; labels.len()];
        for &row in train {
            counts[classes[row as usize] as usize] += 1.0;
        }
        let mut weights = vec![1.0; labels.len()];
        match self {
            // A class without a training row has no weight to find.
            ClassWeight::Balanced => {
                for (weight, &count) in weights.iter_mut().zip(&counts) {
                    *weight = 1.0 / count.max(1.0);
                }
            }
            ClassWeight::Given(given) => {
                for (label, weight) in given {
                    let class = labels.iter().position(|known| known == label);
                    let class = class.ok_or_else(|| {
                        format!(
                            "--class-weight: there is no class {label}; there are {}",
                            labels.join(", ")
                        )
                    })?;
                    weights[class] = f64::from(*weight);
                }
            }
        }
        let total: f64 = weights
            .iter()
            .zip(&counts)
            .map(|(weight, count)| weight * count)
            .sum();
        if total <= 0.0 {
            return Err("--class-weight: no row counts; give a class that there are rows of a weight above 0".into());
        }
        let mean = total / train.len() as f64;
        Ok(weights
            .iter()
            .map(|weight| (weight / mean) as f32)
            .collect())
    }
}

impl FromStr for ClassWeight {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "balanced" {
            return Ok(ClassWeight::Balanced);
        }
        let pair = |part: &str| {
            let (label, weight) = part.rsplit_once('=')?;
            let weight: f32 = weight.trim().parse().ok()?;
            let sound = weight >= 0.0 && weight.is_finite();
            sound.then(|| (label.trim().to_owned(), weight))
        };
        let pairs: Option<Vec<_>> = text.split(',').map(pair).collect();
        pairs.map(ClassWeight::Given).ok_or_else(|| {
            format!("{text}: balanced, or weights from 0 on are needed, as spam=5,ham=1")
        })
    }
}

impl Display for ClassWeight {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            ClassWeight::Balanced => f.write_str("balanced"),
            ClassWeight::Given(given) => {
                let pairs = given
                    .iter()
                    .map(|(label, weight)| format!("{label}={weight}"));
                f.write_str(&pairs.collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl TryFrom<String> for ClassWeight {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClassWeight> for String {
    fn from(weight: ClassWeight) -> Self {
        weight.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_mean_one_over_the_training_rows() {
        let labels = ["a", "b"].map(str::to_owned);
        let (classes, train) = ([0, 0, 0, 1, 1], [0, 1, 2, 3]);
        // Four training rows: 4 / (2·3) for each a, 4 / (2·1) for each b.
        let balanced = ClassWeight::Balanced.of_rows(&labels, &classes, &train);
        let expected = [2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 2.0, 2.0_f32];
        assert_eq!(balanced, Ok(expected.to_vec()));
        let given: ClassWeight = "b=5".parse().expect("it is valid");
        assert_eq!(
            given.of_rows(&labels, &classes, &train),
            Ok(vec![0.5, 0.5, 0.5, 2.5, 2.5])
        );
        for (text, part) in [("c=2", "no class c"), ("a=0,b=0", "no row counts")] {
            let weight: ClassWeight = text.parse().expect("it is valid");
            let error = weight.of_rows(&labels, &classes, &train).expect_err(text);
            assert!(error.contains(part), "{error}");
        }
        assert!("a=-1".parse::<ClassWeight>().is_err() && "a".parse::<ClassWeight>().is_err());
    }
}
