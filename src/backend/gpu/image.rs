//! What products read, as images. A software adapter's driver fetches the texels of all lanes of an image side by side, and what lies in a
//! buffer lane by lane: an image is worth a copy of what is multiplied.

use std::collections::{BTreeMap, BTreeSet};

use super::call::Operand;
use super::device::Device;
use super::memory::stride;
use super::record::Memory;
use super::shader::Constants;
use crate::program::{Program, TensorId};

/// Texels of four values in a row of an image without panels, `IN_A_ROW` in shaders/lib/images.wgsl, and their bytes.
const TEXELS: usize = 1024;
const BYTES: usize = 16 * TEXELS;

/// Texels behind them that nothing reads, a cache line: rows of operands are often powers of two long, and those of a tile would want the
/// same few places of a cache.
const LINE: usize = 4;

/// Columns of a panel: PANEL in shaders/lib/images.wgsl. Those that a workgroup's tile has of b, on a processor of eight lanes.
const PANEL: usize = 32;

/// Columns from which an operand lies in panels: its rows are a page of memory long, and a tile that reads a piece of each would want
/// another page, and another place of the caches, for every one of them.
const WIDE: usize = 1024;

/// Rows and layers that every adapter's images may have.
const SIDE: usize = 8192;
const LAYERS: usize = 256;

/// How a member's matrix lies in an image.
#[derive(Clone, Copy, Debug)]
struct Layout {
    rows: usize,
    columns: usize,
    /// Rows of a panel in a row of the image: a power of two, so that what is copied in one go lies at distances that may be copied. Or
    /// 0, where there are no panels, but one row behind the other.
    panels: usize,
}

/// A tensor's image.
pub(super) struct Image {
    pub(super) view: wgpu::TextureView,
    /// What is to be copied so that it holds the tensor, of all members.
    pub(super) copies: Vec<Copy>,
    /// The operand's place, as its kernel counts.
    pub(super) first: usize,
    /// How far apart members are, likewise: 0, if they share it.
    pub(super) stride: usize,
}

/// A member's matrix to be copied from a buffer before a dispatch.
#[derive(Debug)]
pub(super) struct Copy {
    from: wgpu::Buffer,
    to: wgpu::Texture,
    /// Its first element in the buffer.
    start: usize,
    /// Its first row of the image.
    row: usize,
    layout: Layout,
}

/// The images that a program's products read.
#[derive(Default)]
pub(super) struct Images {
    made: BTreeMap<TensorId, wgpu::Texture>,
    /// Tensors whose images hold what the buffer does at this place of a step.
    fresh: BTreeSet<TensorId>,
}

impl Layout {
    fn of(program: &Program, tensor: TensorId, columns: usize) -> Layout {
        Layout::new([program.len(tensor) / columns, columns], program.members)
    }

    fn new([rows, columns]: [usize; 2], members: usize) -> Layout {
        // Rows that are copied in one go are some multiple of 256 bytes, 64 values, apart.
        let beside = 64 >> columns.trailing_zeros().min(6);
        let fits = rows.div_ceil(beside) * members <= SIDE && columns <= LAYERS * PANEL;
        Layout {
            rows,
            columns,
            panels: if columns >= WIDE && fits { beside } else { 0 },
        }
    }

    /// Texels in a row of the image, rows of it for a member, and layers.
    fn size(self) -> [usize; 3] {
        match self.panels {
            0 => {
                let rows = (4 * self.rows * self.columns).div_ceil(BYTES);
                [TEXELS + LINE, rows, 1]
            }
            beside => {
                let rows = self.rows.div_ceil(beside);
                [beside * PANEL / 4, rows, self.columns.div_ceil(PANEL)]
            }
        }
    }

    /// Where a kernel finds a value of a member's, as it counts: in values, or in rows of panels.
    fn place(self, value: usize) -> usize {
        match self.panels {
            0 => value,
            _ => value / self.columns,
        }
    }

    /// How far apart members are, as it counts.
    fn stride(self) -> usize {
        let [_, rows, _] = self.size();
        match self.panels {
            0 => rows * BYTES / 4,
            beside => rows * beside,
        }
    }
}

/// Whether an image holds an operand of so many columns.
pub(super) fn fits(device: &Device, program: &Program, operand: &Operand, columns: usize) -> bool {
    let [_, rows, _] = Layout::of(program, operand.tensor, columns).size();
    rows * program.members <= device.limits.max_texture_dimension_2d as usize
        && operand.start.is_multiple_of(columns)
}

