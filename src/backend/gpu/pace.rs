//! How many steps fill a submission, and how long the device is waited for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Compiled, GpuBackend};
use crate::backend::{BackendError, SLICE};
use crate::program::Program;

/// See [`GpuBackend::with_patience`].
pub(super) const PATIENCE: (Duration, f64) = (Duration::from_secs(60), 100.0);

/// Floating-point operations a second that the slowest of adapters makes, by far.
const SLOWEST: f64 = 1e9;

/// How many steps fill a submission, from those before.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) steps: usize,
    in_flight: VecDeque<(wgpu::SubmissionIndex, usize)>,
    last: Option<Instant>,
    /// Seconds that a step took.
    each: Option<f64>,
    /// Seconds that a step takes at most, as far as can be said before it ran.
    slowest: f64,
}

impl Pace {
    /// Of a program that has not run.
    pub(super) fn of(program: &Program) -> Self {
        let flops: usize = program.ops.iter().map(|op| op.flops(program)).sum();
        Pace {
            steps: 1,
            in_flight: VecDeque::new(),
            last: None,
            each: None,
            slowest: (flops * program.members) as f64 / SLOWEST,
        }
    }

    /// Notes that so many steps were submitted.
    pub(super) fn submitted(&mut self, index: wgpu::SubmissionIndex, steps: usize) {
        if self.in_flight.is_empty() {
            self.last = Some(Instant::now());
        }
        self.in_flight.push_back((index, steps));
    }

    /// Seconds that what is under way takes.
    fn seconds(&self) -> f64 {
        let steps: usize = self.in_flight.iter().map(|(_, steps)| steps).sum();
        self.each.unwrap_or(self.slowest) * steps as f64
    }
}

impl GpuBackend {
    /// How long all that is under way may take.
    pub(super) fn limit(&self) -> Duration {
        let programs = self.programs.iter();
        let seconds: f64 = programs.map(|compiled| compiled.pace.seconds()).sum();
        let (beyond, times) = self.patience;
        beyond + Duration::from_secs_f64((times * seconds).min(1e9))
    }

    /// Waits until at most `most` submissions of the program are under way, and learns its pace from them.
    pub(super) fn wait(&mut self, program: usize, most: usize) -> Result<(), BackendError> {
        while self.programs[program].pace.in_flight.len() > most {
            let limit = self.limit();
            let Compiled {
                pace, recording, ..
            } = &mut self.programs[program];
            let most_steps = recording.most_steps();
            let Some((index, steps)) = pace.in_flight.pop_front() else {
                break;
            };
            self.device.wait(Some(index), limit)?;
            let now = Instant::now();
            if let Some(last) = pace.last.replace(now) {
                let each = (now - last).as_secs_f64() / steps as f64;
                pace.each = Some(each);
                // Two submissions are under way at a time, and together they stay inside the slice.
                let wanted = SLICE.as_secs_f64() / 2.0 / each.max(1e-9);
                pace.steps = (wanted as usize).clamp(1, most_steps.min(4 * steps));
            }
        }
        self.device.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;
    use crate::backend::gpu::AdapterChoice;
    use crate::model::{Activation, Network};
    use crate::program::{Capacity, Loss, LossFunction, Optimizer, Reduction, Step};

    /// A small program on an adapter, and a step of it.
    fn small() -> (GpuBackend, Program, Step) {
        let opened = GpuBackend::open(&AdapterChoice::Best);
        let gpu = opened.expect("a Vulkan adapter: see scripts/test.sh");
        let network = Network::new(5, &[9], Activation::Tanh, 3, Activation::Identity);
        let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 12,
            rows: 12,
            order: 12,
            records: 1,
        };
        let program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
        let step = Step {
            rows: 12,
            ..Step::default()
        };
        (gpu, program, step)
    }

    #[test]
    fn submissions_have_as_many_steps_as_fit_half_a_slice() {
        let (mut gpu, program, step) = small();
        let compiled = gpu.compile(&program).expect("it compiles");
        let steps = vec![step; 1 << 16];
        let mut most = 1;
        for _ in 0..20 {
            let done = gpu.run(compiled, &steps).expect("it runs");
            let pace = &gpu.programs[0].pace;
            assert!(done <= most, "{done} of {most}");
            most = pace.steps;
            let seconds = most as f64 * pace.each.unwrap_or_default();
            assert!(
                most == 1 || seconds <= SLICE.as_secs_f64() / 2.0,
                "{seconds}"
            );
        }
        assert!(most > 1, "a step of so few operations takes no half slice");
    }

    #[test]
    fn a_device_is_waited_for_a_minute_beyond_a_hundred_times_what_it_takes() {
        let (mut gpu, program, step) = small();
        assert_eq!(gpu.limit(), Duration::from_secs(60));
        let compiled = gpu.compile(&program).expect("it compiles");
        let beyond = |gpu: &GpuBackend| gpu.limit().as_secs_f64() - 60.0;
        // Of what was not measured yet, as long as at 10⁹ operations a second.
        gpu.run(compiled, &[step]).expect("it runs");
        let flops: usize = program.ops.iter().map(|op| op.flops(&program)).sum();
        assert!((beyond(&gpu) - 100.0 * flops as f64 / 1e9).abs() < 1e-6);
        gpu.run(compiled, &[step]).expect("it runs");
        let each = gpu.programs[0].pace.each.expect("it is measured");
        assert!((beyond(&gpu) - 100.0 * each).abs() < 1e-6);
    }
}
