use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use super::guard::{Due, Guard};
use super::layout::{Layout, Part};
use super::mixing::Mixing;
use super::outcome::{End, Event, Outcome, TrainError};
use super::rows::{Member, Rows};
use super::sampling::{self, Sampling};
use super::scores::{Scores, Totals, add};
use super::state::State;
use super::training::{Judge, Observe, Options, Training};
use super::windows::Streamed;
use crate::backend::{
    Backend, BackendError, Data, ProgramId, Reading, finish_reads, read_weights, run_all,
    write_weights,
};
use crate::model::{Network, Weights};
use crate::program::{Program, Step, buffer, record};
use crate::random::{Purpose, key};

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
    /// Where training rows come from that are read on the way.
    pub(super) streamed: Option<Streamed<'a>>,
    learn: Learn,
    pub(super) evaluate: ProgramId,
    /// What judges validation rows, and the program that does.
    pub(super) judge: Option<(Judge<'a>, ProgramId)>,
    /// Name and size of the buffers that the state consists of, beside the [`State`].
    pub(super) lasting: Vec<(String, usize)>,
    pub(super) state: State,
    /// Steps of the round whose records are in the state's totals.
    folded: usize,
    /// Epochs whose orders the device has.
    pub(super) ordered: Option<Range<usize>>,
    /// Whether this process has made a step.
    begun: bool,
    pub(super) measured: (u64, u64, Duration),
}

