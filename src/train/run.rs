use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use super::layout::{Layout, Part};
use super::lbfgs::Lbfgs;
use super::outcome::{End, Epoch, Event, Outcome, TrainError};
use super::rows::{Member, Rows, check};
use super::sampling::{self, Sampling};
use super::schedule::{Plateau, Schedule};
use super::scores::{Monitor, Scores};
use crate::backend::{
    Backend, BackendError, Data, ProgramId, read_weights, run_all, write_weights,
};
use crate::data::Matrix;
use crate::model::{Network, Weights};
use crate::program::{Loss, Op, Optimizer, Program, Step, buffer, record};
use crate::random::{Purpose, key};

/// How a pack of networks is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is made small.
    pub loss: Loss,
    /// How gradients change the weights.
    pub optimizer: Optimizer,
    /// Rows a step; `None` for all of them.
    pub batch_size: Option<usize>,
    /// Batches whose gradients make one step.
    pub accumulate: usize,
    /// Passes over the training rows at most.
    pub epochs: usize,
    /// Steps at most.
    pub max_steps: Option<u64>,
    /// What tells better weights from worse, on the validation rows (the training rows, if there are none).
    pub monitor: Monitor,
    /// Epochs without a better value of it before a member learns no more and keeps its best weights; training ends with the
    /// last of them. `None` trains to the end and keeps the last weights.
    pub patience: Option<usize>,
    /// Whether each epoch has its own order.
    pub shuffle: bool,
    /// Which rows an epoch has.
    pub sampling: Sampling,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Training by iterations over all rows in the place of the optimizer's steps.
    pub lbfgs: Option<Lbfgs>,
}

impl Options {
    /// So many epochs of batches, with nothing that is not asked for.
    pub fn plain(loss: Loss, optimizer: Optimizer, batch_size: usize, epochs: usize) -> Self {
        Options {
            loss,
            optimizer,
            batch_size: Some(batch_size),
            accumulate: 1,
            epochs,
            max_steps: None,
            monitor: Monitor::default(),
            patience: None,
            shuffle: true,
            sampling: Sampling::default(),
            schedule: Schedule::default(),
            lbfgs: None,
        }
    }
}

/// What is monitored of logits `[rows, outputs]` for these rows of the dataset; `None` where the rows have no such value.
pub type Judge<'a> = dyn Fn(&Matrix, &[u32]) -> Option<f64> + 'a;

