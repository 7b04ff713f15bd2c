//! A training step as data: ops over named buffers, made once, run as often as needed by any backend.
//!
//! Every per-member buffer has a leading member axis: a program trains a *pack* of networks of one shape, each with its own
//! weights, batch order and hyper-parameters. A batch may be short: ops work on the first `rows` rows that a [`Step`]
//! names, and what lies behind them is undefined.

mod augment;
mod build;
mod embed;
mod fuse;
mod layers;
mod levels;
mod loss;
mod muon;
mod op;
mod optimizer;
mod places;
mod precision;
mod print;
mod tally;

pub use augment::{Augmentation, Image, Warp};
pub use build::Capacity;
pub use levels::Levels;
pub use loss::{Link, Loss, LossFunction, LossWeights, Reduction};
pub use op::{Op, Product, Transpose, chunk};
pub use optimizer::{Optimizer, Rule};
pub use places::{Place, Places};
pub use precision::{Halved, Precision};
pub(crate) use tally::shares;
pub use tally::{Answer, BINS, Stretch, Tallied, spread};

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

/// Names of the buffers that outlive a run, and that the caller fills or reads.
pub mod buffer {
    /// Rows of the dataset: shared, `[dataset rows, inputs]`.
    pub const INPUTS: &str = "inputs";
    /// Targets of the dataset: shared, `[dataset rows, targets]`; a class is its index.
    pub const TARGETS: &str = "targets";
    /// Targets as they are, where [`TARGETS`] has what is learned of them: shared, `[dataset rows, targets]`.
    pub const WANTED: &str = "wanted targets";
    /// What each value's target was standardised by: shared, `[targets, 2]`, mean and deviation.
    pub const MOMENTS: &str = "moments";
    /// Each member's dataset rows in the order of their use: `[members, order]` of u32.
    pub const ORDER: &str = "order";
    /// The row that each row of [`ORDER`] is mixed with: `[members, order]` of u32.
    pub const PARTNERS: &str = "partners";
    /// The share that each row of [`ORDER`] has in its mixture: `[members, order]`.
    pub const SHARES: &str = "shares";
    /// Each member's [`Hyper`](super::Hyper): `[members, 8]`.
    pub const HYPER: &str = "hyper";
    /// Each member's key of what is drawn on the device: `[members, 2]` of u32, see [`key`](crate::random::key).
    pub const KEYS: &str = "keys";
    /// One [`record`](super::record) a step: `[members, records, 4]`.
    pub const LOG: &str = "log";
    /// All parameters, flat: those that penalties are on first.
    pub const PARAMETERS: &str = "parameters";
    /// Their gradients, laid out alike.
    pub const GRADIENTS: &str = "gradients";
    /// Running mean of the gradients (Adam), or the velocity (SGD with momentum).
    pub const MOMENT1: &str = "moment1";
    /// Running mean of the squared gradients (Adam).
    pub const MOMENT2: &str = "moment2";
    /// The optimizer's third moment.
    pub const MOMENT3: &str = "moment3";
    /// The running mean of the parameters, laid out alike.
    pub const AVERAGE: &str = "average";
    /// Running means and variances of normalisations over batches.
    pub const RUNNING: &str = "running";
    /// What an inference program answers: `[members, batch, outputs]`.
    pub const OUTPUTS: &str = "outputs";
    /// One [`record`](super::record) a row of a batch: `[members, batch, 4]`.
    pub const RECORDS: &str = "records";
    /// What an evaluation that counts answers makes of a batch, by one network or several together: `[members, batch, columns]`.
    pub const ANSWERS: &str = "answers";
    /// Answers that are there before they are counted: shared, `[dataset rows, columns]`.
    pub const ANSWERED: &str = "answered";
    /// What it counts, over steps: see [`Tallied`](super::Tallied).
    pub const COUNTS: &str = "counts";
    /// What it sums up, a record a step.
    pub const SUMS: &str = "sums";
    /// Answers of all steps, where they are kept: `[members, rows, columns]`.
    pub const KEPT: &str = "kept answers";
}

