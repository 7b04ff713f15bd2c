//! Ops as the table that `shaders/steps.wgsl` reads, and where their tensors lie.

use bytemuck::{Pod, Zeroable};

use super::call::{dropout, function, loss, loss_weights, rows, rule};
use super::device::Device;
use super::record::Memory;
use crate::program::{Element, Op, Product, Program, Rows, TensorId, Transpose, buffer, chunk};

/// Ops that the table holds: OPS in the shader.
pub(super) const OPS: usize = 128;

/// An op as the shader reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Entry {
    pub(super) kind: u32,
    function: u32,
    epilogue: u32,
    m: u32,
    n: u32,
    k: u32,
    a: [u32; 2],
    b: [u32; 2],
    c: [u32; 2],
    d: [u32; 2],
    e: [u32; 2],
    f: [u32; 2],
    a_strides: [u32; 2],
    b_strides: [u32; 2],
    rates: [f32; 3],
    /// Of a loss, or the limit of a clipping.
    parameter: f32,
    /// Of a product: whether it is made in tiles.
    tiled: u32,
    padding: u32,
}

/// What ops are to the shader, and what products do with their sums: the constants of `shaders/steps.wgsl`.
mod kind {
    pub(super) const GATHER: u32 = 0;
    pub(super) const MATMUL: u32 = 1;
    pub(super) const BIAS_ADD: u32 = 2;
    pub(super) const ACTIVATION: u32 = 3;
    pub(super) const ACTIVATION_GRADIENT: u32 = 4;
    pub(super) const LOSS_GRADIENT: u32 = 5;
    pub(super) const METRICS: u32 = 6;
    pub(super) const BIAS_GRADIENT: u32 = 7;
    pub(super) const UPDATE: u32 = 8;
    pub(super) const CLEAR: u32 = 9;
    pub(super) const SOFTMAX: u32 = 10;
    pub(super) const CLIP_VALUE: u32 = 11;
    pub(super) const SQUARE_SUMS: u32 = 12;
    pub(super) const CLIP_NORM: u32 = 13;
    pub(super) const DROPOUT: u32 = 14;
    pub(super) const DROPOUT_GRADIENT: u32 = 15;
    pub(super) const AVERAGE: u32 = 16;
    pub(super) const MAX_NORM: u32 = 17;
    pub(super) const PERTURB: u32 = 18;

    pub(super) const ACCUMULATE: u32 = 1;
    pub(super) const BIAS_ACTIVATE: u32 = 2;
    pub(super) const TIMES_DERIVATIVE: u32 = 3;

    /// Of an optimizer: SGD looks ahead.
    pub(super) const NESTEROV: u32 = 1;
}

/// How a device runs the shader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Lanes of a workgroup.
    pub(super) lanes: u32,
    /// Whether they are a subgroup, which makes large products in tiles.
    pub(super) tiles: bool,
}

impl Form {
    /// Tiles are for processors, whose lanes have registers for all sums of a tile, and no others beside them that wait for work.
    pub(super) fn of(device: &Device) -> Self {
        Form {
            lanes: device.lanes,
            tiles: device.software && device.subgroups == Some([device.lanes; 2]),
        }
    }

    pub(super) fn tile_columns(self) -> usize {
        4 * self.lanes as usize
    }
}

/// Rows of a tile: as many for each lane as there are to fill them, four or two.
pub(super) fn tile_rows(program: &Program, form: Form) -> usize {
    let lanes = form.lanes as usize;
    let tiled = program.ops.iter().filter(|op| in_tiles(program, op, form));
    let mut rows = tiled.filter_map(|op| sizes(program, op));
    if rows.all(|[m, ..]| m >= 4 * lanes) {
        4 * lanes
    } else {
        2 * lanes
    }
}

/// Sizes of a product for a full batch: m, n and k.
pub(super) fn sizes(program: &Program, op: &Op) -> Option<[usize; 3]> {
    let size = |rows| match rows {
        Rows::Batch => program.batch,
        Rows::Fixed(rows) => rows,
    };
    let product = op.product(program)?;
    Some([size(product.m), product.n, size(product.k)])
}

