//! Small programs, many whole steps in one dispatch: the ops become a table that `shaders/steps.wgsl` runs.

use super::arena::Arena;
use super::call::{function, loss, rule};
use super::device::Device;
use super::entry::{Entry, OPS};
use super::form::{Form, in_tiles, sizes, tile_rows};
use super::memory::elements;
use super::record::{Memory, binding_elements};
use super::shader::{Constants, Pipelines};
use super::table::entries;
use crate::backend::BackendError;
use crate::model::Activation;
use crate::program::{Levels, Op, Program, Step, TensorId, buffer, chunk};

/// Steps that one dispatch runs at most.
pub(super) const STEPS: usize = 1 << 16;

/// Ops of a program whose table is in the shader's text at most: they stand there one behind the other, so that a compiler takes the
/// longer the more there are. It is worth it where a step is short: what an op is and where its tensors lie takes no time to find
/// then, and a software adapter, which runs both sides of a branch, runs no op but the one that is wanted.
const IN_LINE: usize = 24;

/// The shader's constants that are its table, word by word, and the kind of each op.
pub(super) const WORD: &str = "WORD";
pub(super) const KIND: &str = "KIND";

/// Loop iterations that an invocation makes in one dispatch at most. llvmpipe counts those of all of a shader's loops and,
/// at 65,535, leaves them without a word (`LP_MAX_TGSI_LOOP_ITERATIONS` in Mesa's `lp_bld_limits.h`). An eighth of that, as
/// Mesa makes loops of switches and of loops' bodies too: up to four for one of ours were seen.
pub(super) const ITERATIONS: usize = 8_000;

/// The same where ops stand in line: the shader has no switch then, and each loop counts once.
const IN_LINE_ITERATIONS: usize = 30_000;

