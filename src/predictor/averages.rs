use serde::Serialize;

/// Precision, recall and F1, brought together over classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Average {
    /// Share of the rows called a class that are of it.
    pub precision: f64,
    /// Share of the rows of a class that are called it.
    pub recall: f64,
    /// Harmonic mean of the two, by class.
    pub f1: f64,
}

/// What a confusion matrix comes to beside the accuracy (which the micro averages are). Nothing by nothing is 0, and a class
/// without rows on either side is left out, as scikit-learn has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Averages {
    /// Mean recall of the classes that there are rows of.
    pub balanced_accuracy: f64,
    /// Matthews' correlation coefficient, for any number of classes (Gorodkin 2004).
    pub matthews: f64,
    /// The mean over classes.
    #[serde(rename = "macro")]
    pub plain: Average,
    /// The mean over classes, by their rows.
    pub weighted: Average,
}

impl Averages {
    /// Of rows by true class, then by predicted class.
    pub fn new(confusion: &[Vec<u64>]) -> Self {
        let share = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        let mut averages = Averages::default();
        let (mut there, mut true_ones, mut total, mut right) = (0.0, 0.0, 0.0, 0.0);
        let (mut products, mut called_squares, mut true_squares) = (0.0, 0.0, 0.0);
        for (class, row) in confusion.iter().enumerate() {
            let support = row.iter().sum::<u64>() as f64;
            let called = confusion.iter().map(|row| row[class]).sum::<u64>() as f64;
            let hits = row[class] as f64;
            total += support;
            right += hits;
            products += support * called;
            called_squares += called * called;
            true_squares += support * support;
            if support + called == 0.0 {
                continue;
            }
            there += 1.0;
            let of_class = Average {
                precision: share(hits, called),
                recall: share(hits, support),
                f1: share(2.0 * hits, support + called),
            };
            if support > 0.0 {
                true_ones += 1.0;
                averages.balanced_accuracy += of_class.recall;
            }
            averages.plain.add(of_class, 1.0);
            averages.weighted.add(of_class, support);
        }
        let spread = (total * total - called_squares) * (total * total - true_squares);
        Averages {
            balanced_accuracy: share(averages.balanced_accuracy, true_ones),
            matthews: share(total * right - products, spread.sqrt()),
            plain: averages.plain.by(there),
            weighted: averages.weighted.by(total),
        }
    }
}

impl Average {
    fn add(&mut self, other: Average, weight: f64) {
        self.precision += weight * other.precision;
        self.recall += weight * other.recall;
        self.f1 += weight * other.f1;
    }

    fn by(self, total: f64) -> Self {
        let total = if total == 0.0 { 1.0 } else { total };
        Average {
            precision: self.precision / total,
            recall: self.recall / total,
            f1: self.f1 / total,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        confusion: Vec<Vec<u64>>,
        expected: Vec<f64>,
    }

    #[test]
    fn averages_are_those_of_scikit_learn() {
        let text = include_str!("../../tests/data/metrics.json");
        let cases: Vec<Case> = serde_json::from_str(text).expect("it is valid");
        for case in cases {
            let found = Averages::new(&case.confusion);
            let of = |average: Average| [average.precision, average.recall, average.f1];
            let all = [
                &[found.balanced_accuracy, found.matthews][..],
                &of(found.plain),
                &of(found.weighted),
            ];
            for (found, expected) in all.concat().iter().zip(&case.expected) {
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{:?}: {all:?}",
                    case.confusion
                );
            }
        }
    }
}
