//! Scores that need every row's answer. Values, also of ties and of classes without rows, are those of scikit-learn.

use serde::Serialize;

use crate::data::Matrix;

/// What is left out of these is what scikit-learn refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RankScores {
    /// Area under the receiver operating characteristic: of the second class, or the mean over classes, each against the rest.
    pub roc_auc: Option<f64>,
    /// Σ (Rₙ − Rₙ₋₁)·Pₙ over the thresholds: of the second class, or the mean over classes.
    pub average_precision: Option<f64>,
    /// Mean of −log of the class's probability, which is brought within 2⁻²³ of 0 and of 1.
    pub log_loss: Option<f64>,
    /// Expected calibration error: see [`calibration_error`].
    pub calibration_error: Option<f64>,
}

/// Of each row's score and whether the row is positive.
type Score = fn(&[f32], &dyn Fn(usize) -> bool) -> Option<f64>;

impl RankScores {
    /// Of answers `[rows, classes]`, which are probabilities or else any scores, against the rows' classes.
    pub fn new(answers: &Matrix, targets: &[u32], probabilities: bool) -> Self {
        let classes = answers.columns;
        let there = |class: usize| targets.contains(&(class as u32));
        let complete = (0..classes).all(there);
        let of = |class: usize| answers.column(class).collect::<Vec<_>>();
        let mean_over_classes = |score: Score| {
            let scores: Option<Vec<f64>> = (0..classes)
                .map(|class| score(&of(class), &|row| targets[row] as usize == class))
                .collect();
            scores.map(|scores| scores.iter().sum::<f64>() / classes as f64)
        };
        let (area, precision) = match classes {
            2 => {
                let scores: Vec<f32> = if probabilities {
                    of(1)
                } else {
                    answers.values.chunks(2).map(|z| z[1] - z[0]).collect()
                };
                let second = |row: usize| targets[row] == 1;
                (
                    roc_auc(&scores, &second),
                    average_precision(&scores, &second),
                )
            }
            _ if !complete => (None, None),
            _ => (
                mean_over_classes(roc_auc).filter(|_| probabilities),
                mean_over_classes(average_precision),
            ),
        };
        let some = !targets.is_empty();
        RankScores {
            roc_auc: area,
            average_precision: precision.filter(|_| some),
            log_loss: (some && probabilities).then(|| log_loss(answers, targets)),
            calibration_error: (some && probabilities).then(|| calibration_error(answers, targets)),
        }
    }
}

/// Positions by falling score, cut where the score changes.
fn by_score(scores: &[f32]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let groups = order.chunk_by(|&a, &b| scores[a] == scores[b]);
    groups.map(<[usize]>::to_vec).collect()
}

/// Share of the pairs of a positive and another row in which the positive one has the higher score; a tie counts half
/// (Mann and Whitney 1947). `None` without such a pair.
pub fn roc_auc(scores: &[f32], positive: &dyn Fn(usize) -> bool) -> Option<f64> {
    let (mut above, mut others, mut ordered) = (0.0, 0.0, 0.0);
    for group in by_score(scores) {
        let right = group.iter().filter(|&&row| positive(row)).count() as f64;
        let wrong = group.len() as f64 - right;
        ordered += wrong * (above + right / 2.0);
        above += right;
        others += wrong;
    }
    (above > 0.0 && others > 0.0).then(|| ordered / (above * others))
}

/// Precision at each threshold, weighted by the recall that it adds, without interpolation; 0 without a positive row.
pub fn average_precision(scores: &[f32], positive: &dyn Fn(usize) -> bool) -> Option<f64> {
    let all = (0..scores.len()).filter(|&row| positive(row)).count() as f64;
    let (mut called, mut right, mut sum) = (0.0, 0.0, 0.0);
    for group in by_score(scores) {
        let found = group.iter().filter(|&&row| positive(row)).count() as f64;
        called += group.len() as f64;
        right += found;
        sum += found * (right / called);
    }
    Some(if all > 0.0 { sum / all } else { 0.0 })
}