/// A program as one dispatch.
#[derive(Debug)]
pub(super) struct Resident {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    members: u32,
    arena: wgpu::Buffer,
    /// The arena as the shader has it, where that is no buffer.
    image: Option<wgpu::Texture>,
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

impl Resident {
    /// The program as one dispatch, or `None` if it has more ops or memory than one can take, or an op that is not the shader's.
    pub(super) fn new(
        device: &Device,
        pipelines: &mut Pipelines,
        program: &Program,
        memory: &Memory<'_>,
    ) -> Result<Option<Resident>, BackendError> {
        let program = &program.parted();
        let form = Form::of(device);
        let Some(mut table) = entries(program, memory, form) else {
            return Ok(None);
        };
        let constants = constants(program, &table, form);
        let arena = Arena::new(program, memory);
        let fits = |buffer: &crate::program::Buffer| {
            elements(buffer, program.members) <= binding_elements(device)
        };
        let most = if in_line(program) {
            IN_LINE_ITERATIONS
        } else {
            ITERATIONS
        };
        let stride = most / iterations(program, form);
        if program.ops.len() > OPS
            || stride == 0
            || program.members > device.limits.max_compute_workgroups_per_dimension as usize
            || arena.len > binding_elements(device)
            || (form.image
                && (4 * arena.len).div_ceil(ROW) > device.limits.max_texture_dimension_2d as usize)
            || !memory.buffers.iter().all(fits)
        {
            return Ok(None);
        }
        let mut words = vec![program.ops.len() as u32, 0, 0, 0];
        words.extend(levels(program).map(f32::to_bits));
        table.resize(OPS, Entry::default());
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
            (4 * arena.len).next_multiple_of(ROW),
            storage | wgpu::BufferUsages::COPY_SRC,
        );
        let image = form.image.then(|| image(device, &own));
        let view = image
            .as_ref()
            .map(|image| image.create_view(&wgpu::TextureViewDescriptor::default()));
        let steps = create("steps", STEPS * size_of::<Step>(), storage);
        // A program that lacks one of these never touches its binding.
        let spare = create("spare", 16, storage);
        let spare_log = create("spare log", 16, storage);
        let named = |name: &str| memory.buffers.iter().position(|buffer| buffer.name == name);
        let bound = |name: &str, spare| named(name).map_or(spare, |place| &memory.allocated[place]);
        let pipeline = pipelines.get(device, "steps", &constants)?;
        let buffers = [
            &uniform,
            &own,
            bound(buffer::INPUTS, &spare),
            bound(buffer::TARGETS, &spare),
            bound(buffer::ORDER, &spare),
            &steps,
            bound(buffer::LOG, &spare_log),
            bound(buffer::KEYS, &spare),
        ];
        let entries: Vec<_> = buffers
            .iter()
            .enumerate()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: match &view {
                    Some(view) if binding == ARENA => wgpu::BindingResource::TextureView(view),
                    _ => buffer.as_entire_binding(),
                },
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
            image,
            steps,
            stride,
        }))
    }

    /// Whether the arena has a place for this buffer.
    pub(super) fn has(&self, place: usize) -> bool {
        self.copies.iter().any(|copy| copy.place == place)
    }

    /// Whether a step writes there.
    pub(super) fn writes(&self, place: usize) -> bool {
        let mut copies = self.copies.iter();
        copies.any(|copy| copy.place == place && copy.written)
    }

    /// Copies the buffers into the arena.
    pub(super) fn take(&self, encoder: &mut wgpu::CommandEncoder, buffers: &[wgpu::Buffer]) {
        for copy in &self.copies {
            encoder.copy_buffer_to_buffer(
                &buffers[copy.place],
                0,
                &self.arena,
                copy.offset,
                copy.size,
            );
        }
        if let Some(image) = &self.image {
            let (arena, whole) = self.whole(image);
            encoder.copy_buffer_to_texture(arena, image.as_image_copy(), whole);
        }
    }

    /// Copies what steps have written back into the buffers.
    pub(super) fn give_back(&self, encoder: &mut wgpu::CommandEncoder, buffers: &[wgpu::Buffer]) {
        if let Some(image) = &self.image {
            let (arena, whole) = self.whole(image);
            encoder.copy_texture_to_buffer(image.as_image_copy(), arena, whole);
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

    /// Puts steps into a command buffer, as few dispatches as may be.
    ///
    /// `table` is bound as `step` at dynamic offsets of `distance` bytes; here it says which steps a dispatch runs.
    pub(super) fn encode(
        &self,
        device: &Device,
        encoder: &mut wgpu::CommandEncoder,
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
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        for offset in (0..runs.len()).step_by(distance) {
            pass.set_bind_group(1, step, &[offset as u32]);
            pass.dispatch_workgroups(1, 1, self.members);
        }
    }

    /// All of the arena, for copies from and to its image.
    fn whole<'a>(
        &'a self,
        image: &wgpu::Texture,
    ) -> (wgpu::TexelCopyBufferInfo<'a>, wgpu::Extent3d) {
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(ROW as u32),
            rows_per_image: None,
        };
        let buffer = wgpu::TexelCopyBufferInfo {
            buffer: &self.arena,
            layout,
        };
        (buffer, image.size())
    }
}

/// Texels in a row of the arena's image, `IN_A_ROW` in `shaders/lib/arena_in_image.wgsl`, in bytes.
const ROW: usize = 4 * 1024;

/// The arena's binding.
const ARENA: usize = 1;

