//! Buffers on the device.

use super::GpuBackend;
use crate::backend::BackendError;
use crate::program::{Buffer, Program};

/// Values of the longest vector that kernels read.
pub(super) const VECTOR: usize = 8;

/// Elements from one member's values of a buffer to the next one's: whole vectors, so that all members' are read in such. None for what
/// all members share.
pub(super) fn stride(buffer: &Buffer) -> usize {
    if buffer.shared {
        0
    } else {
        buffer.len.next_multiple_of(VECTOR)
    }
}

/// Elements of a buffer of so many members, in whole vectors.
pub(super) fn elements(buffer: &Buffer, members: usize) -> usize {
    let len = if buffer.shared {
        buffer.len.next_multiple_of(VECTOR)
    } else {
        members * stride(buffer)
    };
    len.max(VECTOR)
}

impl GpuBackend {
    /// Allocates what is new and moves what has grown. Returns whether anything moved.
    pub(super) fn allocate(
        &mut self,
        before: &[Buffer],
        program: &Program,
    ) -> Result<bool, BackendError> {
        let members = self.names.members.unwrap_or(0);
        let mut moved = false;
        for (place, buffer) in self.names.buffers.iter().enumerate() {
            let known = before.get(place);
            if known.is_some_and(|known| known.len == buffer.len) {
                continue;
            }
            let bytes = 4 * elements(buffer, members);
            if bytes as u64 > self.device.limits.max_buffer_size {
                if program.is_of_batch(&buffer.name) {
                    return Err(BackendError::OutOfMemory {
                        device: self.device.name.clone(),
                        reason: format!(
                            "the buffer {} needs {bytes} bytes, of {} at most",
                            buffer.name, self.device.limits.max_buffer_size
                        ),
                    });
                }
                return Err(BackendError::TooLarge {
                    what: format!("the buffer {}", buffer.name),
                    needed: bytes,
                    limit: self.device.limits.max_buffer_size as usize,
                    device: self.device.name.clone(),
                });
            }
            let usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST;
            let new = self.device.handle.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&buffer.name),
                size: bytes as u64,
                usage,
                mapped_at_creation: false,
            });
            let Some(known) = known else {
                self.buffers.push(new);
                continue;
            };
            moved = true;
            let mut encoder = self
                .device
                .handle
                .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let count = if buffer.shared { 1 } else { members };
            for member in 0..count {
                let start = |buffer| (4 * member * stride(buffer)) as u64;
                encoder.copy_buffer_to_buffer(
                    &self.buffers[place],
                    start(known),
                    &new,
                    start(buffer),
                    4 * known.len as u64,
                );
            }
            self.device.queue.submit([encoder.finish()]);
            self.buffers[place] = new;
        }
        Ok(moved)
    }
}