/// Whether an op is a product that is made in tiles: one that fills most of a tile, with sums that are worth it.
pub(super) fn in_tiles(program: &Program, op: &Op, form: Form) -> bool {
    let fills = |[m, n, k]: [usize; 3]| {
        m >= form.lanes as usize && 4 * n >= 3 * form.tile_columns() && k >= 8
    };
    form.tiles && sizes(program, op).is_some_and(fills)
}

/// Where the buffers of a program lie in its arena, one behind the other, in elements.
pub(super) struct Arena {
    pub(super) offsets: Vec<usize>,
    pub(super) len: usize,
}

impl Arena {
    pub(super) fn new(program: &Program, memory: &Memory<'_>) -> Arena {
        let mut len = 0;
        let offsets = memory.buffers.iter().enumerate().map(|(place, buffer)| {
            let offset = len;
            if used(program, place)
                && buffer.element == Element::F32
                && !buffer.shared
                && buffer.name != buffer::LOG
            {
                len += program.members * buffer.len;
            }
            offset
        });
        Arena {
            offsets: offsets.collect(),
            len,
        }
    }
}

fn used(program: &Program, place: usize) -> bool {
    let touched = program
        .ops
        .iter()
        .flat_map(|op| [op.reads(), op.writes()].concat());
    touched
        .into_iter()
        .any(|tensor| program.tensors[tensor].buffer == place)
}

/// What an op is to the shader; `None` if it has no part there.
fn kind_of(op: &Op) -> Option<u32> {
    Some(match op {
        Op::Gather { .. } => kind::GATHER,
        Op::Matmul { .. }
        | Op::MatmulBiasActivation { .. }
        | Op::MatmulActivationGradient { .. } => kind::MATMUL,
        Op::BiasAdd { .. } => kind::BIAS_ADD,
        Op::Activation { .. } => kind::ACTIVATION,
        Op::ActivationGradient { .. } => kind::ACTIVATION_GRADIENT,
        Op::LossGradient { .. } => kind::LOSS_GRADIENT,
        Op::Metrics { .. } => kind::METRICS,
        Op::BiasGradient { .. } => kind::BIAS_GRADIENT,
        Op::Update { .. } => kind::UPDATE,
        Op::Clear { .. } => kind::CLEAR,
        Op::Softmax { log: false, .. } => kind::SOFTMAX,
        Op::ClipValue { .. } => kind::CLIP_VALUE,
        Op::SquareSums { .. } => kind::SQUARE_SUMS,
        Op::ClipNorm { .. } => kind::CLIP_NORM,
        Op::Dropout { .. } => kind::DROPOUT,
        Op::DropoutGradient { .. } => kind::DROPOUT_GRADIENT,
        Op::Average { .. } => kind::AVERAGE,
        Op::MaxNorm { .. } => kind::MAX_NORM,
        Op::Perturb { .. } => kind::PERTURB,
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
    })
}

/// A bit for each kind of op that the program has; `None` if it has one that is not the shader's, or products in half precision.
pub(super) fn kinds(program: &Program) -> Option<u32> {
    let mut ops = program.ops.iter();
    if ops.clone().any(|op| program.halved(op).is_some()) {
        return None;
    }
    ops.try_fold(0, |kinds, op| Some(kinds | 1 << kind_of(op)?))
}

