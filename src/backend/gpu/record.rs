//! A program's dispatches, recorded once: pipelines, bind groups and grids.

use super::STEP_BYTES;
use super::call::{self, Call, EIGHTS, FOURS, Operand, calls};
use super::device::Device;
use super::image::{Copy, Image, Images};
use super::memory::{VECTOR, stride};
use super::shader::Pipelines;
use super::sums::Sums;
use super::tile::{IMAGES, Tiles};
use crate::backend::BackendError;
use crate::program::{Buffer, Op, Product, Program, Rows, Step};

/// Everything one dispatch needs but the step.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) bindings: wgpu::BindGroup,
    pub(super) grid: [u32; 3],
    /// What it reads as images, as far as they do not hold it yet.
    pub(super) copies: Vec<Copy>,
}

/// The memory that a recording binds.
pub(super) struct Memory<'a> {
    /// What each buffer holds; tensors name them by position.
    pub(super) buffers: &'a [Buffer],
    /// The device's side of it.
    pub(super) allocated: &'a [wgpu::Buffer],
}

/// All members' ranges of an operand, in elements of the whole buffer.
struct Extent {
    start: usize,
    end: usize,
    /// Where its kernel finds the first member's, and how far the next one's is.
    view: [usize; 2],
}

/// Records every op of a program.
pub(super) fn record(
    device: &Device,
    pipelines: &mut Pipelines,
    program: &Program,
    memory: &Memory<'_>,
    (sums, tiles): (Sums, &Tiles),
) -> Result<Vec<Dispatch>, BackendError> {
    let binding = binding_elements(device);
    let mut cut = Vec::new();
    for op in &program.ops {
        if let Some(Product {
            k: Rows::Fixed(k), ..
        }) = op.product(program)
            && k > device.depth
        {
            return Err(BackendError::TooLarge {
                what: format!("a layer of {k} inputs or units"),
                needed: 4 * k,
                limit: 4 * device.depth,
                device: device.name.clone(),
            });
        }
        let together = match *op {
            Op::Join { members, .. } => members,
            _ => 1,
        };
        for call in calls(program, op, binding) {
            let mut call = by_vectors(call, program, memory, device.vectors);
            if device.software && is_flat(op) {
                call.grid[0] = call.grid[0].min(FLAT_GROUPS);
            }
            let call = tiles.cut(device, program, sums.cut(call));
            cut.push((call, together, op.writes()));
        }
    }
    let kernels = cut.iter();
    let kernels = kernels.map(|(call, ..)| (call.kernel, call.constants.clone()));
    pipelines.make(device, kernels)?;
    let mut dispatches = Vec::new();
    let mut images = Images::default();
    for (call, together, written) in &cut {
        let mut read: Vec<Image> = match &call.factors {
            Some(factors) if call.constants.contains(&(IMAGES, 1)) => {
                let each = call.operands.iter().zip(factors.inner);
                each.map(|factor| images.of(device, program, memory, factor))
                    .collect()
            }
            _ => Vec::new(),
        };
        let copies = read.iter_mut().flat_map(|image| image.copies.drain(..));
        let copies = copies.collect();
        let call = (call, *together, &read[..]);
        let mut of_call = record_call(device, pipelines, program, memory, call)?;
        if let Some(first) = of_call.first_mut() {
            first.copies = copies;
        }
        dispatches.extend(of_call);
        images.changed(program, written);
    }
    Ok(dispatches)
}

/// Workgroups that a software adapter has for a flat pass: some for each core. Each begins by reading, lane by lane, what is the same for
/// all values; an invocation takes as many more of them.
const FLAT_GROUPS: u32 = 64;

/// Whether an op is a pass over values, a few instructions for each, whatever its kernel's grid is.
fn is_flat(op: &Op) -> bool {
    matches!(
        op,
        Op::Update { .. } | Op::Gather { .. } | Op::GatherBoth { .. }
    )
}

/// The call, with as many values read at a time, up to `most`, as its kernel can and all that it reads so begins at multiples of.
pub(super) fn by_vectors(
    mut call: Call,
    program: &Program,
    memory: &Memory<'_>,
    most: usize,
) -> Call {
    let read = call.operands.iter().enumerate();
    let read = read.filter(|(at, _)| call::by_vectors(call.kernel, *at));
    let fits = |count: usize| {
        read.clone().all(|(_, operand)| {
            begins_at(count, operand, program)
                && (operand.len.is_multiple_of(count) || is_last(operand, program, memory))
        })
    };
    let ways = [(EIGHTS, 8), (FOURS, 4)];
    let way = ways.into_iter().find(|&(wanted, count)| {
        count <= most && call.constants.contains(&(wanted, 0)) && fits(count)
    });
    call.constants.retain(|&constant| {
        constant != (EIGHTS, 0) && way.is_none_or(|(wanted, _)| constant != (wanted, 0))
    });
    if let Some((wanted, count)) = way {
        call.constants.insert(0, (wanted, 1));
        call.grid[0] = call.grid[0].div_ceil(count as u32);
    }
    call
}