/// An image of the arena.
fn image(device: &Device, arena: &wgpu::Buffer) -> wgpu::Texture {
    device.handle.create_texture(&wgpu::TextureDescriptor {
        label: Some("arena"),
        size: wgpu::Extent3d {
            width: ROW as u32 / 4,
            height: (arena.size() / ROW as u64) as u32,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::R32Float,
        usage: wgpu::TextureUsages::STORAGE_BINDING
            | wgpu::TextureUsages::COPY_DST
            | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    })
}

fn in_line(program: &Program) -> bool {
    program.ops.len() <= IN_LINE
}

/// What the shader is specialised by.
pub(super) fn constants(program: &Program, table: &[Entry], form: Form) -> Constants {
    let kinds = table.iter().fold(0, |kinds, entry| kinds | 1 << entry.kind);
    let functions = || program.ops.iter().filter_map(activation);
    let first = functions().next().unwrap_or(ANY);
    let other = functions().find(|&function| function != first);
    let known = [first, other.unwrap_or(first)];
    let [first, other] = if functions().all(|function| known.contains(&function)) {
        known
    } else {
        [ANY; 2]
    };
    let mut constants = vec![
        ("LANES", form.lanes),
        ("FUNCTION", first),
        ("OTHER_FUNCTION", other),
        ("LOSS", only(program.ops.iter().filter_map(loss_of))),
        ("RULE", only(program.ops.iter().filter_map(rule_of))),
        ("KINDS", kinds),
    ];
    if form.image {
        constants.push(("IMAGE", 1));
    }
    if program.ops.iter().any(|op| in_tiles(program, op, form)) {
        let rows = tile_rows(program, form) as u32;
        constants.extend([("TILE_ROWS", rows), ("TILE_PARTS", rows / form.lanes)]);
    }
    if in_line(program) {
        constants.push(("OP_COUNT", program.ops.len() as u32));
        constants.extend(table.iter().map(|entry| (KIND, entry.kind)));
        let words = bytemuck::cast_slice::<Entry, u32>(table).iter();
        constants.extend(words.map(|&word| (WORD, word)));
    }
    constants
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

/// The quantiles of the program's loss, 0 where there are none.
fn levels(program: &Program) -> [f32; Levels::MOST] {
    let mut losses = program.ops.iter().filter_map(|op| match *op {
        Op::LossGradient { function: f, .. } => Some(f.levels()),
        _ => None,
    });
    losses.next().unwrap_or_default()
}

fn rule_of(op: &Op) -> Option<u32> {
    match *op {
        Op::Update { ref optimizer, .. } => Some(rule(optimizer.rule)),
        _ => None,
    }
}

/// Stands for a number that is read from the table: ANY in the shader.
const ANY: u32 = u32::MAX;

/// The one number that there is; ANY if there are several, or none.
fn only(mut numbers: impl Iterator<Item = u32>) -> u32 {
    let first = numbers.next();
    first
        .filter(|first| numbers.all(|number| number == *first))
        .unwrap_or(ANY)
}

/// Loop iterations that a lane makes in a step at most, in all the shader's loops; to leave a loop counts as one more.
fn iterations(program: &Program, form: Form) -> usize {
    let shared = |values: usize| values.div_ceil(form.lanes as usize);
    let tile_rows = tile_rows(program, form);
    let rowwise =
        |tensor: TensorId| shared(program.batch) * (4 + 3 * program.tensors[tensor].columns);
    let of = |op: &Op| match *op {
        Op::Matmul { .. }
        | Op::MatmulBiasActivation { .. }
        | Op::MatmulActivationGradient { .. } => sizes(program, op).map_or(0, |[m, n, k]| {
            if in_tiles(program, op, form) {
                let tiles = m.div_ceil(tile_rows) * n.div_ceil(form.tile_columns());
                tiles * (5 + k.div_ceil(4) + tile_rows)
            } else {
                shared(m * n) * (2 + k)
            }
        }),
        Op::LossGradient { logits, .. } | Op::Softmax { logits, .. } => rowwise(logits),
        Op::Metrics { .. } => program.batch,
        Op::Dropout { output, .. }
        | Op::Perturb { values: output, .. }
        | Op::DropoutGradient {
            gradient: output, ..
        } => shared(program.batch * program.tensors[output].columns.div_ceil(32) * 16),
        Op::SquareSums { values, sums } => {
            shared(program.len(sums)) * (2 + chunk(program.len(values)))
        }
        Op::MaxNorm { values, .. } => {
            shared(program.rows(values)) * (3 + 2 * program.tensors[values].columns)
        }
        Op::ClipNorm { values, sums, .. } => program.len(sums) + shared(program.len(values)),
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
