//! What products read, as images. A software adapter's driver fetches the texels of all lanes of an image side by side, and what lies in a
//! buffer lane by lane: an image is worth a copy of what is multiplied.

use std::collections::{BTreeMap, BTreeSet};

use super::call::Operand;
use super::device::Device;
use super::memory::{elements, stride};
use super::record::Memory;
use crate::program::{Buffer, Program, TensorId};

/// Texels of four values in a row of an image: `IN_A_ROW` in shaders/lib/images.wgsl.
const TEXELS: usize = 1024;
const BYTES: usize = 16 * TEXELS;

/// Texels behind them that nothing reads, a cache line: rows of operands are often powers of two long, and those of a tile would want the
/// same few places of a cache.
const LINE: usize = 4;

/// Rows of an image to be copied from a buffer before a dispatch.
#[derive(Debug)]
pub(super) struct Copy {
    from: wgpu::Buffer,
    to: wgpu::Texture,
    first: usize,
    end: usize,
}

/// The images that a program's products read: one of each buffer, of which they hold what is asked for.
#[derive(Default)]
pub(super) struct Images {
    /// By buffer.
    made: BTreeMap<usize, wgpu::Texture>,
    /// Tensors whose images hold what the buffer does at this place of a step.
    fresh: BTreeSet<TensorId>,
}

/// Whether an image holds a buffer.
pub(super) fn fits(device: &Device, buffer: &Buffer, members: usize) -> bool {
    let rows = (4 * elements(buffer, members)).div_ceil(BYTES);
    rows <= device.limits.max_texture_dimension_2d as usize
}

impl Images {
    /// The image of an operand's buffer, and what is to be copied into it so that it holds the operand, of all members.
    pub(super) fn of(
        &mut self,
        device: &Device,
        program: &Program,
        memory: &Memory<'_>,
        operand: &Operand,
    ) -> (wgpu::TextureView, Vec<Copy>) {
        let tensor = &program.tensors[operand.tensor];
        let from = &memory.allocated[tensor.buffer];
        let image = self.made.entry(tensor.buffer).or_insert_with(|| {
            device.handle.create_texture(&wgpu::TextureDescriptor {
                label: Some(&memory.buffers[tensor.buffer].name),
                size: wgpu::Extent3d {
                    width: (TEXELS + LINE) as u32,
                    height: from.size().div_ceil(BYTES as u64) as u32,
                    depth_or_array_layers: 1,
                },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba32Float,
                usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            })
        });
        let view = image.create_view(&wgpu::TextureViewDescriptor::default());
        let mut copies: Vec<Copy> = Vec::new();
        if !self.fresh.insert(operand.tensor) {
            return (view, copies);
        }
        let buffer = &memory.buffers[tensor.buffer];
        let members = if buffer.shared { 1 } else { program.members };
        for member in 0..members {
            let start = 4 * (member * stride(buffer) + tensor.offset);
            let end = (start + 4 * program.len(operand.tensor)).div_ceil(BYTES);
            match copies.last_mut() {
                Some(last) if last.end >= start / BYTES => last.end = end,
                _ => copies.push(Copy {
                    from: from.clone(),
                    to: image.clone(),
                    first: start / BYTES,
                    end,
                }),
            }
        }
        (view, copies)
    }

    /// Something was written: what lies there is no longer what the images hold.
    pub(super) fn changed(&mut self, program: &Program, written: &[TensorId]) {
        let place = |tensor: TensorId| {
            let start = program.tensors[tensor].offset;
            (
                program.tensors[tensor].buffer,
                start,
                start + program.len(tensor),
            )
        };
        let apart = |&known: &TensorId| {
            let (of, start, end) = place(known);
            written.iter().all(|&tensor| {
                let (buffer, first, last) = place(tensor);
                buffer != of || last <= start || end <= first
            })
        };
        self.fresh.retain(apart);
    }
}

impl Copy {
    pub(super) fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        // The last row of a buffer may be a part of one.
        let whole = self.end.min(self.from.size() as usize / BYTES);
        let rest = self.from.size() as usize % BYTES / 16;
        let mut copy = |first: usize, [width, height]: [usize; 2]| {
            let from = wgpu::TexelCopyBufferInfo {
                buffer: &self.from,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: (first * BYTES) as u64,
                    bytes_per_row: Some(BYTES as u32),
                    rows_per_image: None,
                },
            };
            let mut to = self.to.as_image_copy();
            to.origin.y = first as u32;
            let size = wgpu::Extent3d {
                width: width as u32,
                height: height as u32,
                depth_or_array_layers: 1,
            };
            encoder.copy_buffer_to_texture(from, to, size);
        };
        if self.first < whole {
            copy(self.first, [TEXELS, whole - self.first]);
        }
        if whole < self.end {
            copy(whole, [rest, 1]);
        }
    }
}
