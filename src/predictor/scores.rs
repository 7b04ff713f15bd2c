//! Scores that need every row's answer. Values, also of ties and of classes without rows, are those of scikit-learn.

use serde::Serialize;

use super::Tally;
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
    /// Expected calibration error over 15 bins of the highest probability (Guo et al. 2017).
    pub calibration_error: Option<f64>,
}

/// Of each row's score and whether the row is positive.
type Score = fn(&[f32], &dyn Fn(usize) -> bool) -> Option<f64>;

impl RankScores {
    /// Of a tally, and of answers `[rows, classes]`, which are probabilities or else any scores, against the rows' classes; of no
    /// rows, what needs no ranks.
    pub fn new(tally: &Tally, answers: &Matrix, targets: &[u32], probabilities: bool) -> Self {
        let classes = tally.classes();
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
            log_loss: tally.log_loss().filter(|_| probabilities),
            calibration_error: tally.calibration_error().filter(|_| probabilities),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
