//! Answers and their tally on the host, by the twins: of what several networks answer together.

use super::{
    Real, answers, functions, softmax, tally_classes, tally_labels, tally_values, verdict,
};
use crate::model::Activation;
use crate::program::{Answer, Op, Tallied};

/// Answers `[rows, columns]` of logits `[rows, outputs]`, with moments `[targets, 2]`.
pub(crate) fn answer<T: Real>(
    answer: Answer,
    logits: &[T],
    outputs: usize,
    moments: &[T],
) -> Vec<T> {
    let rows = logits.len() / outputs.max(1);
    let mut output = vec![T::zero(); rows * answer.columns(outputs)];
    match answer {
        Answer::Softmax => softmax::softmax(false, logits, outputs, &mut output),
        Answer::Labels => {
            let sigmoid = functions::value::<T>(Activation::Sigmoid);
            for (output, &z) in output.iter_mut().zip(logits) {
                *output = sigmoid(z);
            }
        }
        Answer::Margins => output.copy_from_slice(logits),
        _ => answers::answers(answer, logits, moments, &mut output),
    }
    output
}

/// Counts and sums of answers `[rows, columns]` against targets.
pub(crate) fn tally<T: Real>(
    tallied: Tallied,
    answers: &[T],
    targets: &[T],
    moments: &[T],
) -> (Vec<T>, Vec<T>) {
    let mut counts = vec![T::zero(); tallied.counts()];
    let mut sums = vec![T::zero(); tallied.sums()];
    match tallied {
        Tallied::Classes { classes } => {
            let mut rows = vec![T::zero(); targets.len() * Op::VERDICT];
            verdict::verdict(answers, classes, targets, &mut rows);
            tally_classes::tally_classes(classes, &rows, true, &mut counts, &mut sums);
        }
        Tallied::Labels { .. } => {
            tally_labels::tally_labels(answers, targets, true, &mut counts, &mut sums);
        }
        Tallied::Values {
            width,
            place,
            levels,
            ..
        } => {
            let answers = tally_values::Answers {
                width,
                place,
                levels,
                values: answers,
            };
            tally_values::tally_values(answers, targets, moments, true, &mut counts, &mut sums);
        }
    }
    (counts, sums)
}
