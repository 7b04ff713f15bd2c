use std::time::{Duration, Instant};

use super::Plan;
use crate::backend::{Backend, BackendError, Data};
use crate::program::{Capacity, Program, Step, buffer};

/// What all candidates together are timed for at most, beside their kernels' compilation.
const BUDGET: Duration = Duration::from_millis(300);

/// Which of the backends runs the plan's own training steps fastest: its position, or `None` if none can. A single one is
/// not timed. The backends' buffers are left with what was tried on them; training writes them anew.
pub fn fastest(candidates: &mut [Box<dyn Backend>], plan: &Plan) -> Option<usize> {
    if candidates.len() < 2 {
        return (!candidates.is_empty()).then_some(0);
    }
    let each = BUDGET / candidates.len() as u32;
    let mut best: Option<(usize, f64)> = None;
    for (index, backend) in candidates.iter_mut().enumerate() {
        match steps_per_second(&mut **backend, plan, each) {
            Ok(rate) => {
                log::info!("{}: {rate:.0} steps/s", backend.device());
                if best.is_none_or(|(_, other)| rate > other) {
                    best = Some((index, rate));
                }
            }
            Err(error) => log::info!("{error}"),
        }
    }
    best.map(|(index, _)| index)
}

fn steps_per_second(
    backend: &mut dyn Backend,
    plan: &Plan,
    time: Duration,
) -> Result<f64, BackendError> {
    let (options, [rows, ..]) = (plan.options(), plan.counts());
    let limits = backend.limits();
    let widest = plan.network.widest();
    let batch = options.batch_size.unwrap_or(rows);
    let batch = batch.min(limits.rows).min(limits.tensor / widest).max(1);
    let capacity = Capacity {
        members: plan.config.members(),
        batch,
        rows: batch,
        order: batch,
        records: 1,
    };
    let program = Program::training(&plan.network, &options.loss, &options.optimizer, capacity);
    let program = program.augmented(&options.augmentation);
    let program = program.with_precision(options.precision);
    let compiled = backend.compile(&program.fused())?;
    let order: Vec<u32> = (0..batch as u32).collect();
    backend.write(buffer::ORDER, 0, 0, Data::U32(&order))?;
    // The learning rate is zero and so are the rows: the same work, and nothing is learned from it.
    let step = Step {
        rows: batch as u32,
        correction1: 1.0,
        correction2: 1.0,
        ..Step::default()
    };
    backend.run(compiled, &[step])?;
    backend.read(buffer::LOG, 0, 0, 1)?;
    let steps = vec![step; 4096];
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < time {
        done += backend.run(compiled, &steps)?;
    }
    backend.read(buffer::LOG, 0, 0, 1)?;
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::ProgramId;
    use crate::backend::cpu::CpuBackend;
    use crate::data::{ReadOptions, load};
    use crate::forward;
    use crate::train::Config;

    /// A processor on which a step takes so many times as long, or that fails where that is 0.
    struct Slow {
        inner: CpuBackend<f32>,
        times: usize,
    }

    impl Backend for Slow {
        forward!(inner: device, limits, compile, write, read);

        fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
            if self.times == 0 {
                return Err(BackendError::Misuse("it cannot".into()));
            }
            for _ in 0..self.times {
                self.inner.run(program, &steps[..1])?;
            }
            Ok(1)
        }
    }

    #[test]
    fn the_one_that_makes_the_most_steps_is_taken_and_who_cannot_is_left_out() {
        let loaded = load("xor", &ReadOptions::default()).expect("it is built in");
        let plan = Plan::new(&loaded, &Config::default(), None).expect("the defaults suit it");
        let chosen = |all: &[usize]| {
            let slow = |&times: &usize| -> Box<dyn Backend> {
                let inner = CpuBackend::with_threads(1);
                Box::new(Slow { inner, times })
            };
            fastest(&mut all.iter().map(slow).collect::<Vec<_>>(), &plan)
        };
        assert_eq!(chosen(&[40, 1]), Some(1));
        assert_eq!(chosen(&[1, 40]), Some(0));
        assert_eq!(chosen(&[0, 40, 0]), Some(1));
        assert_eq!(chosen(&[0, 0]), None);
        assert_eq!(chosen(&[]), None);
        // Nothing is to be found out of one alone.
        assert_eq!(chosen(&[0]), Some(0));
    }
}