/// Whether an operand begins at a multiple of so many words, up to [`VECTOR`], for each member.
pub(super) fn begins_at(count: usize, operand: &Operand, program: &Program) -> bool {
    let tensor = &program.tensors[operand.tensor];
    (tensor.offset + operand.start).is_multiple_of(count)
}

/// Whether nothing lies behind an operand but what its member's values were rounded up by.
fn is_last(operand: &Operand, program: &Program, memory: &Memory<'_>) -> bool {
    let tensor = &program.tensors[operand.tensor];
    let buffer = &memory.buffers[tensor.buffer];
    tensor.offset + operand.start + operand.len == buffer.len
}

/// Elements that one storage binding holds.
pub(super) fn binding_elements(device: &Device) -> usize {
    let bytes = device
        .limits
        .max_storage_buffer_binding_size
        .min(device.limits.max_buffer_size);
    usize::try_from(bytes).unwrap_or(usize::MAX) / 4
}

/// A call becomes one dispatch for as many members as its bindings hold, of which `together` are not to be parted.
fn record_call(
    device: &Device,
    pipelines: &mut Pipelines,
    program: &Program,
    memory: &Memory<'_>,
    (call, together, images): (&Call, usize, &[Image]),
) -> Result<Vec<Dispatch>, BackendError> {
    let binding = binding_elements(device);
    let mut group = program.members;
    for operand in &call.operands {
        let buffer = &memory.buffers[program.tensors[operand.tensor].buffer];
        let room = binding.saturating_sub(64);
        let needed = operand.len + (together - 1) * stride(buffer);
        if needed > room {
            return Err(BackendError::TooLarge {
                what: format!("the tensor {}", program.tensors[operand.tensor].name),
                needed: 4 * needed,
                limit: 4 * room,
                device: device.name.clone(),
            });
        }
        if !buffer.shared {
            group = group.min(1 + (room - operand.len) / stride(buffer).max(1));
        }
    }
    group -= group % together;
    let mut dispatches = Vec::new();
    for first in (0..program.members).step_by(group.max(1)) {
        let members = group.min(program.members - first);
        let extent = |(position, operand): (usize, &Operand)| {
            let tensor = &program.tensors[operand.tensor];
            let stride = stride(&memory.buffers[tensor.buffer]);
            let start = first * stride + tensor.offset + operand.start;
            let view = match images.get(position) {
                Some(image) => [image.first + first * image.stride, image.stride],
                None => [start % ALIGNMENT, stride],
            };
            Extent {
                start,
                end: start + (members - 1) * stride + operand.len,
                view,
            }
        };
        let extents: Vec<_> = call.operands.iter().enumerate().map(extent).collect();
        dispatches.push(bind(
            device,
            pipelines,
            program,
            memory,
            (call, images),
            &extents,
            members,
        )?);
    }
    Ok(dispatches)
}

/// Storage bindings begin at a multiple of this many elements on every adapter.
const ALIGNMENT: usize = 64;

fn bind(
    device: &Device,
    pipelines: &mut Pipelines,
    program: &Program,
    memory: &Memory<'_>,
    (call, images): (&Call, &[Image]),
    extents: &[Extent],
    members: usize,
) -> Result<Dispatch, BackendError> {
    let pipeline = pipelines.get(device, call.kernel, &call.constants)?;
    let views = extents.iter().flat_map(|extent| extent.view);
    let mut shape: Vec<u32> = views.map(|word| word as u32).collect();
    shape.extend(&call.scalars);
    shape.resize(shape.len().next_multiple_of(4), 0);
    let uniform = device.handle.create_buffer(&wgpu::BufferDescriptor {
        label: Some(call.kernel),
        size: 4 * shape.len() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    device
        .queue
        .write_buffer(&uniform, 0, bytemuck::cast_slice(&shape));
    let mut entries = vec![wgpu::BindGroupEntry {
        binding: 0,
        resource: uniform.as_entire_binding(),
    }];
    for (position, (extent, operand)) in extents.iter().zip(&call.operands).enumerate() {
        let binding = position as u32 + 1;
        if let Some(image) = images.get(position) {
            let resource = wgpu::BindingResource::TextureView(&image.view);
            entries.push(wgpu::BindGroupEntry { binding, resource });
            continue;
        }
        let start = extent.start / ALIGNMENT * ALIGNMENT;
        // Kernels that read vectors want whole ones; every buffer is allocated in such.
        let size = (extent.end - start).next_multiple_of(VECTOR);
        entries.push(wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &memory.allocated[program.tensors[operand.tensor].buffer],
                offset: 4 * start as u64,
                size: std::num::NonZeroU64::new(4 * size as u64),
            }),
        });
    }
    let bindings = device.handle.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(call.kernel),
        layout: &pipeline.layout,
        entries: &entries,
    });
    Ok(Dispatch {
        pipeline: pipeline.pipeline.clone(),
        bindings,
        grid: [call.grid[0], call.grid[1], members as u32],
        copies: Vec::new(),
    })
}

