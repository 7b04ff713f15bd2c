//! Workers, one of which can be slowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, BackendError, Gradients, ProgramId};
use gpu_mlp::elastic::policy::{DeviceKind, PolicyName};
use gpu_mlp::elastic::simulate::Scheduling;
use gpu_mlp::elastic::{Pool, PoolOptions, Spec, Start};
use gpu_mlp::forward;
use gpu_mlp::program::Step;

/// A worker's backend that becomes four times slower.
pub(crate) struct Slowed {
    pub(crate) inner: CpuBackend<f32>,
    pub(crate) slow: Arc<AtomicBool>,
    /// Parts of a batch, where it makes steps of its own.
    pub(crate) shards: Option<usize>,
}

impl Slowed {
    fn timed<T>(&mut self, f: impl FnOnce(&mut CpuBackend<f32>) -> T) -> T {
        let slow = self.slow.load(Ordering::Relaxed);
        let start = Instant::now();
        let result = f(&mut self.inner);
        if slow {
            std::thread::sleep(3 * start.elapsed());
        }
        result
    }
}

impl Backend for Slowed {
    forward!(inner: device, limits, compile, take, write, read);

    fn shards(&self) -> Option<usize> {
        self.shards
    }

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        self.timed(|inner| inner.run(program, steps))
    }

    fn run_together(
        &mut self,
        program: ProgramId,
        parts: &[Step],
    ) -> Result<Option<bool>, BackendError> {
        self.timed(|inner| inner.run_together(program, parts))
    }

    fn update(
        &mut self,
        program: ProgramId,
        step: &Step,
        sizes: [usize; 2],
        gradients: &dyn Gradients,
    ) -> Result<(), BackendError> {
        self.timed(|inner| inner.update(program, step, sizes, gradients))
    }
}

/// So many workers of so many threads each, the last of which can be slowed.
pub(crate) fn pool(
    workers: usize,
    threads: usize,
    (policy, scheduling): (PolicyName, Scheduling),
    batch: usize,
    slow: &Arc<AtomicBool>,
) -> Result<Box<Pool>, BackendError> {
    let spec = |worker: usize| {
        let slow = if worker + 1 == workers {
            Arc::clone(slow)
        } else {
            Arc::default()
        };
        Spec {
            name: format!("cpu:{threads}"),
            kind: DeviceKind::Cpu {
                threads: threads as u32,
            },
            weight: 1.0,
            spares: Vec::new(),
            start: Start::Thread(Arc::new(move || {
                Ok(Box::new(Slowed {
                    inner: CpuBackend::with_threads(threads),
                    slow: Arc::clone(&slow),
                    shards: None,
                }))
            })),
        }
    };
    let options = PoolOptions {
        shards: PoolOptions::shards_of(batch),
        policy,
        scheduling,
        ..PoolOptions::default()
    };
    Ok(Box::new(Pool::open(
        (0..workers).map(spec).collect(),
        options,
    )?))
}
