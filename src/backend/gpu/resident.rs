//! Small programs, many whole steps in one dispatch: the ops become a table that `shaders/steps.wgsl` runs.

use bytemuck::{Pod, Zeroable};

use super::call::{function, loss, rows, rule};
use super::device::Device;
use super::record::{Memory, binding_elements};
use super::shader::{Constants, Pipelines};
use crate::backend::BackendError;
use crate::model::Activation;
use crate::program::{Element, Op, Product, Program, Rows, Step, TensorId, Transpose, buffer};

/// Steps that one dispatch runs at most.
pub(super) const STEPS: usize = 1 << 16;

/// Loop iterations that an invocation makes in one dispatch at most. llvmpipe counts those of all of a shader's loops and,
/// at 65,535, leaves them without a word (`LP_MAX_TGSI_LOOP_ITERATIONS` in Mesa's `lp_bld_limits.h`). An eighth of that, as
/// Mesa makes loops of switches and of loops' bodies too: up to four for one of ours were seen.
pub(super) const ITERATIONS: usize = 8_000;

/// Ops that the table holds: OPS in the shader.
const OPS: usize = 128;

/// An op as the shader reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
struct Entry {
    kind: u32,
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
    /// Of a loss.
    parameter: f32,
    padding: [u32; 2],
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

    pub(super) const ACCUMULATE: u32 = 1;
    pub(super) const BIAS_ACTIVATE: u32 = 2;
    pub(super) const TIMES_DERIVATIVE: u32 = 3;

    /// Of a loss: the last column of a target is its row's weight.
    pub(super) const WEIGHTED: u32 = 1;

    /// Of an optimizer: SGD looks ahead.
    pub(super) const NESTEROV: u32 = 1;
}

/// A program as one dispatch.
#[derive(Debug)]
pub(super) struct Resident {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    members: u32,
    arena: wgpu::Buffer,
    steps: wgpu::Buffer,
    /// Steps that one dispatch runs.
    pub(super) stride: usize,
    copies: Vec<Copy>,
}

/// A buffer's place in the arena.
#[derive(Debug)]
struct Copy {
    place: usize,
    /// In bytes.
    offset: u64,
    size: u64,
    written: bool,
}

/// Where the buffers of a program lie in its arena, one behind the other, in elements.
struct Arena {
    offsets: Vec<usize>,
    len: usize,
}