/// What one row of the log holds, as sums over the rows of a step.
pub mod record {
    /// Values a record.
    pub const WIDTH: usize = 4;
    /// The loss, before the reduction's factor.
    pub const LOSS: usize = 0;
    /// Rows whose prediction is right, for a classification.
    pub const CORRECT: usize = 1;
    /// |prediction − target|, over all outputs.
    pub const ABSOLUTE: usize = 2;
    /// (prediction − target)², over all outputs.
    pub const SQUARED: usize = 3;
}

/// What changes from step to step; everything else about a step is in the program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable, Serialize, Deserialize)]
pub struct Step {
    /// Position of the batch's first row in each member's order.
    pub first: u32,
    /// Rows of the batch; at most the program's batch size.
    pub rows: u32,
    /// Which record of the log the step writes.
    pub record: u32,
    /// The loss's factor: with the mean over `n` values, 1 / n.
    pub loss_scale: f32,
    /// Factor of every member's learning rate, from the schedule.
    pub rate: f32,
    /// The first of what the optimizer's update has of its own: see [`Optimizer::corrections`].
    pub correction1: f32,
    /// The second.
    pub correction2: f32,
    /// The third.
    pub correction3: f32,
    /// Updates before this one, which the random numbers of the step follow from; its lower 32 bits.
    pub number: u32,
    /// Share of the weights after the step in their running mean, where the optimizer keeps one.
    pub average: f32,
}

/// A member's hyper-parameters, a row of [`buffer::HYPER`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Hyper {
    /// Step size, before the schedule's factor.
    pub learning_rate: f32,
    /// λ, on the weights (not the biases): of the penalty λ/2·‖W‖², or decoupled where the rule has it so.
    pub weight_decay: f32,
    /// μ of SGD and `RMSprop`.
    pub momentum: f32,
    /// λ₁ of the penalty λ₁·Σ|w| on the weights.
    pub l1: f32,
    /// Share of a hidden layer's outputs that a step leaves out, where the network has dropout.
    pub dropout: f32,
    /// Keeps the row a multiple of 16 bytes.
    pub padding: [f32; 3],
}

impl Hyper {
    /// Values a row.
    pub const WIDTH: usize = size_of::<Hyper>() / size_of::<f32>();
}

/// What a buffer's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Element {
    /// Numbers.
    F32,
    /// Row indices.
    U32,
}

/// A named range of device memory. Programs compiled on one backend share the buffers whose names they share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// How callers and other programs refer to it.
    pub name: String,
    /// Type of its elements.
    pub element: Element,
    /// Elements for each member, or in all if it is shared.
    pub len: usize,
    /// Whether all members read the same.
    pub shared: bool,
}

/// How many rows a tensor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rows {
    /// As many as the step's batch.
    Batch,
    /// Always this many.
    Fixed(usize),
}

/// A row-major matrix inside a buffer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// As in the formulas of `program/build.rs`.
    pub name: String,
    /// The buffer that holds it.
    pub buffer: usize,
    /// Where it begins, in elements of one member.
    pub offset: usize,
    /// Its rows.
    pub rows: Rows,
    /// Its columns.
    pub columns: usize,
}

/// Position of a tensor in [`Program::tensors`].
pub type TensorId = usize;

/// An ordered list of ops over named buffers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Networks trained at once.
    pub members: usize,
    /// The most rows a step has.
    pub batch: usize,
    /// Of the operands of products over a batch.
    pub precision: Precision,
    /// Memory.
    pub buffers: Vec<Buffer>,
    /// Views of it.
    pub tensors: Vec<Tensor>,
    /// What a step does, in order.
    pub ops: Vec<Op>,
}