/// What a kernel is to know of the images of its two factors.
pub(super) fn constants(program: &Program, factors: &[Operand], columns: [usize; 2]) -> Constants {
    let names = ["PANELS_A", "PANELS_B"].into_iter();
    let of_each = names.zip(factors).zip(columns);
    let of_each = of_each.map(|((name, operand), columns)| {
        let layout = Layout::of(program, operand.tensor, columns);
        (name, layout.panels as u32)
    });
    of_each.collect()
}

impl Images {
    /// That of an operand of so many columns.
    pub(super) fn of(
        &mut self,
        device: &Device,
        program: &Program,
        memory: &Memory<'_>,
        (operand, columns): (&Operand, usize),
    ) -> Image {
        let tensor = &program.tensors[operand.tensor];
        let buffer = &memory.buffers[tensor.buffer];
        let members = if buffer.shared { 1 } else { program.members };
        let layout = Layout::of(program, operand.tensor, columns);
        let [width, rows, layers] = layout.size();
        let image = self.made.entry(operand.tensor).or_insert_with(|| {
            device.handle.create_texture(&wgpu::TextureDescriptor {
                label: Some(&tensor.name),
                size: wgpu::Extent3d {
                    width: width as u32,
                    height: (members * rows) as u32,
                    depth_or_array_layers: layers as u32,
                },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba32Float,
                usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            })
        });
        let view = image.create_view(&wgpu::TextureViewDescriptor {
            dimension: Some(wgpu::TextureViewDimension::D2Array),
            ..Default::default()
        });
        let copied = if self.fresh.insert(operand.tensor) {
            members
        } else {
            0
        };
        let copies = (0..copied).map(|member| Copy {
            from: memory.allocated[tensor.buffer].clone(),
            to: image.clone(),
            start: member * stride(buffer) + tensor.offset,
            row: member * rows,
            layout,
        });
        Image {
            view,
            copies: copies.collect(),
            first: layout.place(operand.start),
            stride: if buffer.shared { 0 } else { layout.stride() },
        }
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
        let Layout {
            rows,
            columns,
            panels: beside,
        } = self.layout;
        // From a value on, to a place in the image, so many texels and rows; rows of the buffer are so many bytes apart.
        let mut copy = |value: usize, to: [usize; 3], [width, height]: [usize; 2], apart: usize| {
            let from = wgpu::TexelCopyBufferInfo {
                buffer: &self.from,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 4 * (self.start + value) as u64,
                    bytes_per_row: Some(apart as u32),
                    rows_per_image: None,
                },
            };
            let [x, y, z] = to.map(|at| at as u32);
            let y = self.row as u32 + y;
            let to = wgpu::TexelCopyTextureInfo {
                origin: wgpu::Origin3d { x, y, z },
                ..self.to.as_image_copy()
            };
            let size = wgpu::Extent3d {
                width: width as u32,
                height: height as u32,
                depth_or_array_layers: 1,
            };
            encoder.copy_buffer_to_texture(from, to, size);
        };
        if beside == 0 {
            let (whole, rest) = (rows * columns / (4 * TEXELS), rows * columns / 4 % TEXELS);
            if whole > 0 {
                copy(0, [0, 0, 0], [TEXELS, whole], BYTES);
            }
            if rest > 0 {
                copy(whole * BYTES / 4, [0, whole, 0], [rest, 1], BYTES);
            }
            return;
        }
        for panel in 0..columns.div_ceil(PANEL) {
            let first = panel * PANEL;
            let texels = (columns - first).min(PANEL) / 4;
            for row in 0..beside.min(rows) {
                let size = [texels, (rows - row).div_ceil(beside)];
                let to = [row * PANEL / 4, 0, panel];
                copy(row * columns + first, to, size, 4 * columns * beside);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_lie_in_panels_that_can_be_copied_and_members_behind_each_other() {
        for (size, members, panels) in [
            ([256, 784], 1, 0),
            ([512, 1020], 4, 0),
            ([2048, 2048], 1, 1),
            ([7, 1040], 3, 4),
            ([100, 1100], 2, 16),
            ([1000, 2000], 32, 4),
            // More rows, or columns, than every adapter has room for.
            ([1024, 1024], 9, 0),
            ([16, 8196], 1, 0),
        ] {
            let layout = Layout::new(size, members);
            assert_eq!(layout.panels, panels, "{size:?}");
            let [rows, columns] = size;
            assert!((4 * columns * panels).is_multiple_of(256));
            let [width, height, layers] = layout.size();
            let padding = if panels == 0 { LINE } else { 0 };
            assert!(4 * (width - padding) * height * layers >= rows * columns);
            assert!(layout.place(rows * columns) <= layout.stride());
        }
    }
}