/// Share of the rows whose class is among the `k` highest scores, of equals the last, but of two classes the first.
pub fn top_accuracy(answers: &Matrix, targets: &[u32], k: usize) -> f64 {
    let first = answers.columns == 2;
    let hit = |(row, &target): (usize, &u32)| {
        let (scores, target) = (answers.row(row), target as usize);
        let before = scores.iter().enumerate().filter(|&(class, &score)| {
            let ahead = if first {
                class < target
            } else {
                class > target
            };
            score > scores[target] || (score == scores[target] && ahead)
        });
        before.count() < k
    };
    let hits = targets.iter().enumerate().filter(|&row| hit(row)).count();
    hits as f64 / targets.len() as f64
}

fn log_loss(answers: &Matrix, targets: &[u32]) -> f64 {
    let least = f64::from(f32::EPSILON);
    let loss = |(row, &target): (usize, &u32)| {
        let likely = f64::from(answers.row(row)[target as usize]);
        -likely.clamp(least, 1.0 - least).ln()
    };
    targets.iter().enumerate().map(loss).sum::<f64>() / targets.len() as f64
}

/// Bins of the highest probability, each of the same width.
const BINS: usize = 15;

/// Mean distance between the highest probability and the share of right answers, over 15 bins of that probability (Guo et al.
/// 2017).
pub fn calibration_error(answers: &Matrix, targets: &[u32]) -> f64 {
    let mut bins = [[0.0; 2]; BINS];
    for (row, &target) in targets.iter().enumerate() {
        let probabilities = answers.row(row);
        let best = super::most_probable(probabilities);
        let sure = f64::from(probabilities[best]);
        // A bin has its upper bound and not its lower.
        let bin = ((sure * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        bins[bin][0] += sure;
        bins[bin][1] += f64::from(u8::from(best == target as usize));
    }
    let apart: f64 = bins.iter().map(|[sure, right]| (sure - right).abs()).sum();
    apart / targets.len() as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Cases {
        classes: Vec<Classes>,
    }

    #[derive(Deserialize)]
    struct Classes {
        columns: usize,
        answers: Vec<f32>,
        targets: Vec<u32>,
        expected: [Option<f64>; 4],
        /// Top-k accuracy for k from 1 to the number of classes.
        top: Vec<f64>,
    }

    #[test]
    fn scores_are_those_of_scikit_learn() {
        let text = include_str!("../../tests/data/scores.json");
        let cases: Cases = serde_json::from_str(text).expect("it is valid");
        for case in cases.classes {
            let answers = Matrix {
                rows: case.targets.len(),
                columns: case.columns,
                values: case.answers,
            };
            let found = RankScores::new(&answers, &case.targets, true);
            let all = [
                found.roc_auc,
                found.average_precision,
                found.log_loss,
                found.calibration_error,
            ];
            for (found, expected) in all.into_iter().zip(case.expected) {
                let near = match (found, expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
                    (found, expected) => found == expected,
                };
                assert!(near, "{all:?} {:?}", case.expected);
            }
            for (k, expected) in (1..).zip(case.top) {
                let found = top_accuracy(&answers, &case.targets, k);
                assert!((found - expected).abs() < 1e-12, "{k}: {found} {expected}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_ordered_pairs_whatever_the_scale(
            rows in prop::collection::vec((-5_i8..5, any::<bool>()), 1..60),
        ) {
            let scores: Vec<f32> = rows.iter().map(|&(score, _)| score.into()).collect();
            let (mut ordered, mut pairs) = (0.0, 0.0);
            for (a, _) in rows.iter().filter(|row| row.1) {
                for (b, _) in rows.iter().filter(|row| !row.1) {
                    pairs += 1.0;
                    ordered += f64::midpoint(1.0, f64::from(a.cmp(b) as i8));
                }
            }
            let found = roc_auc(&scores, &|row| rows[row].1);
            prop_assert_eq!(found.is_some(), pairs > 0.0);
            if let Some(found) = found {
                prop_assert!((found - ordered / pairs).abs() < 1e-12);
            }
            let scaled: Vec<f32> = scores.iter().map(|score| score.exp()).collect();
            prop_assert_eq!(found, roc_auc(&scaled, &|row| rows[row].1));
            let precision = average_precision(&scores, &|row| rows[row].1);
            prop_assert_eq!(precision, average_precision(&scaled, &|row| rows[row].1));
        }
    }
}
