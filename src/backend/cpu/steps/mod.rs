//! Runs a program's ops, a step after the other. A file has ops of a kind, and hands each kernel the values that it reads and writes.

mod inputs;
mod layers;
mod normalizations;
mod outcomes;
mod products;
mod updates;

use std::mem::take;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::team::Team;
use super::{Real, Values};
use crate::program::{Op, Program, Rows, Step, TensorId};

/// What one member's ops read and write.
pub(super) struct Memory<'a, T> {
    pub(super) shared: &'a [Values<T>],
    pub(super) own: &'a mut [Values<T>],
}

/// What an op goes by beside memory: the program that it is of, and the step.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) program: &'a Program,
    pub(super) step: &'a Step,
    /// Rows of a batch before those that ops work on.
    pub(super) skipped: usize,
    pub(super) team: &'a Team,
}

/// Runs steps one after the other, some neighbouring ops of each in order, until `slice` has passed. Returns how many.
pub(super) fn steps<T: Real>(
    (program, ops): (&Program, &[Op]),
    steps: &[Step],
    memory: &mut Memory<'_, T>,
    team: &Team,
    slice: Duration,
) -> usize {
    let start = Instant::now();
    let mut look = 1;
    for (done, step) in steps.iter().enumerate() {
        if done == look {
            if start.elapsed() > slice {
                return done;
            }
            // To look at the clock takes as long as an op of a small network.
            look += 1 + done / 16;
        }
        let at = At {
            program,
            step,
            skipped: 0,
            team,
        };
        for op in ops {
            memory.run(op, at);
        }
    }
    steps.len()
}

impl At<'_> {
    fn place(&self, tensor: TensorId) -> usize {
        self.program.tensors[tensor].buffer
    }

    fn columns(&self, tensor: TensorId) -> usize {
        self.program.tensors[tensor].columns
    }

    /// A tensor's rows in the step.
    fn rows(&self, tensor: TensorId) -> usize {
        match self.program.tensors[tensor].rows {
            Rows::Batch => self.step.rows as usize,
            Rows::Fixed(rows) => rows,
        }
    }

    /// Where they lie in its buffer.
    fn range(&self, tensor: TensorId) -> Range<usize> {
        let tensor = &self.program.tensors[tensor];
        let (skipped, rows) = match tensor.rows {
            Rows::Batch => (self.skipped, self.step.rows as usize),
            Rows::Fixed(rows) => (0, rows),
        };
        let first = tensor.offset + skipped * tensor.columns;
        first..first + rows * tensor.columns
    }

    /// The batch in the order of all rows.
    fn batch(&self) -> Range<usize> {
        let first = self.step.first as usize;
        first..first + self.step.rows as usize
    }

    /// Where the step's record lies among those from `first` on.
    fn record(&self, log: TensorId, first: u32) -> Range<usize> {
        let tensor = &self.program.tensors[log];
        let start = tensor.offset + (self.step.record - first) as usize * tensor.columns;
        start..start + tensor.columns
    }
}

/// What an op comes to that was sent to where it has no form: to go on without it would train another network.
#[cold]
pub(super) fn misplaced(op: &Op) -> ! {
    unreachable!("{} has no form where ops of its kind are run", op.name())
}

impl<T: Real> Memory<'_, T> {
    /// Runs one op. A written tensor's buffer is taken out of memory meanwhile: no op reads the buffer that it writes.
    pub(super) fn run(&mut self, op: &Op, at: At<'_>) {
        match op {
            // All members' at once, behind what each of them does alone.
            Op::Join { .. } => {}
            Op::Gather { .. }
            | Op::GatherBoth { .. }
            | Op::Perturb { .. }
            | Op::Mix { .. }
            | Op::Warp { .. }
            | Op::Periodic { .. }
            | Op::PeriodicGradient { .. }
            | Op::Lookup { .. }
            | Op::LookupGradient { .. } => self.inputs(op, at),
            Op::Matmul { .. }
            | Op::MatmulBiasActivation { .. }
            | Op::MatmulActivationGradient { .. }
            | Op::MatmulBiasGradient { .. } => self.products(op, at),
            Op::BiasAdd { .. }
            | Op::BiasGradient { .. }
            | Op::Activation { .. }
            | Op::ActivationGradient { .. }
            | Op::Dropout { .. }
            | Op::DropoutGradient { .. }
            | Op::Softmax { .. }
            | Op::SoftmaxGradient { .. }
            | Op::Add { .. }
            | Op::Prelu { .. }
            | Op::PreluGradient { .. } => self.layers(op, at),
            Op::BatchNorm { .. }
            | Op::BatchNormInference { .. }
            | Op::BatchNormGradient { .. }
            | Op::LayerNorm { .. }
            | Op::LayerNormParameters { .. }
            | Op::LayerNormGradient { .. } => self.normalizations(op, at),
            Op::LossGradient { .. }
            | Op::Metrics { .. }
            | Op::Answers { .. }
            | Op::Verdict { .. }
            | Op::TallyClasses { .. }
            | Op::TallyLabels { .. }
            | Op::TallyValues { .. }
            | Op::Keep { .. }
            | Op::Clear { .. } => self.outcomes(op, at),
            Op::Update { .. }
            | Op::ClipValue { .. }
            | Op::SquareSums { .. }
            | Op::ClipNorm { .. }
            | Op::Momentum { .. }
            | Op::Normalize { .. }
            | Op::Combine { .. }
            | Op::MaxNorm { .. }
            | Op::Average { .. } => self.updates(op, at),
        }
    }

    pub(super) fn take(&mut self, at: At<'_>, tensor: TensorId) -> Vec<T> {
        match &mut self.own[at.place(tensor)] {
            Values::Numbers(values) => take(values),
            Values::Indices(_) => Vec::new(),
        }
    }

    pub(super) fn put(&mut self, at: At<'_>, tensor: TensorId, values: Vec<T>) {
        self.own[at.place(tensor)] = Values::Numbers(values);
    }

    /// A tensor's values in the rows that the step has.
    pub(super) fn values(&self, at: At<'_>, tensor: TensorId) -> &[T] {
        &self.own[at.place(tensor)].numbers()[at.range(tensor)]
    }

    /// The same of a tensor that members share.
    fn common(&self, at: At<'_>, tensor: TensorId) -> &[T] {
        &self.shared[at.place(tensor)].numbers()[at.range(tensor)]
    }

    /// The rows of the dataset that the step has.
    fn order(&self, at: At<'_>, order: TensorId) -> &[u32] {
        &self.own[at.place(order)].indices()[at.batch()]
    }
}
