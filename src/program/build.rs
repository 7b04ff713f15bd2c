//! Networks become programs: a batch, the layers, the loss, the update.

use super::layers::last;
use super::{
    Element, Hyper, Link, Loss, Op, Optimizer, Places, Precision, Program, Rows, Rule, TensorId,
    buffer, chunk, record,
};
use crate::model::{Activation, Network, Role};

/// How much the buffers around a program hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Networks in the pack.
    pub members: usize,
    /// Rows a step has at most.
    pub batch: usize,
    /// Rows of the dataset on the device.
    pub rows: usize,
    /// Row indices a run holds for each member.
    pub order: usize,
    /// Steps whose records the log holds.
    pub records: usize,
}

impl Program {
    /// Whole training steps: gather a batch, forward, loss, backward, update.
    pub fn training(
        network: &Network,
        loss: &Loss,
        optimizer: &Optimizer,
        capacity: Capacity,
    ) -> Self {
        let mut builder = Builder::new(network, capacity);
        builder.learn(*loss, false);
        builder.update(optimizer, false);
        builder.program
    }

    /// Adds a batch's gradient to the gradients, without the update: one shard, or one micro-batch, of a larger step.
    pub fn gradients(network: &Network, loss: &Loss, capacity: Capacity) -> Self {
        let mut builder = Builder::new(network, capacity);
        builder.learn(*loss, true);
        builder.program
    }

    /// Puts a batch's gradient in the place of what was there: for sums that are made elsewhere.
    pub fn shard(network: &Network, loss: &Loss, capacity: Capacity) -> Self {
        let mut builder = Builder::new(network, capacity);
        builder.learn(*loss, false);
        builder.program
    }

    /// The update alone, which leaves the gradients at zero for the next sum.
    pub fn update(network: &Network, optimizer: &Optimizer, capacity: Capacity) -> Self {
        let mut builder = Builder::new(network, capacity);
        builder.update(optimizer, true);
        builder.program
    }

    /// Loss and metrics of rows under the parameters in the buffer `parameters`, into the log.
    pub fn evaluation(
        network: &Network,
        loss: &Loss,
        parameters: &'static str,
        capacity: Capacity,
    ) -> Self {
        let mut builder = Builder::new(network, capacity);
        builder.parameters = parameters;
        let [input, targets] = builder.examples(loss);
        let input = builder.embed(input);
        let activations = builder.forward(input, false);
        builder.loss(*loss, last(&activations, input), targets);
        builder.program
    }

    /// Predictions for rows, into [`buffer::OUTPUTS`].
    pub fn inference(network: &Network, link: Link, capacity: Capacity) -> Self {
        let mut builder = Builder::new(network, capacity);
        let input = builder.batch_of(buffer::INPUTS, "x", network.inputs);
        let input = builder.embed(input);
        let activations = builder.forward(input, false);
        builder.link(link, last(&activations, input));
        builder.program
    }
}

pub(super) struct Builder<'a> {
    pub(super) network: &'a Network,
    capacity: Capacity,
    /// The buffer that the forward pass takes weights and biases from.
    pub(super) parameters: &'static str,
    pub(super) program: Program,
    pub(super) places: Places,
}

impl<'a> Builder<'a> {
    pub(super) fn new(network: &'a Network, capacity: Capacity) -> Self {
        Builder {
            network,
            capacity,
            parameters: buffer::PARAMETERS,
            program: Program {
                members: capacity.members,
                batch: capacity.batch,
                precision: Precision::F32,
                buffers: Vec::new(),
                tensors: Vec::new(),
                ops: Vec::new(),
            },
            places: Places::new(network),
        }
    }

    pub(super) fn push(&mut self, op: Op) {
        self.program.ops.push(op);
    }

    pub(super) fn buffer(
        &mut self,
        name: &str,
        element: Element,
        len: usize,
        shared: bool,
    ) -> usize {
        let existing = self
            .program
            .buffers
            .iter()
            .position(|buffer| buffer.name == name);
        existing.unwrap_or_else(|| self.program.add_buffer(name, element, len, shared))
    }

    pub(super) fn tensor(
        &mut self,
        name: &str,
        buffer: usize,
        offset: usize,
        rows: usize,
        columns: usize,
    ) -> TensorId {
        let existing = self
            .program
            .tensors
            .iter()
            .position(|tensor| tensor.name == name);
        existing.unwrap_or_else(|| {
            self.program
                .add_tensor(name, buffer, offset, Rows::Fixed(rows), columns)
        })
    }

    pub(super) fn flat(&mut self, name: &str) -> TensorId {
        let len = self.places.len;
        let buffer = self.buffer(name, Element::F32, len, false);
        self.tensor(name, buffer, 0, 1, len)
    }

    /// A parameter in the flat buffer of this name, or its gradient (`d layers.N.weight`).
    pub(super) fn parameter(&mut self, name: &str, flat: &str) -> TensorId {
        let (offset, rows, columns) = self
            .places
            .of(name)
            .map_or((0, 0, 0), |place| (place.offset, place.rows, place.columns));
        let len = self.places.len;
        let buffer = self.buffer(flat, Element::F32, len, false);
        let name = format!("{}{name}", prefix(flat));
        self.tensor(&name, buffer, offset, rows, columns)
    }

    /// W`[out, in]` of layer `n`, or its gradient.
    pub(super) fn weight(&mut self, n: usize, flat: &str) -> TensorId {
        self.parameter(&format!("layers.{n}.weight"), flat)
    }

    /// b`[1, out]` of layer `n`, or its gradient.
    pub(super) fn bias(&mut self, n: usize, flat: &str) -> TensorId {
        self.parameter(&format!("layers.{n}.bias"), flat)
    }

