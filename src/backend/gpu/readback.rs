//! What comes back from the device: copied into staging buffers behind the steps before, and mapped once that is done.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::device::Device;
use crate::backend::BackendError;

/// Staging buffers that lie idle at most; others are given up.
const IDLE: usize = 8;

/// Reads that are under way, and staging buffers of those that are done, which the next ones take.
#[derive(Debug, Default)]
pub(super) struct Readback {
    idle: Vec<wgpu::Buffer>,
    pending: Vec<(u64, Pending)>,
    next: u64,
}

#[derive(Debug)]
struct Pending {
    staging: wgpu::Buffer,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Readback {
    /// Begins to read `bytes` of a buffer, behind all that was submitted and before all that will be. Returns the read's number.
    pub(super) fn begin(
        &mut self,
        device: &Device,
        mut encoder: wgpu::CommandEncoder,
        buffer: &wgpu::Buffer,
        from: u64,
        bytes: u64,
    ) -> u64 {
        let staging = self.staging(device, bytes);
        encoder.copy_buffer_to_buffer(buffer, from, &staging, 0, bytes);
        let submission = device.queue.submit([encoder.finish()]);
        let (sender, mapped) = channel();
        staging.map_async(wgpu::MapMode::Read, ..bytes, move |result| {
            // The receiver lives until the answer is there, or nobody waits for it.
            let _ = sender.send(result);
        });
        let number = self.next;
        self.next += 1;
        let pending = Pending {
            staging,
            bytes,
            submission,
            mapped,
        };
        self.pending.push((number, pending));
        number
    }

    /// Waits for a read, but not for what was submitted behind it.
    pub(super) fn finish<T: bytemuck::Pod>(
        &mut self,
        device: &Device,
        number: u64,
        limit: Duration,
    ) -> Result<Vec<T>, BackendError> {
        let place = self.pending.iter().position(|(known, _)| *known == number);
        let Some(place) = place else {
            let what = "a read that was never begun, or is done";
            return Err(BackendError::Misuse(what.into()));
        };
        let (_, pending) = self.pending.swap_remove(place);
        device.wait(Some(pending.submission), limit)?;
        match pending.mapped.recv_timeout(limit) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(device.failed(&error)),
            Err(_) => return Err(device.failed(&"a read-back was dropped")),
        }
        let values = {
            let view = pending.staging.get_mapped_range(..pending.bytes);
            let view = view.map_err(|error| device.failed(&error))?;
            bytemuck::pod_collect_to_vec(&view)
        };
        pending.staging.unmap();
        self.idle.push(pending.staging);
        if self.idle.len() > IDLE {
            self.idle.remove(0);
        }
        Ok(values)
    }

    /// The smallest idle one that is large enough, unless it is far too large.
    fn staging(&mut self, device: &Device, bytes: u64) -> wgpu::Buffer {
        let fits = |buffer: &wgpu::Buffer| (bytes..=4 * bytes).contains(&buffer.size());
        let idle = self.idle.iter().enumerate();
        let found = idle
            .filter(|(_, buffer)| fits(buffer))
            .min_by_key(|(_, buffer)| buffer.size());
        if let Some(place) = found.map(|(place, _)| place) {
            return self.idle.remove(place);
        }
        device.handle.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read-back"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }
}
