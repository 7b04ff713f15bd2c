use super::Curve;
use super::rows::Rows;
use super::training::Options;
use super::windows::Windows;
use std::ops::Range;

use crate::backend::Limits;
use crate::model::Network;
use crate::program::{Capacity, Step, record};

/// What rows are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Validation,
    Test,
}

/// Where each part's rows lie in the order, where its records lie in the log, and how batches are cut.
///
/// The order holds the training rows, then the validation and test rows, which never change; so does the log.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    members: usize,
    dataset: usize,
    /// Rows of each part that are evaluated.
    parts: [usize; 3],
    /// Training rows of an epoch, and those of a round that the order has at a time.
    trained: usize,
    ordered: usize,
    /// Rows a step.
    pub(super) batch: usize,
    /// Rows a micro-batch: the batch, where the device takes it whole.
    pub(super) micro: usize,
    /// Rows at a time in an evaluation.
    pub(super) evaluated: usize,
    /// Epochs between two looks at the device.
    pub(super) round: usize,
}

/// Steps and rows of the short epochs that go into one round, where nothing has to be looked at between them.
const ROUND_STEPS: usize = 1024;
const ROUND_ROWS: usize = 1 << 16;

/// Rows at a time in an evaluation: enough to fill a device, few enough to stay in caches.
const EVALUATED: usize = 1024;

impl Layout {
    pub(super) fn new(
        network: &Network,
        members: usize,
        (rows, windows): (Rows<'_>, Option<&Windows>),
        options: &Options,
        limits: Limits,
    ) -> Layout {
        let parts = rows.counts();
        let widest = network.widest().max(record::WIDTH);
        let taken = limits.rows.min(limits.tensor / widest).max(1);
        let trained = windows.map_or(parts[0], Windows::rows).max(1);
        let batch = options.batch_size.unwrap_or(trained);
        let most = taken.min(batch).max(1);
        let batch = batch.saturating_mul(options.accumulate).clamp(1, trained);
        let short = (ROUND_STEPS / trained.div_ceil(batch)).min(ROUND_ROWS / trained);
        let watched = matches!(options.schedule.curve, Curve::Plateau { .. });
        let looked_at =
            parts[1] > 0 || options.patience.is_some() || watched || options.lbfgs.is_some();
        let window = windows.map(Windows::window);
        let round = if looked_at || window.is_some() {
            1
        } else {
            short.max(1)
        };
        Layout {
            members,
            // What stays comes first, then the window.
            dataset: rows.inputs.rows + window.unwrap_or(0),
            parts,
            trained,
            ordered: window.map_or(round * trained, |window| window.max(parts[0])),
            batch,
            // Micro-batches of one size, as even as can be.
            micro: batch.div_ceil(batch.div_ceil(most)),
            evaluated: taken
                .min(EVALUATED)
                .min(parts[0].max(parts[1]).max(parts[2])),
            round,
        }
    }

    /// Cuts batches into so many parts at least, where they have as many rows.
    pub(super) fn cut(&mut self, shards: Option<usize>) {
        if let Some(shards) = shards {
            self.micro = self.micro.min(self.batch.div_ceil(shards.max(1)));
        }
    }

    pub(super) fn capacity(&self, batch: usize) -> Capacity {
        Capacity {
            members: self.members,
            batch,
            rows: self.dataset,
            order: self.first(Part::Test) + self.parts[2],
            records: self.record(Part::Test) + self.parts[2].div_ceil(self.evaluated),
        }
    }

    pub(super) fn steps_per_epoch(&self) -> usize {
        self.trained.div_ceil(self.batch)
    }

    /// Position of the part's first row in the order.
    pub(super) fn first(&self, part: Part) -> usize {
        match part {
            Part::Train => 0,
            Part::Validation => self.ordered,
            Part::Test => self.ordered + self.parts[1],
        }
    }

    /// Position of the part's first record in the log.
    pub(super) fn record(&self, part: Part) -> usize {
        let evaluated = |rows: usize| rows.div_ceil(self.evaluated);
        let trained = self.round * self.steps_per_epoch() * self.batch.div_ceil(self.micro);
        match part {
            Part::Train => 0,
            Part::Validation => trained.max(evaluated(self.parts[0])),
            Part::Test => self.record(Part::Validation) + evaluated(self.parts[1]),
        }
    }

    /// The steps of stretches of the order, each in its micro-batches, after `before` updates.
    pub(super) fn training_steps(
        &self,
        options: &Options,
        network: &Network,
        before: u64,
        stretches: &[Range<usize>],
    ) -> Vec<Vec<Step>> {
        let per_epoch = self.steps_per_epoch() as u64;
        let total = per_epoch.saturating_mul(options.epochs as u64);
        let total = total.min(options.max_steps.unwrap_or(u64::MAX));
        let mut record = 0;
        let mut steps = Vec::with_capacity(stretches.len() * self.steps_per_epoch());
        let starts = |stretch: &Range<usize>| {
            let end = stretch.end;
            let starts = stretch.clone().step_by(self.batch);
            starts.map(move |start| (start, end))
        };
        for (start, end) in stretches.iter().flat_map(starts) {
            let end = end.min(start + self.batch);
            let [correction1, correction2, correction3] = options
                .optimizer
                .corrections(before + steps.len() as u64 + 1);
            let step = before + steps.len() as u64;
            let rate = options.schedule.factor(step, total, per_epoch) as f32;
            let loss_scale = options.loss.scale(end - start, network.outputs()) as f32;
            let micro = (start..end).step_by(self.micro).map(|first| {
                record += 1;
                Step {
                    first: first as u32,
                    rows: self.micro.min(end - first) as u32,
                    record: record - 1,
                    loss_scale,
                    rate,
                    correction1,
                    correction2,
                    correction3,
                    number: step as u32,
                    average: options.optimizer.share(step + 1),
                }
            });
            steps.push(micro.collect());
        }
        steps
    }

    /// Steps that evaluate a part.
    pub(super) fn evaluation_steps(&self, part: Part) -> Vec<Step> {
        let (first, rows, record) = (
            self.first(part),
            self.parts[part as usize],
            self.record(part),
        );
        (0..rows)
            .step_by(self.evaluated)
            .enumerate()
            .map(|(index, start)| Step {
                first: (first + start) as u32,
                rows: self.evaluated.min(rows - start) as u32,
                record: (record + index) as u32,
                ..Step::default()
            })
            .collect()
    }
}
