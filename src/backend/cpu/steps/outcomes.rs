//! Ops that tell how good answers are, and count it.

use super::super::{
    Real, answers, clear, keep, loss_gradient, metrics, tally_classes, tally_labels, tally_values,
    verdict,
};
use super::{At, Memory, misplaced};
use crate::program::Op;

impl<T: Real> Memory<'_, T> {
    pub(super) fn outcomes(&mut self, op: &Op, at: At<'_>) {
        match *op {
            Op::LossGradient {
                function,
                weights,
                logits,
                targets,
                gradient,
                rows,
            } => {
                let (mut d, mut records) = (self.take(at, gradient), self.take(at, rows));
                let logits = self.values(at, logits);
                let targets = self.values(at, targets);
                let scale = T::of(at.step.loss_scale);
                let gradients = &mut d[at.range(gradient)];
                loss_gradient::loss_gradient(
                    (function, weights),
                    logits,
                    targets,
                    at.columns(gradient),
                    scale,
                    gradients,
                    &mut records[at.range(rows)],
                );
                self.put(at, gradient, d);
                self.put(at, rows, records);
            }
            Op::Metrics { rows, log } => {
                let mut out = self.take(at, log);
                let rows = self.values(at, rows);
                metrics::metrics(rows, &mut out[at.record(log, 0)]);
                self.put(at, log, out);
            }
            Op::Answers {
                answer,
                logits,
                moments,
                output,
            } => {
                let mut out = self.take(at, output);
                let moments = self.common(at, moments);
                let logits = self.values(at, logits);
                answers::answers(answer, logits, moments, &mut out[at.range(output)]);
                self.put(at, output, out);
            }
            Op::Verdict {
                answers,
                targets,
                rows,
            } => {
                let mut out = self.take(at, rows);
                verdict::verdict(
                    self.values(at, answers),
                    at.columns(answers),
                    self.values(at, targets),
                    &mut out[at.range(rows)],
                );
                self.put(at, rows, out);
            }
            Op::TallyClasses {
                classes,
                record,
                rows,
                counts,
                sums,
            } => {
                let (mut total, mut log) = (self.take(at, counts), self.take(at, sums));
                tally_classes::tally_classes(
                    classes,
                    self.values(at, rows),
                    at.step.record == record,
                    &mut total[at.range(counts)],
                    &mut log[at.record(sums, record)],
                );
                self.put(at, counts, total);
                self.put(at, sums, log);
            }
            Op::TallyLabels {
                record,
                answers,
                targets,
                counts,
                sums,
            } => {
                let (mut total, mut log) = (self.take(at, counts), self.take(at, sums));
                tally_labels::tally_labels(
                    self.values(at, answers),
                    self.values(at, targets),
                    at.step.record == record,
                    &mut total[at.range(counts)],
                    &mut log[at.record(sums, record)],
                );
                self.put(at, counts, total);
                self.put(at, sums, log);
            }
            Op::TallyValues {
                width,
                place: compared,
                levels,
                record,
                answers,
                targets,
                moments,
                counts,
                sums,
            } => {
                let (mut total, mut log) = (self.take(at, counts), self.take(at, sums));
                let answers = tally_values::Answers {
                    width,
                    place: compared,
                    levels,
                    values: self.values(at, answers),
                };
                tally_values::tally_values(
                    answers,
                    self.values(at, targets),
                    self.common(at, moments),
                    at.step.record == record,
                    &mut total[at.range(counts)],
                    &mut log[at.record(sums, record)],
                );
                self.put(at, counts, total);
                self.put(at, sums, log);
            }
            Op::Keep {
                first,
                values,
                kept,
            } => {
                let mut out = self.take(at, kept);
                let from = (at.step.first - first) as usize;
                let values_of = self.values(at, values);
                keep::keep(
                    values_of,
                    at.columns(values),
                    from,
                    &mut out[at.range(kept)],
                );
                self.put(at, kept, out);
            }
            Op::Clear { values } => {
                let mut out = self.take(at, values);
                clear::clear(&mut out[at.range(values)]);
                self.put(at, values, out);
            }
            _ => misplaced(op),
        }
    }
}
