//! Ops as the table that `shaders/steps.wgsl` reads.

use super::arena::Arena;
use super::call::{dropout, function, loss, loss_weights, rows, rule};
use super::entry::{Entry, kind};
use super::form::{Form, in_tiles};
use super::memory::stride;
use super::record::Memory;
use crate::program::{Element, Op, Product, Program, Rows, TensorId, Transpose, buffer, chunk};

/// The table of a program's ops; `None` if it has one that is not the shader's, or products in half precision.
pub(super) fn entries(program: &Program, memory: &Memory<'_>, form: Form) -> Option<Vec<Entry>> {
    if program.ops.iter().any(|op| program.halved(op).is_some()) {
        return None;
    }
    let table = Table {
        program,
        memory,
        arena: &Arena::new(program, memory),
        form,
    };
    program.ops.iter().map(|op| table.entry(op)).collect()
}

/// Makes table entries of ops.
struct Table<'a> {
    program: &'a Program,
    memory: &'a Memory<'a>,
    arena: &'a Arena,
    form: Form,
}

impl Table<'_> {
    /// Offset and member stride: in the arena, or in the buffer itself where that is bound.
    fn view(&self, tensor: TensorId) -> [u32; 2] {
        let tensor = &self.program.tensors[tensor];
        let buffer = &self.memory.buffers[tensor.buffer];
        let bound = buffer.shared || buffer.element == Element::U32 || buffer.name == buffer::LOG;
        let first = if bound {
            0
        } else {
            self.arena.offsets[tensor.buffer]
        };
        [(first + tensor.offset) as u32, stride(buffer) as u32]
    }

    fn columns(&self, tensor: TensorId) -> u32 {
        self.program.tensors[tensor].columns as u32
    }

    fn rows(&self, tensor: TensorId) -> u32 {
        rows(self.program.tensors[tensor].rows)
    }

    fn elementwise(&self, function: u32, a: TensorId, c: TensorId) -> Entry {
        Entry {
            function,
            m: self.rows(c),
            n: self.columns(c),
            a: self.view(a),
            c: self.view(c),
            ..Entry::default()
        }
    }

    fn limited(&self, limit: f32, values: TensorId) -> Entry {
        Entry {
            parameter: limit,
            ..self.elementwise(0, values, values)
        }
    }

    fn product(
        &self,
        op: &Op,
        a: TensorId,
        b: TensorId,
        transpose: Transpose,
        c: TensorId,
    ) -> Entry {
        let Product { m, n, k } = op.product(self.program).unwrap_or(Product {
            m: Rows::Fixed(0),
            n: 0,
            k: Rows::Fixed(0),
        });
        let strides = |tensor: TensorId, transposed: bool| {
            let columns = self.columns(tensor);
            if transposed {
                [1, columns]
            } else {
                [columns, 1]
            }
        };
        Entry {
            tiled: in_tiles(self.program, op, self.form).into(),
            m: rows(m),
            n: n as u32,
            k: rows(k),
            a: self.view(a),
            b: self.view(b),
            c: self.view(c),
            a_strides: strides(a, transpose == Transpose::A),
            b_strides: strides(b, transpose == Transpose::B),
            ..Entry::default()
        }
    }

    /// The op as the shader reads it; `None` if it has no part there.
    fn entry(&self, op: &Op) -> Option<Entry> {
        let (kind, entry) = match *op {
            Op::Gather {
                source,
                order,
                output,
            } => {
                let buffer = &self.memory.buffers[self.program.tensors[source].buffer];
                let entry = Entry {
                    function: (buffer.name == buffer::TARGETS).into(),
                    n: self.columns(output),
                    b: self.view(order),
                    c: self.view(output),
                    ..Entry::default()
                };
                (kind::GATHER, entry)
            }
            Op::Matmul {
                a,
                b,
                transpose,
                accumulate,
                output,
            } => (
                kind::MATMUL,
                Entry {
                    epilogue: if accumulate { kind::ACCUMULATE } else { 0 },
                    ..self.product(op, a, b, transpose, output)
                },
            ),
            Op::MatmulBiasActivation {
                a,
                b,
                bias,
                function: f,
                output,
            } => (
                kind::MATMUL,
                Entry {
                    epilogue: kind::BIAS_ACTIVATE,
                    function: function(f),
                    d: self.view(bias),
                    ..self.product(op, a, b, Transpose::B, output)
                },
            ),
            Op::MatmulActivationGradient {
                a,
                b,
                function: f,
                kept,
                output,
            } => (
                kind::MATMUL,
                Entry {
                    epilogue: kind::TIMES_DERIVATIVE,
                    function: function(f),
                    d: self.view(kept),
                    ..self.product(op, a, b, Transpose::Neither, output)
                },
            ),
            Op::BiasAdd { bias, values } => (kind::BIAS_ADD, self.elementwise(0, bias, values)),
            Op::Activation {
                function: f,
                input,
                output,
            } => (
                kind::ACTIVATION,
                self.elementwise(function(f), input, output),
            ),
            Op::ActivationGradient {
                function: f,
                kept,
                gradient,
            } => (
                kind::ACTIVATION_GRADIENT,
                self.elementwise(function(f), kept, gradient),
            ),
            Op::Clear { values } => (kind::CLEAR, self.elementwise(0, values, values)),
            Op::Average {
                parameters,
                average,
            } => (kind::AVERAGE, self.elementwise(0, parameters, average)),
            Op::ClipValue { limit, values } => (kind::CLIP_VALUE, self.limited(limit, values)),
            Op::MaxNorm { limit, values } => (kind::MAX_NORM, self.limited(limit, values)),
            Op::SquareSums { values, sums } => (
                kind::SQUARE_SUMS,
                Entry {
                    n: self.columns(values),
                    k: chunk(self.program.len(values)) as u32,
                    ..self.elementwise(0, values, sums)
                },
            ),
            Op::ClipNorm {
                limit,
                sums,
                values,
            } => (
                kind::CLIP_NORM,
                Entry {
                    k: self.columns(sums),
                    parameter: limit,
                    ..self.elementwise(0, sums, values)
                },
            ),
            Op::Dropout {
                kind,
                layer,
                hyper,
                keys,
                input,
                output,
            } => (
                kind::DROPOUT,
                Entry {
                    b: self.view(hyper),
                    d: self.view(keys),
                    k: layer,
                    ..self.elementwise(dropout(kind), input, output)
                },
            ),
            Op::Perturb {
                deviation,
                mask,
                layer,
                keys,
                values,
            } => (
                kind::PERTURB,
                Entry {
                    d: self.view(keys),
                    k: layer,
                    rates: [deviation, 0.0, 0.0],
                    parameter: mask,
                    ..self.elementwise(0, values, values)
                },
            ),
            Op::DropoutGradient {
                kind,
                layer,
                hyper,
                keys,
                gradient,
            } => (
                kind::DROPOUT_GRADIENT,
                Entry {
                    b: self.view(hyper),
                    d: self.view(keys),
                    k: layer,
                    ..self.elementwise(dropout(kind), gradient, gradient)
                },
            ),
            Op::LossGradient {
                function: f,
                weights,
                logits,
                targets,
                gradient,
                rows,
            } => (
                kind::LOSS_GRADIENT,
                Entry {
                    b: self.view(targets),
                    d: self.view(rows),
                    k: f.width() as u32,
                    parameter: f.parameter(),
                    epilogue: loss_weights(weights),
                    ..self.elementwise(loss(f), logits, gradient)
                },
            ),
            Op::Metrics { rows, log } => (kind::METRICS, self.elementwise(0, rows, log)),
            Op::BiasGradient {
                gradient,
                accumulate,
                output,
            } => (
                kind::BIAS_GRADIENT,
                Entry {
                    m: self.rows(gradient),
                    epilogue: if accumulate { kind::ACCUMULATE } else { 0 },
                    ..self.elementwise(0, gradient, output)
                },
            ),
            Op::Softmax {
                log: false,
                logits,
                output,
            } => (kind::SOFTMAX, self.elementwise(0, logits, output)),
            Op::Update {
                ref optimizer,
                parameters,
                gradients,
                ref moments,
                hyper,
                decayed,
            } => {
                // What is not there is not touched; but for the first, which is written before the weights are.
                let moment = |k: usize| self.view(moments.get(k).copied().unwrap_or(parameters));
                let entry = Entry {
                    function: rule(optimizer.rule),
                    epilogue: if optimizer.nesterov {
                        kind::NESTEROV
                    } else {
                        0
                    },
                    m: moments.len() as u32,
                    n: self.columns(gradients),
                    k: decayed as u32,
                    a: self.view(gradients),
                    b: self.view(hyper),
                    c: self.view(parameters),
                    d: moment(0),
                    e: moment(1),
                    f: moment(2),
                    rates: [optimizer.beta1, optimizer.beta2, optimizer.epsilon],
                    ..Entry::default()
                };
                (kind::UPDATE, entry)
            }
            Op::Softmax { log: true, .. }
            | Op::SoftmaxGradient { .. }
            | Op::Add { .. }
            | Op::Mix { .. }
            | Op::Warp { .. }
            | Op::Prelu { .. }
            | Op::PreluGradient { .. }
            | Op::BatchNorm { .. }
            | Op::BatchNormInference { .. }
            | Op::BatchNormGradient { .. }
            | Op::LayerNorm { .. }
            | Op::LayerNormParameters { .. }
            | Op::LayerNormGradient { .. }
            | Op::GatherBoth { .. }
            | Op::MatmulBiasGradient { .. }
            | Op::Momentum { .. }
            | Op::Normalize { .. }
            | Op::Combine { .. }
            | Op::Periodic { .. }
            | Op::PeriodicGradient { .. }
            | Op::Lookup { .. }
            | Op::LookupGradient { .. }
            | Op::Answers { .. }
            | Op::Join { .. }
            | Op::Verdict { .. }
            | Op::TallyClasses { .. }
            | Op::TallyLabels { .. }
            | Op::TallyValues { .. }
            | Op::Keep { .. } => return None,
        };
        Some(Entry { kind, ..entry })
    }
}