/// Puts steps into a command buffer, a dispatch for each op of each.
pub(super) fn encode(
    device: &Device,
    encoder: &mut wgpu::CommandEncoder,
    table: &wgpu::Buffer,
    step: &wgpu::BindGroup,
    (dispatches, steps): (&[Dispatch], &[Step]),
    timestamp_writes: Option<&wgpu::ComputePassTimestampWrites<'_>>,
) {
    let mut entries = vec![0_u8; steps.len() * STEP_BYTES];
    for (entry, step) in entries.chunks_exact_mut(STEP_BYTES).zip(steps) {
        entry[..size_of::<Step>()].copy_from_slice(bytemuck::bytes_of(step));
    }
    device.queue.write_buffer(table, 0, &entries);
    let of_steps =
        (0..steps.len()).flat_map(|index| dispatches.iter().map(move |one| (index, one)));
    let all: Vec<(usize, &Dispatch)> = of_steps.collect();
    // Nothing is copied within a pass.
    let passes = all.chunk_by(|_, (_, next)| next.copies.is_empty());
    let passes: Vec<_> = passes.collect();
    for (number, of_pass) in passes.iter().enumerate() {
        for copy in of_pass.iter().flat_map(|(_, dispatch)| &dispatch.copies) {
            copy.encode(encoder);
        }
        let (is_first, is_last) = (number == 0, number + 1 == passes.len());
        let writes = timestamp_writes.filter(|_| is_first || is_last);
        let writes = writes.map(|writes| wgpu::ComputePassTimestampWrites {
            query_set: writes.query_set,
            beginning_of_pass_write_index: writes
                .beginning_of_pass_write_index
                .filter(|_| is_first),
            end_of_pass_write_index: writes.end_of_pass_write_index.filter(|_| is_last),
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: writes,
        });
        for (index, dispatch) in *of_pass {
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, &dispatch.bindings, &[]);
            pass.set_bind_group(1, step, &[(index * STEP_BYTES) as u32]);
            pass.dispatch_workgroups(dispatch.grid[0], dispatch.grid[1], dispatch.grid[2]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::kernels;

    /// Which constant the calls have of the kernel's program of so many columns and rows of them.
    fn read_by(kernel: &str, [n, k]: [usize; 2], members: usize, most: usize) -> Vec<usize> {
        let programs = kernels([4, n, k], members, 0);
        let (_, program) = programs
            .iter()
            .find(|(name, _)| *name == kernel)
            .expect("it is listed");
        let memory = Memory {
            buffers: &program.buffers,
            allocated: &[],
        };
        let of_ops = program
            .ops
            .iter()
            .flat_map(|op| calls(program, op, usize::MAX));
        let counts = of_ops.map(|call| {
            let call = by_vectors(call, program, &memory, most);
            let has = |wanted: &str| call.constants.contains(&(wanted, 1));
            match [has(EIGHTS), has(FOURS)] {
                [true, _] => 8,
                [_, true] => 4,
                _ => 1,
            }
        });
        counts.collect()
    }

    #[test]
    fn vectors_are_read_where_all_begins_at_multiples_of_them() {
        // Each member begins at a whole vector, and nothing is behind its last value.
        assert_eq!(read_by("adam", [3, 5], 2, 8), [8]);
        assert_eq!(read_by("adam", [3, 5], 1, 8), [8]);
        assert_eq!(read_by("adam", [3, 5], 2, 4), [4]);
        assert_eq!(read_by("gather", [16, 3], 2, 8), [8]);
        assert_eq!(read_by("gather", [12, 8], 2, 8), [1]);
        assert_eq!(read_by("gather", [16, 3], 2, 4), [1]);
        assert_eq!(read_by("gather_both", [16, 3], 2, 8), [8]);
    }
}
