//! What the kernel of many steps has in an arena stays there from one submission to the next, until something else needs it: to copy
//! all of it back and forth took a quarter of the time of 32 networks 30-64-64-1.

use super::{GpuBackend, Recording};

/// A program whose arena holds what its buffers do, or something newer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) program: usize,
    /// Whether it has run since its buffers were written.
    pub(super) is_newer: bool,
}

impl GpuBackend {
    /// Whether an arena stands for this buffer, and holds something newer.
    pub(super) fn is_behind(&self, place: usize) -> bool {
        self.held.is_some_and(|held| {
            held.is_newer
                && matches!(&self.programs[held.program].recording, Recording::Resident(resident) if resident.writes(place))
        })
    }

    /// Whether an arena stands for this buffer.
    pub(super) fn is_held(&self, place: usize) -> bool {
        self.held.is_some_and(|held| {
            matches!(&self.programs[held.program].recording, Recording::Resident(resident) if resident.has(place))
        })
    }

    /// Brings the buffers up to date.
    pub(super) fn settle(&mut self, encoder: &mut wgpu::CommandEncoder) {
        if let Some(held) = &mut self.held
            && std::mem::take(&mut held.is_newer)
            && let Recording::Resident(resident) = &self.programs[held.program].recording
        {
            resident.give_back(encoder, &self.buffers);
        }
    }

    /// The same at once, and the arena no longer stands for them: they are about to change.
    pub(super) fn release(&mut self) {
        if self.held.is_some_and(|held| held.is_newer) {
            let mut encoder = self
                .device
                .handle
                .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            self.settle(&mut encoder);
            self.device.queue.submit([encoder.finish()]);
        }
        self.held = None;
    }
}