impl Arena {
    fn new(program: &Program, memory: &Memory<'_>) -> Arena {
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

impl Resident {
    /// The program as one dispatch, or `None` if it has more ops or memory than one can take.
    pub(super) fn new(
        device: &Device,
        pipelines: &mut Pipelines,
        program: &Program,
        memory: &Memory<'_>,
    ) -> Result<Option<Resident>, BackendError> {
        let arena = Arena::new(program, memory);
        let fits = |buffer: &crate::program::Buffer| {
            let members = if buffer.shared { 1 } else { program.members };
            members * buffer.len <= binding_elements(device)
        };
        let stride = ITERATIONS / iterations(program, device.lanes as usize);
        if program.ops.len() > OPS
            || stride == 0
            || program.members > device.limits.max_compute_workgroups_per_dimension as usize
            || arena.len > binding_elements(device)
            || !memory.buffers.iter().all(fits)
        {
            return Ok(None);
        }
        let mut table = vec![Entry::default(); OPS];
        for (entry, op) in table.iter_mut().zip(&program.ops) {
            *entry = Table {
                program,
                memory,
                arena: &arena,
            }
            .entry(op);
        }
        let mut words = vec![program.ops.len() as u32, 0, 0, 0];
        words.extend(bytemuck::cast_slice::<Entry, u32>(&table));

        let create = |label, bytes: usize, usage| {
            device.handle.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes.next_multiple_of(16).max(16) as u64,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let uniform = create("program", 4 * words.len(), wgpu::BufferUsages::UNIFORM);
        device
            .queue
            .write_buffer(&uniform, 0, bytemuck::cast_slice(&words));
        let storage = wgpu::BufferUsages::STORAGE;
        let own = create(
            "arena",
            4 * arena.len,
            storage | wgpu::BufferUsages::COPY_SRC,
        );
        let steps = create("steps", STEPS * size_of::<Step>(), storage);
        // A program that lacks one of these never touches its binding.
        let spare = create("spare", 16, storage);
        let spare_log = create("spare log", 16, storage);
        let named = |name: &str| memory.buffers.iter().position(|buffer| buffer.name == name);
        let bound = |name: &str, spare| named(name).map_or(spare, |place| &memory.allocated[place]);
        let pipeline = pipelines.get(device, "steps", &constants(program, device.lanes))?;
        let buffers = [
            &uniform,
            &own,
            bound(buffer::INPUTS, &spare),
            bound(buffer::TARGETS, &spare),
            bound(buffer::ORDER, &spare),
            &steps,
            bound(buffer::LOG, &spare_log),
        ];
        let entries: Vec<_> = buffers
            .iter()
            .enumerate()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let bindings = device.handle.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("steps"),
            layout: &pipeline.layout,
            entries: &entries,
        });
        let copies = (0..memory.buffers.len()).filter_map(|place| {
            let end = arena.offsets.get(place + 1).copied().unwrap_or(arena.len);
            let len = end - arena.offsets[place];
            let mut written = program.ops.iter().flat_map(Op::writes);
            (len > 0).then(|| Copy {
                place,
                offset: 4 * arena.offsets[place] as u64,
                size: 4 * len as u64,
                written: written.any(|tensor| program.tensors[tensor].buffer == place),
            })
        });
        Ok(Some(Resident {
            pipeline: pipeline.pipeline.clone(),
            bindings,
            members: program.members as u32,
            copies: copies.collect(),
            arena: own,
            steps,
            stride,
        }))
    }

    /// Puts steps into a command buffer: buffers in, as few dispatches as may be, buffers out.
    ///
    /// `table` is bound as `step` at dynamic offsets of `distance` bytes; here it says which steps a dispatch runs.
    pub(super) fn encode(
        &self,
        device: &Device,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &[wgpu::Buffer],
        (table, step, distance): (&wgpu::Buffer, &wgpu::BindGroup, usize),
        steps: &[Step],
    ) {
        device
            .queue
            .write_buffer(&self.steps, 0, bytemuck::cast_slice(steps));
        let mut runs = vec![0_u8; steps.len().div_ceil(self.stride) * distance];
        for (index, run) in runs.chunks_exact_mut(distance).enumerate() {
            let first = index * self.stride;
            let run_steps = self.stride.min(steps.len() - first);
            run[..8].copy_from_slice(bytemuck::cast_slice(&[first as u32, run_steps as u32]));
        }
        device.queue.write_buffer(table, 0, &runs);
        for copy in &self.copies {
            encoder.copy_buffer_to_buffer(
                &buffers[copy.place],
                0,
                &self.arena,
                copy.offset,
                copy.size,
            );
        }
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &self.bindings, &[]);
            for offset in (0..runs.len()).step_by(distance) {
                pass.set_bind_group(1, step, &[offset as u32]);
                pass.dispatch_workgroups(1, 1, self.members);
            }
        }
        for copy in self.copies.iter().filter(|copy| copy.written) {
            encoder.copy_buffer_to_buffer(
                &self.arena,
                copy.offset,
                &buffers[copy.place],
                0,
                copy.size,
            );
        }
    }
}

/// What the shader is specialised by.
pub(super) fn constants(program: &Program, lanes: u32) -> Constants {
    vec![
        ("LANES", lanes),
        ("FUNCTION", only(program.ops.iter().filter_map(activation))),
        ("LOSS", only(program.ops.iter().filter_map(loss_of))),
        ("RULE", only(program.ops.iter().filter_map(rule_of))),
    ]
}

/// The function that the op applies, as the shader knows it, if it is not the identity.
fn activation(op: &Op) -> Option<u32> {
    match *op {
        Op::Activation { function: f, .. }
        | Op::ActivationGradient { function: f, .. }
        | Op::MatmulBiasActivation { function: f, .. }
        | Op::MatmulActivationGradient { function: f, .. } => {
            (f != Activation::Identity).then(|| function(f))
        }
        _ => None,
    }
}

fn loss_of(op: &Op) -> Option<u32> {
    match *op {
        Op::LossGradient { function: f, .. } => Some(loss(f)),
        _ => None,
    }
}