/// Trains a pack of networks. `observe` hears of every slice of steps and every epoch, and may end the run after it.
pub fn train(
    backend: &mut dyn Backend,
    network: &Network,
    members: &[Member],
    rows: Rows<'_>,
    options: &Options,
    observe: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Outcome, TrainError> {
    train_judged(backend, network, members, rows, options, None, observe)
}

/// The same with a judge, which every [`Monitor`] that is not summed on the device needs.
pub fn train_judged(
    backend: &mut dyn Backend,
    network: &Network,
    members: &[Member],
    rows: Rows<'_>,
    options: &Options,
    judge: Option<&Judge<'_>>,
    observe: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Outcome, TrainError> {
    check(network, members, rows, options)?;
    let monitor = options.monitor;
    if !monitor.is_summed() && (judge.is_none() || rows.counts()[1] == 0) {
        return Err(TrainError::Data(format!(
            "{monitor} is of the answers for validation rows: there are none, or nothing judges them"
        )));
    }
    let layout = Layout::new(network, members.len(), rows, options, backend.limits());
    let mut run = Run::new(backend, network, members, rows, options, layout)?;
    run.judge = judge.filter(|_| !monitor.is_summed());
    let end = match options.lbfgs {
        Some(lbfgs) => run.iterations(lbfgs, observe)?,
        None => run.epochs(observe)?,
    };
    run.finish(end)
}

/// The programs of a run: a whole step, a step in micro-batches, or gradients that are no step.
enum Learn {
    Gradients(ProgramId),
    Step(ProgramId),
    Micro {
        gradients: ProgramId,
        update: ProgramId,
    },
}

pub(super) struct Run<'a> {
    pub(super) backend: &'a mut dyn Backend,
    pub(super) network: &'a Network,
    pub(super) members: &'a [Member],
    pub(super) rows: Rows<'a>,
    pub(super) options: &'a Options,
    pub(super) layout: Layout,
    learn: Learn,
    pub(super) evaluate: ProgramId,
    /// The buffer of the evaluation's logits, and where they begin.
    pub(super) logits: (String, usize),
    pub(super) judge: Option<&'a Judge<'a>>,
    pub(super) histories: Vec<Vec<Epoch>>,
    pub(super) best: Vec<Option<(f64, Weights)>>,
    /// Rounds in which a member did not improve.
    pub(super) stale: Vec<usize>,
    pub(super) plateaus: Vec<Plateau>,
    /// Whether there is nothing more to learn for a member.
    pub(super) ended: Vec<bool>,
    pub(super) steps: u64,
    pub(super) samples: u64,
    pub(super) measured: (u64, u64, Duration),
}

impl<'a> Run<'a> {
    fn new(
        backend: &'a mut dyn Backend,
        network: &'a Network,
        members: &'a [Member],
        rows: Rows<'a>,
        options: &'a Options,
        layout: Layout,
    ) -> Result<Self, TrainError> {
        let Options {
            loss, optimizer, ..
        } = options;
        let learn = if options.lbfgs.is_some() {
            let gradients = Program::gradients(network, loss, layout.capacity(layout.micro));
            Learn::Gradients(backend.compile(&gradients.fused())?)
        } else if layout.micro == layout.batch {
            let program =
                Program::training(network, loss, optimizer, layout.capacity(layout.micro));
            Learn::Step(backend.compile(&program.fused())?)
        } else {
            let gradients = Program::gradients(network, loss, layout.capacity(layout.micro));
            let update = Program::update(network, optimizer, layout.capacity(layout.micro));
            Learn::Micro {
                gradients: backend.compile(&gradients.fused())?,
                update: backend.compile(&update)?,
            }
        };
        let kept = optimizer.kept();
        let capacity = layout.capacity(layout.evaluated);
        let evaluation = Program::evaluation(network, loss, kept, capacity).fused();
        let evaluate = backend.compile(&evaluation)?;
        backend.write(buffer::INPUTS, 0, 0, Data::F32(&rows.inputs.values))?;
        backend.write(buffer::TARGETS, 0, 0, Data::F32(&rows.targets.values))?;
        let mut run = Run {
            backend,
            network,
            members,
            rows,
            options,
            layout,
            learn,
            evaluate,
            logits: logits_of(&evaluation),
            judge: None,
            histories: vec![Vec::new(); members.len()],
            best: vec![None; members.len()],
            stale: vec![0; members.len()],
            plateaus: vec![Plateau::default(); members.len()],
            ended: vec![false; members.len()],
            steps: 0,
            samples: 0,
            measured: (0, 0, Duration::ZERO),
        };
        for (index, member) in members.iter().enumerate() {
            run.write_rate(index, 1.0)?;
            if network.drops(0) {
                let key = key(member.seed, Purpose::Dropout);
                run.backend.write(buffer::KEYS, index, 0, Data::U32(&key))?;
            }
            run.write_weights(index, &member.weights)?;
            let parts = rows.of(index);
            for (part, rows) in [
                (Part::Validation, parts.validation),
                (Part::Test, parts.test),
            ] {
                run.backend.write(
                    buffer::ORDER,
                    index,
                    run.layout.first(part),
                    Data::U32(rows),
                )?;
            }
        }
        Ok(run)
    }

    /// Writes a member's hyper-parameters, its learning rate times `factor`.
    pub(super) fn write_rate(&mut self, member: usize, factor: f64) -> Result<(), BackendError> {
        if let Learn::Gradients(_) = self.learn {
            return Ok(());
        }
        let mut hyper = self.members[member].hyper;
        hyper.learning_rate *= factor as f32;
        let hyper = bytemuck::cast_slice(std::slice::from_ref(&hyper));
        self.backend
            .write(buffer::HYPER, member, 0, Data::F32(hyper))
    }

    /// Whether a member still learns: there is something to learn, and the patience with it is not over.
    pub(super) fn learns(&self, member: usize) -> bool {
        let patience = self.options.patience;
        !self.ended[member] && patience.is_none_or(|patience| self.stale[member] < patience)
    }

    pub(super) fn write_weights(
        &mut self,
        member: usize,
        weights: &Weights,
    ) -> Result<(), BackendError> {
        for flat in [buffer::PARAMETERS, self.options.optimizer.kept()] {
            write_weights(self.backend, self.network, flat, member, weights)?;
        }
        Ok(())
    }

    pub(super) fn read_weights(&mut self, member: usize) -> Result<Weights, BackendError> {
        let kept = self.options.optimizer.kept();
        read_weights(self.backend, self.network, kept, member)
    }

    fn epochs(
        &mut self,
        observe: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<End, TrainError> {
        let mut epoch = 1;
        while epoch <= self.options.epochs {
            let round = epoch
                ..self
                    .options
                    .epochs
                    .saturating_add(1)
                    .min(epoch + self.layout.round);
            epoch = round.end;
            if self.round(round, observe)?.is_break() {
                return Ok(End::Stopped);
            }
            if !(0..self.members.len()).any(|member| self.learns(member)) {
                return Ok(End::Patience);
            }
            if self
                .options
                .max_steps
                .is_some_and(|most| self.steps >= most)
            {
                break;
            }
        }
        Ok(End::Done)
    }

    /// Each member's batch orders of some epochs: functions of its seed and the epoch.
    pub(super) fn write_orders(&mut self, epochs: Range<usize>) -> Result<(), BackendError> {
        let Options {
            shuffle, sampling, ..
        } = *self.options;
        if !shuffle && sampling == Sampling::Each && epochs.start > 1 {
            return Ok(());
        }
        let count = self.rows.counts()[0];
        let mut orders = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            orders.clear();
            for epoch in epochs.clone() {
                orders.extend(sampling::order(
                    self.options,
                    self.rows.of(index),
                    self.rows.targets,
                    count,
                    (member.seed, epoch as u32 - 1),
                ));
            }
            self.backend
                .write(buffer::ORDER, index, 0, Data::U32(&orders))?;
        }
        Ok(())
    }

    /// Trains some epochs in one go: their orders are written before the first, their log is read behind the last.
    fn round(
        &mut self,
        epochs: Range<usize>,
        observe: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TrainError> {
        self.write_orders(epochs.clone())?;
        let per_epoch = self.layout.steps_per_epoch();
        let all = (per_epoch as u64).saturating_mul(self.options.epochs as u64);
        let total = all.min(self.options.max_steps.unwrap_or(u64::MAX));
        let left = usize::try_from(total - self.steps).unwrap_or(usize::MAX);
        let mut steps =
            self.layout
                .training_steps(self.options, self.network, self.steps, epochs.len());
        steps.truncate(left);
        let mut flow = ControlFlow::Continue(());
        let mut done = 0;
        let mut start = Instant::now();
        while done < steps.len() && flow.is_continue() {
            let first = self.steps == 0;
            // The first step alone: drivers compile kernels when they first run.
            let slice = if first { &steps[..1] } else { &steps[done..] };
            let ran = self.learn(slice)?;
            if first {
                self.backend.read(buffer::LOG, 0, 0, record::WIDTH)?;
                start = Instant::now();
            }
            let samples: u64 = slice[..ran]
                .iter()
                .flatten()
                .map(|step| u64::from(step.rows))
                .sum();
            self.steps += ran as u64;
            self.samples += samples;
            if !first {
                self.measured.0 += ran as u64;
                self.measured.1 += samples;
            }
            done += ran;
            flow = observe(Event::Steps {
                done: self.steps,
                total,
                epoch: epochs.start + (done - 1) / per_epoch,
            });
        }
        let log = self.log(&steps[..done].concat())?;
        self.measured.2 += start.elapsed();
        let validated = self.validate()?;
        let mut record = 0;
        for (number, steps) in epochs.zip(steps[..done].chunks(per_epoch)) {
            let (first, rows) = (
                record,
                steps.iter().flatten().map(|step| step.rows as usize).sum(),
            );
            record += record::WIDTH * steps.iter().map(Vec::len).sum::<usize>();
            let trained = log.iter().map(|log| self.score(&log[first..record], rows));
            let trained: Vec<Scores> = trained.collect();
            let epoch = self.epoch(number, &trained, validated.as_deref())?;
            if flow.is_continue() {
                flow = observe(Event::Epoch(&epoch));
            }
        }
        self.note()?;
        Ok(flow)
    }

    /// Runs some of the steps, each of which is one batch or its micro-batches. Returns how many.
    pub(super) fn learn(&mut self, steps: &[Vec<Step>]) -> Result<usize, BackendError> {
        match self.learn {
            Learn::Step(program) => {
                let flat: Vec<Step> = steps.iter().take(SLICE_STEPS).flatten().copied().collect();
                self.backend.run(program, &flat)
            }
            Learn::Gradients(gradients) => {
                for step in steps {
                    run_all(self.backend, gradients, step)?;
                }
                Ok(steps.len())
            }
            Learn::Micro { gradients, update } => {
                let Some(step) = steps.first() else {
                    return Ok(0);
                };
                run_all(self.backend, gradients, step)?;
                run_all(self.backend, update, &step[step.len() - 1..])?;
                Ok(1)
            }
        }
    }
}

/// Steps handed to the backend at a time: enough for its slice on any device.
const SLICE_STEPS: usize = 1 << 16;

/// The buffer that holds the logits of a program's loss, and where they begin.
fn logits_of(program: &Program) -> (String, usize) {
    let logits = program.ops.iter().find_map(|op| match op {
        Op::LossGradient { logits, .. } => Some(&program.tensors[*logits]),
        _ => None,
    });
    logits.map_or_else(Default::default, |logits| {
        (program.buffers[logits.buffer].name.clone(), logits.offset)
    })
}