/// Makes table entries of ops.
pub(super) struct Table<'a> {
    pub(super) program: &'a Program,
    pub(super) memory: &'a Memory<'a>,
    pub(super) arena: &'a Arena,
    pub(super) form: Form,
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
        let stride = if buffer.shared { 0 } else { buffer.len };
        [(first + tensor.offset) as u32, stride as u32]
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

    /// The op as the shader reads it; of no meaning for one that is not the shader's.
    pub(super) fn entry(&self, op: &Op) -> Entry {
        Entry {
            kind: kind_of(op).unwrap_or_default(),
            ..self.operands(op)
        }
    }

    fn operands(&self, op: &Op) -> Entry {
        match *op {
            Op::Gather {
                source,
                order,
                output,
            } => {
                let buffer = &self.memory.buffers[self.program.tensors[source].buffer];
                Entry {
                    function: (buffer.name == buffer::TARGETS).into(),
                    n: self.columns(output),
                    b: self.view(order),
                    c: self.view(output),
                    ..Entry::default()
                }
            }
            Op::Matmul {
                a,
                b,
                transpose,
                accumulate,
                output,
            } => Entry {
                epilogue: if accumulate { kind::ACCUMULATE } else { 0 },
                ..self.product(op, a, b, transpose, output)
            },
            Op::MatmulBiasActivation {
                a,
                b,
                bias,
                function: f,
                output,
            } => Entry {
                epilogue: kind::BIAS_ACTIVATE,
                function: function(f),
                d: self.view(bias),
                ..self.product(op, a, b, Transpose::B, output)
            },
            Op::MatmulActivationGradient {
                a,
                b,
                function: f,
                kept,
                output,
            } => Entry {
                epilogue: kind::TIMES_DERIVATIVE,
                function: function(f),
                d: self.view(kept),
                ..self.product(op, a, b, Transpose::Neither, output)
            },
            Op::BiasAdd { bias, values } => self.elementwise(0, bias, values),
            Op::Activation {
                function: f,
                input,
                output,
            } => self.elementwise(function(f), input, output),
            Op::ActivationGradient {
                function: f,
                kept,
                gradient,
            } => self.elementwise(function(f), kept, gradient),
            Op::Clear { values } => self.elementwise(0, values, values),
            Op::Average {
                parameters,
                average,
            } => self.elementwise(0, parameters, average),
            Op::ClipValue { limit, values } | Op::MaxNorm { limit, values } => Entry {
                parameter: limit,
                ..self.elementwise(0, values, values)
            },
            Op::SquareSums { values, sums } => Entry {
                n: self.columns(values),
                k: chunk(self.program.len(values)) as u32,
                ..self.elementwise(0, values, sums)
            },
            Op::ClipNorm {
                limit,
                sums,
                values,
            } => Entry {
                k: self.columns(sums),
                parameter: limit,
                ..self.elementwise(0, sums, values)
            },
            Op::Dropout {
                kind,
                layer,
                hyper,
                keys,
                input,
                output,
            } => Entry {
                b: self.view(hyper),
                d: self.view(keys),
                k: layer,
                ..self.elementwise(dropout(kind), input, output)
            },
            Op::Perturb {
                deviation,
                mask,
                layer,
                keys,
                values,
            } => Entry {
                d: self.view(keys),
                k: layer,
                rates: [deviation, 0.0, 0.0],
                parameter: mask,
                ..self.elementwise(0, values, values)
            },
            Op::DropoutGradient {
                kind,
                layer,
                hyper,
                keys,
                gradient,
            } => Entry {
                b: self.view(hyper),
                d: self.view(keys),
                k: layer,
                ..self.elementwise(dropout(kind), gradient, gradient)
            },
            Op::LossGradient {
                function: f,
                weights,
                logits,
                targets,
                gradient,
                rows,
            } => Entry {
                b: self.view(targets),
                d: self.view(rows),
                k: f.width() as u32,
                parameter: f.parameter(),
                epilogue: loss_weights(weights),
                ..self.elementwise(loss(f), logits, gradient)
            },
            Op::Metrics { rows, log } => self.elementwise(0, rows, log),
            Op::BiasGradient {
                gradient,
                accumulate,
                output,
            } => Entry {
                m: self.rows(gradient),
                epilogue: if accumulate { kind::ACCUMULATE } else { 0 },
                ..self.elementwise(0, gradient, output)
            },
            Op::Softmax { logits, output, .. } => self.elementwise(0, logits, output),
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
                Entry {
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
                }
            }
            // Not the shader's: see kind_of.
            _ => Entry::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Levels;

    #[test]
    fn the_table_fits_the_smallest_uniform_binding() {
        assert_eq!(size_of::<Entry>(), 112);
        assert!(16 + 4 * Levels::MOST + OPS * size_of::<Entry>() <= 16_384);
    }
}
