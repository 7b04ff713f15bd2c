//! How long a pass takes, by the device's own clock.

use std::time::Duration;

use super::device::Device;
use super::readback::Readback;
use crate::backend::BackendError;

/// A stopwatch for one pass at a time.
#[derive(Debug)]
pub(super) struct Clock {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readback: Readback,
}

impl Clock {
    /// A clock, if the device has one.
    pub(super) fn of(device: &Device) -> Option<Clock> {
        let features = device.handle.features();
        if !features.contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let queries = device.handle.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("clock"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let resolved = device.handle.create_buffer(&wgpu::BufferDescriptor {
            label: Some("clock"),
            size: 16,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Some(Clock {
            queries,
            resolved,
            readback: Readback::default(),
        })
    }

    /// What a pass notes at its beginning and its end.
    pub(super) fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Submits the pass and tells how long it took.
    pub(super) fn time(
        &mut self,
        device: &Device,
        mut encoder: wgpu::CommandEncoder,
        limit: Duration,
    ) -> Result<Duration, BackendError> {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
        let read = self.readback.begin(device, encoder, &self.resolved, 0, 16);
        let ticks: Vec<u64> = self.readback.finish(device, read, limit)?;
        let ticks = ticks[1].saturating_sub(ticks[0]);
        let nanoseconds = ticks as f64 * f64::from(device.queue.get_timestamp_period());
        Ok(Duration::from_nanos(nanoseconds as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::AdapterChoice;
    use super::*;

    #[test]
    fn an_empty_pass_ends_after_it_began_and_not_after_it_was_waited_for() {
        let device = Device::open(&AdapterChoice::Best).expect("a Vulkan adapter");
        let Some(mut clock) = Clock::of(&device) else {
            return;
        };
        for _ in 0..3 {
            let descriptor = wgpu::CommandEncoderDescriptor::default();
            let mut encoder = device.handle.create_command_encoder(&descriptor);
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(clock.writes()),
            });
            let start = Instant::now();
            let limit = Duration::from_secs(60);
            let taken = clock.time(&device, encoder, limit).expect("it runs");
            assert!(taken <= start.elapsed(), "{taken:?}");
        }
    }
}