impl<'a> Run<'a> {
    pub(super) fn new(
        backend: &'a mut dyn Backend,
        training: Training<'a>,
        layout: Layout,
    ) -> Result<Self, TrainError> {
        let Training {
            network,
            members,
            rows,
            options,
            judge: _,
            windows,
        } = training;
        let Options {
            loss,
            optimizer,
            augmentation,
            precision,
            ..
        } = options;
        let mut lasting = Vec::new();
        let mut compile = |backend: &mut dyn Backend, program: &Program| {
            for buffer in program.lasting() {
                let kept = (buffer.name.clone(), buffer.len);
                if !lasting.contains(&kept) {
                    lasting.push(kept);
                }
            }
            backend.compile(program)
        };
        let capacity = layout.capacity(layout.micro);
        // Shards are summed up by the backend.
        let sharded = backend.shards().is_some();
        let learnt = |program: Program| {
            let program = program.augmented(augmentation);
            program.with_precision(*precision).fused()
        };
        let gradients = || {
            let program = if sharded {
                Program::shard(network, loss, capacity)
            } else {
                Program::gradients(network, loss, capacity)
            };
            learnt(program)
        };
        let learn = if options.lbfgs.is_some() {
            Learn::Gradients(compile(backend, &gradients())?)
        } else if layout.micro == layout.batch && !sharded {
            let program = Program::training(network, loss, optimizer, capacity);
            Learn::Step(compile(backend, &learnt(program))?)
        } else {
            let update = Program::update(network, optimizer, capacity);
            Learn::Micro {
                gradients: compile(backend, &gradients())?,
                update: compile(backend, &update)?,
            }
        };
        // Whether a step is cut in two or not, the state is the same.
        lasting.sort();
        let kept = optimizer.kept();
        let capacity = layout.capacity(layout.evaluated);
        let evaluation = Program::evaluation(network, loss, kept, capacity).fused();
        let evaluate = backend.compile(&evaluation)?;
        backend.write(buffer::INPUTS, 0, 0, Data::F32(&rows.inputs.values))?;
        backend.write(buffer::TARGETS, 0, 0, Data::F32(&rows.targets.values))?;
        let run = Run {
            backend,
            network,
            members,
            rows,
            options,
            layout,
            streamed: windows.map(Streamed::new),
            learn,
            evaluate,
            judge: None,
            lasting,
            state: State::new(members.len()),
            folded: 0,
            ordered: None,
            begun: false,
            measured: (0, 0, Duration::ZERO),
        };
        for (index, member) in members.iter().enumerate() {
            if network.drops(0) || augmentation.draws() {
                let key = key(member.seed, Purpose::Dropout);
                run.backend.write(buffer::KEYS, index, 0, Data::U32(&key))?;
            }
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

    /// Takes a state over; the buffers hold what belongs to it.
    pub(super) fn set(&mut self, state: State) -> Result<(), BackendError> {
        self.folded = state.done;
        self.ordered = None;
        if let Some(streamed) = &mut self.streamed {
            streamed.forget();
        }
        self.state = state;
        for member in 0..self.members.len() {
            let factor = self.state.plateaus[member].factor();
            self.write_rate(member, if self.learns(member) { factor } else { 0.0 })?;
        }
        Ok(())
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
        let State { ended, stale, .. } = &self.state;
        !ended[member] && patience.is_none_or(|patience| stale[member] < patience)
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
        guard: &mut Guard<'_>,
        observe: &mut Observe<'_>,
    ) -> Result<End, TrainError> {
        loop {
            // What is over may have been over when the snapshot was taken.
            if !(0..self.members.len()).any(|member| self.learns(member)) {
                return Ok(End::Patience);
            }
            let State { steps, epoch, .. } = self.state;
            let all = self.options.max_steps.is_some_and(|most| steps >= most);
            if all || epoch > self.options.epochs {
                return Ok(End::Done);
            }
            if self.round(guard, observe)?.is_break() {
                return Ok(End::Stopped);
            }
        }
    }

    pub(super) fn finished(
        &mut self,
        guard: &mut Guard<'_>,
        observe: &mut Observe<'_>,
    ) -> Result<Outcome, TrainError> {
        let end = match self.options.lbfgs {
            Some(lbfgs) => self.iterations(lbfgs, guard, observe)?,
            None => self.epochs(guard, observe)?,
        };
        if end != End::Stopped {
            self.take(guard, Due::End)?;
        }
        let outcome = self.finish(end)?;
        guard.settle(usize::MAX, observe);
        Ok(outcome)
    }

    /// Leaves a snapshot, if one is due and somebody wants it.
    pub(super) fn take(&mut self, guard: &mut Guard<'_>, due: Due) -> Result<(), TrainError> {
        if guard.wants(self.state.steps, due) {
            let snapshot = self.snapshot()?;
            if !snapshot.is_sound() {
                // It would be found out soon, and this is nothing to go back to.
                let epochs = self.state.done / self.layout.steps_per_epoch();
                return Err(self.diverged(f64::NAN, self.state.epoch + epochs));
            }
            guard.take(snapshot, due);
        }
        Ok(())
    }

    /// Each member's batch orders of some epochs: functions of its seed and the epoch.
    pub(super) fn write_orders(&mut self, epochs: Range<usize>) -> Result<(), BackendError> {
        let Options {
            shuffle, sampling, ..
        } = *self.options;
        let alpha = self.options.augmentation.mixup;
        let mixes = alpha > 0.0;
        let same = !shuffle && sampling == Sampling::Each && !mixes;
        let known = |known: &Range<usize>| same || *known == epochs;
        if self.ordered.as_ref().is_some_and(known) {
            return Ok(());
        }
        let count = self.rows.counts()[0];
        let mut orders = Vec::new();
        let mut mixing = Mixing::default();
        for (index, member) in self.members.iter().enumerate() {
            orders.clear();
            mixing.clear();
            for epoch in epochs.clone() {
                let start = orders.len();
                sampling::order(
                    self.options,
                    self.rows.of(index),
                    self.rows.targets,
                    count,
                    (member.seed, epoch as u32 - 1),
                    &mut orders,
                );
                if mixes {
                    let first = ((epoch - 1) * self.layout.steps_per_epoch()) as u64;
                    let order = &orders[start..];
                    mixing.add(alpha, (member.seed, first), order, self.layout.batch);
                }
            }
            self.backend
                .write(buffer::ORDER, index, 0, Data::U32(&orders))?;
            if mixes {
                mixing.write(self.backend, index)?;
            }
        }
        self.ordered = Some(epochs);
        Ok(())
    }

    /// Trains some epochs in one go: their orders are written before the first, their log is read behind the last.
    fn round(
        &mut self,
        guard: &mut Guard<'_>,
        observe: &mut Observe<'_>,
    ) -> Result<ControlFlow<()>, TrainError> {
        // Drawing the rows' orders is a part of training.
        let mut start = Instant::now();
        let first_epoch = self.state.epoch;
        let last = self.options.epochs.min(first_epoch + self.layout.round - 1);
        let epochs = first_epoch..last + 1;
        if self.streamed.is_none() {
            self.write_orders(epochs.clone())?;
        }
        let stretches = self.stretches(epochs.len());
        let per_epoch = self.layout.steps_per_epoch();
        let all = (per_epoch as u64).saturating_mul(self.options.epochs as u64);
        let total = all.min(self.options.max_steps.unwrap_or(u64::MAX));
        let before = self.state.steps - self.state.done as u64;
        let left = usize::try_from(total - before).unwrap_or(usize::MAX);
        let mut steps = self
            .layout
            .training_steps(self.options, self.network, before, &stretches);
        for step in steps.iter_mut().flatten() {
            step.rate *= self.state.rate as f32;
        }
        steps.truncate(left);
        self.state.totals.resize(self.members.len(), Vec::new());
        for totals in &mut self.state.totals {
            totals.resize(epochs.len(), Totals::default());
        }
        let mut flow = ControlFlow::Continue(());
        while self.state.done < steps.len() && flow.is_continue() {
            let done = self.state.done;
            let first = !std::mem::replace(&mut self.begun, true);
            // The first step alone: drivers compile kernels when they first run.
            let most = if first {
                1
            } else {
                guard.until(self.state.steps)
            };
            let most = self.bring(done)?.min(most);
            let slice = &steps[done..steps.len().min(done.saturating_add(most))];
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
            self.state.steps += ran as u64;
            self.state.samples += samples;
            if !first {
                self.measured.0 += ran as u64;
                self.measured.1 += samples;
            }
            self.state.done += ran;
            guard.come(self.state.steps);
            flow = observe(Event::Steps {
                done: self.state.steps,
                total,
                epoch: epochs.start + (self.state.done - 1) / per_epoch,
                samples: self.state.samples,
            });
            let due = match flow {
                ControlFlow::Continue(()) => Due::Interval,
                ControlFlow::Break(()) => Due::End,
            };
            if self.state.done < steps.len() && (due == Due::End || guard.due(self.state.steps)) {
                let log = self.begin_fold(&steps)?;
                self.fold(&steps, log)?;
                self.take(guard, due)?;
            }
        }
        if flow.is_continue() && self.streamed.is_none() && before + (steps.len() as u64) < total {
            // The next orders are drawn while the device makes the last steps.
            let last = self.options.epochs.min(last + self.layout.round);
            self.write_orders(epochs.end..last + 1)?;
        }
        // It goes on with validation rows while the records of the training rows come back.
        let log = self.begin_fold(&steps)?;
        let there = log.iter().all(Reading::is_done).then(|| start.elapsed());
        let begun = self.begin_validation()?;
        self.fold(&steps, log)?;
        self.measured.2 += there.unwrap_or_else(|| start.elapsed());
        let validated = self.validate(begun)?;
        let done = &steps[..self.state.done];
        let whole = done.len() == steps.len();
        let mut stopped = flow;
        for (index, (number, steps)) in epochs.clone().zip(done.chunks(per_epoch)).enumerate() {
            let rows = steps.iter().flatten().map(|step| step.rows as usize).sum();
            let totals = self.state.totals.iter();
            let trained: Vec<Scores> = totals
                .map(|totals| self.score(&totals[index], rows))
                .collect();
            let epoch = self.epoch(number, &trained, validated.as_deref())?;
            if stopped.is_continue() {
                stopped = observe(Event::Epoch(&epoch));
            }
        }
        // The last may be of an epoch that is not at its end.
        guard.settle(first_epoch + done.len() / per_epoch - 1, observe);
        self.note()?;
        self.state.epoch = epochs.end;
        self.state.done = 0;
        self.state.totals.clear();
        self.folded = 0;
        if whole {
            let due = match stopped {
                ControlFlow::Continue(()) => Due::Interval,
                ControlFlow::Break(()) => Due::End,
            };
            self.take(guard, due)?;
        }
        Ok(stopped)
    }

    /// Begins to read the records of the round's last steps.
    fn begin_fold(&mut self, steps: &[Vec<Step>]) -> Result<Vec<Reading>, BackendError> {
        let steps = &steps[self.folded..self.state.done];
        let first = steps.iter().flatten().next();
        self.begin_log(first, steps.iter().map(Vec::len).sum())
    }

    /// Adds these records to the round's totals.
    fn fold(&mut self, steps: &[Vec<Step>], log: Vec<Reading>) -> Result<(), BackendError> {
        let per_epoch = self.layout.steps_per_epoch();
        let done = self.state.done;
        let log = finish_reads(self.backend, log)?;
        let mut record = 0;
        while self.folded < done {
            let epoch = self.folded / per_epoch;
            let until = done.min((epoch + 1) * per_epoch);
            let records: usize = steps[self.folded..until].iter().map(Vec::len).sum();
            let range = record..record + records * record::WIDTH;
            for (totals, log) in self.state.totals.iter_mut().zip(&log) {
                add(&mut totals[epoch], &log[range.clone()]);
            }
            (record, self.folded) = (range.end, until);
        }
        Ok(())
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
            Learn::Micro { gradients, update } => self.backend.learn([gradients, update], steps),
        }
    }
}

/// Steps handed to the backend at a time: enough for its slice on any device.
const SLICE_STEPS: usize = 1 << 16;
