//! Scores of labels, of which each row may have several. Those of a label that no row has are scikit-learn's.

use serde::Serialize;

use super::{Average, Tally, average_precision, roc_auc};
use crate::data::Matrix;

/// How well labels are told, beside the share of the rows with all of them right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LabelAverages {
    /// Share of all rows' labels that are wrong.
    pub hamming_loss: f64,
    /// The mean over labels.
    #[serde(rename = "macro")]
    pub plain: Average,
    /// Of all rows' labels together.
    pub micro: Average,
    /// The mean over labels, by the rows that have them.
    pub weighted: Average,
    /// The mean over labels of the area under the receiver operating characteristic; none where all rows have a label, or none.
    pub roc_auc: Option<f64>,
    /// The mean over labels of the average precision, 0 for a label that no row has.
    pub average_precision: Option<f64>,
    /// The mean over rows and labels of −log p where the label is there, else of −log(1 − p), both within 2⁻²³ of 0 and 1; none of no
    /// rows.
    pub log_loss: Option<f64>,
}

/// How well one label is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LabelScores {
    /// Precision, recall and F1.
    #[serde(flatten)]
    pub of_label: Average,
    /// Rows that have it.
    pub support: u64,
    /// Area under the receiver operating characteristic.
    pub roc_auc: Option<f64>,
    /// Average precision.
    pub average_precision: Option<f64>,
    /// The mean over rows of the same.
    pub log_loss: Option<f64>,
}

/// Rows by whether they have a label and are told to have it.
#[derive(Clone, Copy, Default)]
struct Counts {
    hits: f64,
    support: f64,
    called: f64,
}

impl Counts {
    /// Nothing by nothing is 0.
    fn average(self) -> Average {
        let share = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        Average {
            precision: share(self.hits, self.called),
            recall: share(self.hits, self.support),
            f1: share(2.0 * self.hits, self.support + self.called),
        }
    }
}

/// Whether a row has a label with this probability.
pub fn has_label(probability: f32) -> bool {
    probability > 0.5
}

/// Scores of all labels together and of each: of a tally, and of probabilities `[rows, labels]` against 1 for each label that is
/// there; of no rows, what needs no ranks.
pub(super) fn label_scores(
    tally: &Tally,
    answers: &Matrix,
    targets: &Matrix,
) -> (LabelAverages, Vec<LabelScores>) {
    let mut all = Counts::default();
    let mut wrong = 0.0;
    let of = |(label, [hits, support, called, loss]): (usize, [f64; 4])| {
        let answers: Vec<f32> = answers.column(label).collect();
        let there: Vec<bool> = targets.column(label).map(|there| there > 0.5).collect();
        let counts = Counts {
            hits,
            support,
            called,
        };
        all.support += support;
        all.called += called;
        all.hits += hits;
        wrong += support + called - 2.0 * hits;
        let some = !there.is_empty();
        LabelScores {
            of_label: counts.average(),
            support: support as u64,
            roc_auc: roc_auc(&answers, &|row| there[row]),
            average_precision: average_precision(&answers, &|row| there[row]).filter(|_| some),
            log_loss: (tally.rows() > 0).then(|| loss / tally.rows() as f64),
        }
    };
    let each: Vec<LabelScores> = tally.labels().enumerate().map(of).collect();
    let count = each.len().max(1) as f64;
    let mean = |value: fn(&LabelScores) -> Option<f64>| {
        let values: Option<Vec<f64>> = each.iter().map(value).collect();
        values.map(|values| values.iter().sum::<f64>() / count)
    };
    let mean_of = |weight: &dyn Fn(&LabelScores) -> f64| {
        let total: f64 = each.iter().map(weight).sum();
        let total = if total == 0.0 { 1.0 } else { total };
        let of = |value: fn(&Average) -> f64| {
            let weighed = each
                .iter()
                .map(|scores| weight(scores) * value(&scores.of_label));
            weighed.sum::<f64>() / total
        };
        Average {
            precision: of(|average| average.precision),
            recall: of(|average| average.recall),
            f1: of(|average| average.f1),
        }
    };
    let averages = LabelAverages {
        hamming_loss: wrong / (tally.rows() as f64 * count).max(1.0),
        plain: mean_of(&|_| 1.0),
        micro: all.average(),
        weighted: mean_of(&|scores| scores.support as f64),
        roc_auc: mean(|scores| scores.roc_auc),
        average_precision: mean(|scores| scores.average_precision),
        log_loss: mean(|scores| scores.log_loss),
    };
    (averages, each)
}
