//! A workload on a backend.

use std::time::{Duration, Instant};

use gpu_mlp::backend::{Backend, BackendError, Data, ProgramId, write_weights};
use gpu_mlp::model::{Initializer, initialize};
use gpu_mlp::program::{Capacity, Hyper, Loss, Program, Reduction, Step, buffer};
use gpu_mlp::random::{Purpose, Stream, shuffle};
use rand::RngExt;

use crate::{OPTIMIZER, SLICE, Workload};

/// Steps behind which a pool of two workers knows whether both help: it looks at sixteen with two, and as many with one.
const UNTIL_KNOWN: usize = 40;

/// Steps that a rate is of at least.
pub(crate) const LEAST: usize = 4;

/// Programs of a backend, and the steps that it makes with them.
pub(crate) enum Loop {
    Plain(ProgramId, Vec<Step>),
    Shards([ProgramId; 2], Vec<Vec<Step>>),
}

/// A workload on a backend, ready to make steps.
pub(crate) struct Case {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) steps: Loop,
    next: usize,
}

impl Case {
    pub(crate) fn new(
        mut backend: Box<dyn Backend>,
        work: &Workload,
    ) -> Result<Self, BackendError> {
        let loss = Loss::new(work.function, Reduction::Mean);
        let shards = backend.shards();
        let rows = work.batch.div_ceil(shards.unwrap_or(1));
        let capacity = Capacity {
            members: 1,
            batch: rows,
            rows: work.rows,
            order: work.rows,
            records: shards.unwrap_or(1),
        };
        let batches = work.rows / work.batch;
        let steps = (0..4096).map(|step| {
            let first = (step % batches) * work.batch;
            let parts = (0..work.batch).step_by(rows).enumerate();
            let part = |(record, row): (usize, usize)| Step {
                first: (first + row) as u32,
                rows: rows.min(work.batch - row) as u32,
                record: record as u32,
                loss_scale: loss.scale(work.batch, work.network.outputs()) as f32,
                rate: 1.0,
                correction1: 1.0,
                correction2: 1.0,
                number: step as u32,
                ..Step::default()
            };
            parts.map(part).collect()
        });
        let steps: Vec<Vec<Step>> = steps.collect();
        let steps = if shards.is_some() {
            let gradients = Program::shard(&work.network, &loss, capacity).fused();
            let update = Program::update(&work.network, &OPTIMIZER, capacity);
            Loop::Shards(
                [backend.compile(&gradients)?, backend.compile(&update)?],
                steps,
            )
        } else {
            let program = Program::training(&work.network, &loss, &OPTIMIZER, capacity).fused();
            Loop::Plain(backend.compile(&program)?, steps.concat())
        };
        let mut stream = Stream::new(1, Purpose::Check, 0);
        let mut draw =
            |len: usize| -> Vec<f32> { (0..len).map(|_| stream.random_range(-1.0..1.0)).collect() };
        let inputs = draw(work.rows * work.network.inputs);
        let classes = if work.function.of_class() { 10.0 } else { 2.0 };
        let targets: Vec<f32> = draw(work.rows)
            .into_iter()
            .map(|value| (value.midpoint(1.0) * classes).floor())
            .collect();
        backend.write(buffer::INPUTS, 0, 0, Data::F32(&inputs))?;
        backend.write(buffer::TARGETS, 0, 0, Data::F32(&targets))?;
        let hyper = Hyper {
            learning_rate: 1e-4,
            ..Hyper::default()
        };
        let mut order: Vec<u32> = (0..work.rows as u32).collect();
        shuffle(&mut order, 1, Purpose::Order, 0);
        backend.write(buffer::ORDER, 0, 0, Data::U32(&order))?;
        let hyper = Data::F32(bytemuck::cast_slice(std::slice::from_ref(&hyper)));
        backend.write(buffer::HYPER, 0, 0, hyper)?;
        let weights = initialize(&work.network, Initializer::Auto, 1);
        write_weights(
            &mut *backend,
            &work.network,
            buffer::PARAMETERS,
            0,
            &weights,
        )?;
        let mut case = Case {
            backend,
            steps,
            next: 0,
        };
        // Memory is touched for the first time, and a pool gets to know its workers and how many of them help.
        case.run(4 * SLICE, UNTIL_KNOWN)?;
        Ok(case)
    }

    /// Makes some steps. Returns how many.
    pub(crate) fn some(&mut self) -> Result<usize, BackendError> {
        let done = match &self.steps {
            Loop::Plain(program, steps) => self.backend.run(*program, &steps[self.next..])?,
            Loop::Shards(programs, steps) => self.backend.learn(*programs, &steps[self.next..])?,
        };
        self.next = (self.next + done) % 4096;
        Ok(done)
    }

    /// Makes steps for such a time, and so many at least. Returns how many.
    fn run(&mut self, time: Duration, least: usize) -> Result<usize, BackendError> {
        let (start, mut done) = (Instant::now(), 0);
        while start.elapsed() < time || done < least {
            done += self.some()?;
        }
        Ok(done)
    }

    /// Steps a second, over such a time or somewhat longer.
    pub(crate) fn rate(&mut self, time: Duration) -> Result<f64, BackendError> {
        let start = Instant::now();
        let done = self.run(time, LEAST)?;
        // What was begun is waited for.
        self.backend.read(buffer::PARAMETERS, 0, 0, 1)?;
        Ok(done as f64 / start.elapsed().as_secs_f64())
    }
}