    /// x = rows of a dataset, as the batch order has them.
    pub(super) fn batch_of(&mut self, dataset: &str, name: &str, columns: usize) -> TensorId {
        let Capacity { rows, order, .. } = self.capacity;
        let data = self.buffer(dataset, Element::F32, rows * columns, true);
        let source = self.tensor(dataset, data, 0, rows, columns);
        let indices = self.buffer(buffer::ORDER, Element::U32, order, false);
        let order = self.tensor(buffer::ORDER, indices, 0, 1, order);
        let output = self.program.add_own(name, Rows::Batch, columns);
        self.push(Op::Gather {
            source,
            order,
            output,
        });
        output
    }

    pub(super) fn hyper(&mut self) -> TensorId {
        let place = self.buffer(buffer::HYPER, Element::F32, Hyper::WIDTH, false);
        self.tensor(buffer::HYPER, place, 0, 1, Hyper::WIDTH)
    }

    pub(super) fn keys(&mut self) -> TensorId {
        let place = self.buffer(buffer::KEYS, Element::U32, 2, false);
        self.tensor(buffer::KEYS, place, 0, 1, 2)
    }

    /// x and t, the inputs and the targets of a batch.
    pub(super) fn examples(&mut self, loss: &Loss) -> [TensorId; 2] {
        let targets = loss.target_columns(self.network.outputs());
        [
            self.batch_of(buffer::INPUTS, "x", self.network.inputs),
            self.batch_of(buffer::TARGETS, "t", targets),
        ]
    }

    /// The loss of the output against the targets, its gradient by the output, and the step's record.
    pub(super) fn loss(&mut self, loss: Loss, logits: TensorId, targets: TensorId) -> TensorId {
        let outputs = self.network.outputs();
        let gradient = self.program.add_own("d output", Rows::Batch, outputs);
        let rows = self
            .program
            .add_own(buffer::RECORDS, Rows::Batch, record::WIDTH);
        let records = self.capacity.records;
        let log = self.buffer(buffer::LOG, Element::F32, records * record::WIDTH, false);
        let log = self.tensor(buffer::LOG, log, 0, records, record::WIDTH);
        self.push(Op::LossGradient {
            function: loss.function,
            weights: loss.weights,
            logits,
            targets,
            gradient,
            rows,
        });
        self.push(Op::Metrics { rows, log });
        gradient
    }

    fn learn(&mut self, loss: Loss, accumulate: bool) {
        let [input, targets] = self.examples(&loss);
        let embedded = self.embed(input);
        let activations = self.forward(embedded, true);
        let gradient = self.loss(loss, last(&activations, embedded), targets);
        let dz = self.backward(embedded, &activations, gradient, accumulate);
        self.embed_gradient(input, dz, accumulate);
    }

    fn update(&mut self, optimizer: &Optimizer, clear: bool) {
        let parameters = self.flat(buffer::PARAMETERS);
        let gradients = self.flat(buffer::GRADIENTS);
        self.clip(optimizer, gradients);
        if optimizer.rule == Rule::Muon {
            self.muon(optimizer);
        } else {
            let hyper = self.hyper();
            let decayed = self.places.decayed;
            let moments = optimizer.moments().iter();
            let op = Op::Update {
                optimizer: *optimizer,
                parameters,
                gradients,
                moments: moments.map(|name| self.flat(name)).collect(),
                hyper,
                decayed,
            };
            self.push(op);
        }
        if let Some(limit) = optimizer.max_norm {
            self.max_norm(limit);
        }
        if optimizer.average.is_some() {
            let average = self.flat(buffer::AVERAGE);
            self.push(Op::Average {
                parameters,
                average,
            });
        }
        if clear {
            self.push(Op::Clear { values: gradients });
        }
    }

    /// g = clamp(g, ±c);  g = g·min(1, c/‖g‖), for the gradient g of all parameters.
    fn clip(&mut self, optimizer: &Optimizer, gradients: TensorId) {
        if let Some(limit) = optimizer.clip_value {
            self.push(Op::ClipValue {
                limit,
                values: gradients,
            });
        }
        if let Some(limit) = optimizer.clip_norm {
            let chunks = self.places.len.div_ceil(chunk(self.places.len));
            let sums = self.program.add_own("square sums", Rows::Fixed(1), chunks);
            self.push(Op::SquareSums {
                values: gradients,
                sums,
            });
            self.push(Op::ClipNorm {
                limit,
                sums,
                values: gradients,
            });
        }
    }

    /// Each unit's incoming weights w, a row of W:  w = w·min(1, c/‖w‖).
    fn max_norm(&mut self, limit: f32) {
        for parameter in self.network.parameters() {
            if matches!(parameter.role, Role::Weight(_)) {
                let values = self.parameter(&parameter.name, buffer::PARAMETERS);
                self.push(Op::MaxNorm { limit, values });
            }
        }
    }

    fn link(&mut self, link: Link, logits: TensorId) {
        let output = self
            .program
            .add_own(buffer::OUTPUTS, Rows::Batch, self.network.outputs());
        self.push(match link {
            Link::Softmax => Op::Softmax {
                log: false,
                logits,
                output,
            },
            Link::Sigmoid => Op::Activation {
                function: Activation::Sigmoid,
                input: logits,
                output,
            },
            // An exponential and an order are left to whoever asks for answers; a margin has no other form.
            Link::Identity | Link::Margin | Link::Exponential | Link::Ordered | Link::Normal => {
                Op::Activation {
                    function: Activation::Identity,
                    input: logits,
                    output,
                }
            }
        });
    }
}

pub(super) fn prefix(flat: &str) -> &'static str {
    if flat == buffer::GRADIENTS { "d " } else { "" }
}