impl Program {
    /// Rows of a tensor in a full batch.
    pub fn rows(&self, tensor: TensorId) -> usize {
        match self.tensors[tensor].rows {
            Rows::Batch => self.batch,
            Rows::Fixed(rows) => rows,
        }
    }

    /// Elements of a tensor, for one member and a full batch.
    pub fn len(&self, tensor: TensorId) -> usize {
        self.rows(tensor) * self.tensors[tensor].columns
    }

    /// The buffer of this name.
    pub fn buffer(&self, name: &str) -> Option<&Buffer> {
        self.buffers.iter().find(|buffer| buffer.name == name)
    }

    /// Buffers of numbers that one step leaves to the next, each member's own: parameters, moments, means. What holds the rows of
    /// a batch is scratch; gradients are zero between two steps; the rest of what is left out the host writes anew or has read.
    pub fn lasting(&self) -> impl Iterator<Item = &Buffer> {
        const PASSING: [&str; 7] = [
            buffer::GRADIENTS,
            buffer::LOG,
            buffer::HYPER,
            buffer::SHARES,
            buffer::COUNTS,
            buffer::SUMS,
            buffer::KEPT,
        ];
        let buffers = self.buffers.iter().enumerate();
        let own = buffers.filter(move |(place, buffer)| {
            buffer.element == Element::F32
                && !buffer.shared
                && !PASSING.contains(&&*buffer.name)
                && !self.holds_rows(*place)
        });
        own.map(|(_, buffer)| buffer)
    }

    /// Whether a buffer's size follows from the rows of a batch.
    pub fn is_of_batch(&self, name: &str) -> bool {
        let place = self.buffers.iter().position(|buffer| buffer.name == name);
        place.is_some_and(|place| self.holds_rows(place))
    }

    fn holds_rows(&self, place: usize) -> bool {
        let mut tensors = self.tensors.iter();
        tensors.any(|tensor| tensor.buffer == place && tensor.rows == Rows::Batch)
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Adds a buffer.
    pub fn add_buffer(&mut self, name: &str, element: Element, len: usize, shared: bool) -> usize {
        self.buffers.push(Buffer {
            name: name.into(),
            element,
            len,
            shared,
        });
        self.buffers.len() - 1
    }

    /// Adds a tensor over a range of a buffer.
    pub fn add_tensor(
        &mut self,
        name: &str,
        buffer: usize,
        offset: usize,
        rows: Rows,
        columns: usize,
    ) -> TensorId {
        self.tensors.push(Tensor {
            name: name.into(),
            buffer,
            offset,
            rows,
            columns,
        });
        self.tensors.len() - 1
    }

    /// Adds a tensor with a buffer of its own and of the same name.
    pub fn add_own(&mut self, name: &str, rows: Rows, columns: usize) -> TensorId {
        let height = match rows {
            Rows::Batch => self.batch,
            Rows::Fixed(rows) => rows,
        };
        let buffer = self.add_buffer(name, Element::F32, height * columns, false);
        self.add_tensor(name, buffer, 0, rows, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Network};

    #[test]
    fn what_follows_from_the_rows_of_a_batch_is_no_state() {
        let network = Network::new(3, &[4], Activation::Relu, 2, Activation::Identity);
        let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
        let program = |batch: usize| {
            let capacity = Capacity {
                members: 2,
                batch,
                rows: 20,
                order: 20,
                records: 5,
            };
            Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused()
        };
        let (one, other) = (program(4), program(8));
        for (small, large) in one.buffers.iter().zip(&other.buffers) {
            let grows = small.len < large.len;
            // What fusing has emptied stays empty.
            assert!(!grows || one.is_of_batch(&small.name), "{}", small.name);
            let lasts = one.lasting().any(|buffer| buffer == small);
            assert!(!(grows && lasts), "{}", small.name);
        }
        assert!(one.is_of_batch("records") && !one.is_of_batch(buffer::PARAMETERS));
    }
}