fn rule_of(op: &Op) -> Option<u32> {
    match *op {
        Op::Update { ref optimizer, .. } => Some(rule(optimizer.rule)),
        _ => None,
    }
}

/// The one number that there is; the shader's ANY if there are several, or none.
fn only(mut numbers: impl Iterator<Item = u32>) -> u32 {
    let first = numbers.next();
    first
        .filter(|first| numbers.all(|number| number == *first))
        .unwrap_or(u32::MAX)
}

/// Loop iterations that a lane makes in a step at most, in all the shader's loops; to leave a loop counts as one more.
fn iterations(program: &Program, lanes: usize) -> usize {
    let shared = |values: usize| values.div_ceil(lanes);
    let size = |rows| match rows {
        Rows::Batch => program.batch,
        Rows::Fixed(rows) => rows,
    };
    let rowwise =
        |tensor: TensorId| shared(program.batch) * (4 + 3 * program.tensors[tensor].columns);
    let of = |op: &Op| match *op {
        Op::Matmul { .. }
        | Op::MatmulBiasActivation { .. }
        | Op::MatmulActivationGradient { .. } => op.product(program).map_or(0, |product| {
            shared(size(product.m) * product.n) * (2 + size(product.k))
        }),
        Op::LossGradient { logits, .. } | Op::Softmax { logits, .. } => rowwise(logits),
        Op::Metrics { .. } => program.batch,
        Op::BiasGradient { gradient, .. } => {
            shared(program.tensors[gradient].columns) * (2 + program.rows(gradient))
        }
        _ => op
            .writes()
            .first()
            .map_or(0, |&tensor| shared(program.len(tensor))),
    };
    2 + program.ops.iter().map(|op| 2 + of(op)).sum::<usize>()
}

/// Makes table entries of ops.
struct Table<'a> {
    program: &'a Program,
    memory: &'a Memory<'a>,
    arena: &'a Arena,
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

    fn elementwise(&self, kind: u32, function: u32, a: TensorId, c: TensorId) -> Entry {
        Entry {
            kind,
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
            kind: kind::MATMUL,
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

    fn entry(&self, op: &Op) -> Entry {
        match *op {
            Op::Gather {
                source,
                order,
                output,
            } => {
                let buffer = &self.memory.buffers[self.program.tensors[source].buffer];
                Entry {
                    kind: kind::GATHER,
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
            Op::BiasAdd { bias, values } => self.elementwise(kind::BIAS_ADD, 0, bias, values),
            Op::Activation {
                function: f,
                input,
                output,
            } => self.elementwise(kind::ACTIVATION, function(f), input, output),
            Op::ActivationGradient {
                function: f,
                kept,
                gradient,
            } => self.elementwise(kind::ACTIVATION_GRADIENT, function(f), kept, gradient),
            Op::Clear { values } => self.elementwise(kind::CLEAR, 0, values, values),
            Op::LossGradient {
                function: f,
                weighted,
                logits,
                targets,
                gradient,
                rows,
            } => Entry {
                b: self.view(targets),
                d: self.view(rows),
                parameter: f.parameter(),
                epilogue: if weighted { kind::WEIGHTED } else { 0 },
                ..self.elementwise(kind::LOSS_GRADIENT, loss(f), logits, gradient)
            },
            Op::Metrics { rows, log } => self.elementwise(kind::METRICS, 0, rows, log),
            Op::BiasGradient {
                gradient,
                accumulate,
                output,
            } => Entry {
                m: self.rows(gradient),
                epilogue: if accumulate { kind::ACCUMULATE } else { 0 },
                ..self.elementwise(kind::BIAS_GRADIENT, 0, gradient, output)
            },
            Op::Softmax { logits, output } => self.elementwise(kind::SOFTMAX, 0, logits, output),
            Op::Update {
                ref optimizer,
                parameters,
                gradients,
                ref moments,
                hyper,
                decayed,
            } => {
                // What is not there is read all the same, and never written.
                let moment = |k: usize| self.view(moments.get(k).copied().unwrap_or(parameters));
                Entry {
                    kind: kind::UPDATE,
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_the_smallest_uniform_binding() {
        assert_eq!(size_of::<Entry>(), 112);
        assert!(16 + OPS * size_of::<Entry>() <= 16_384);
    }
}
