use super::Curve;
use super::rows::Rows;
use super::training::Options;
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
    /// Rows of each part.
    parts: [usize; 3],
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
        rows: Rows<'_>,
        options: &Options,
        limits: Limits,
    ) -> Layout {
        let parts = rows.counts();
        let widest = network.widest().max(record::WIDTH);
        let taken = limits.rows.min(limits.tensor / widest).max(1);
        let batch = options.batch_size.unwrap_or(parts[0]);
        let most = taken.min(batch).max(1);
        let batch = batch.saturating_mul(options.accumulate).clamp(1, parts[0]);
        let short = (ROUND_STEPS / parts[0].div_ceil(batch)).min(ROUND_ROWS / parts[0]);
        let watched = matches!(options.schedule.curve, Curve::Plateau { .. });
        let looked_at =
            parts[1] > 0 || options.patience.is_some() || watched || options.lbfgs.is_some();
        Layout {
            members,
            dataset: rows.inputs.rows,
            parts,
            batch,
            // Micro-batches of one size, as even as can be.
            micro: batch.div_ceil(batch.div_ceil(most)),
            evaluated: taken
                .min(EVALUATED)
                .min(parts[0].max(parts[1]).max(parts[2])),
            round: if looked_at { 1 } else { short.max(1) },
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
        self.parts[0].div_ceil(self.batch)
    }

    /// Position of the part's first row in the order.
    pub(super) fn first(&self, part: Part) -> usize {
        let trained = self.round * self.parts[0];
        match part {
            Part::Train => 0,
            Part::Validation => trained,
            Part::Test => trained + self.parts[1],
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

    /// The steps of some epochs, each in its micro-batches, after `before` updates.
    pub(super) fn training_steps(
        &self,
        options: &Options,
        network: &Network,
        before: u64,
        epochs: usize,
    ) -> Vec<Vec<Step>> {
        let rows = self.parts[0];
        let per_epoch = self.steps_per_epoch() as u64;
        let total = per_epoch.saturating_mul(options.epochs as u64);
        let total = total.min(options.max_steps.unwrap_or(u64::MAX));
        let mut record = 0;
        let mut steps = Vec::with_capacity(epochs * self.steps_per_epoch());
        let starts = |epoch| {
            (0..rows)
                .step_by(self.batch)
                .map(move |start| (epoch, start))
        };
        for (epoch, start) in (0..epochs).flat_map(starts) {
            let end = rows.min(start + self.batch);
            let [correction1, correction2, correction3] = options
                .optimizer
                .corrections(before + steps.len() as u64 + 1);
            let step = before + steps.len() as u64;
            let rate = options.schedule.factor(step, total, per_epoch) as f32;
            let loss_scale = options.loss.scale(end - start, network.outputs()) as f32;
            let micro = (start..end).step_by(self.micro).map(|first| {
                record += 1;
                Step {
                    first: (epoch * rows + first) as u32,
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
