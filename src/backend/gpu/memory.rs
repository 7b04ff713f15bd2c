//! Buffers on the device.

use super::GpuBackend;
use super::record::whole_vectors;
use crate::backend::BackendError;
use crate::program::{Buffer, Program};

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
            let known = before.get(place).map(|known| known.len);
            if known == Some(buffer.len) {
                continue;
            }
            let count = if buffer.shared { 1 } else { members };
            let bytes = whole_vectors(count * buffer.len);
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
            for member in 0..count {
                let (from, to) = (
                    (4 * member * known) as u64,
                    (4 * member * buffer.len) as u64,
                );
                encoder.copy_buffer_to_buffer(
                    &self.buffers[place],
                    from,
                    &new,
                    to,
                    4 * known as u64,
                );
            }
            self.device.queue.submit([encoder.finish()]);
            self.buffers[place] = new;
        }
        Ok(moved)
    }
}
