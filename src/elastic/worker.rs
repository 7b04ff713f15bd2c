//! A worker: a thread that owns one backend, and is reached through messages only.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::bench::Bench;
use super::member::Member;
use super::message::{Answer, Contents, Order, Part, Values, are_finite, sound};
use super::tree::Node;
use super::verify::UNSOUND;
use crate::backend::{Backend, BackendError, Data, ProgramId, run_all};
use crate::program::{Program, Step, buffer, record};

/// Where a worker's answers go: to the pool, or into a pipe to it. It fails when nobody listens any more.
pub(super) trait Outbox {
    /// Sends an answer.
    fn send(&mut self, answer: Answer) -> Result<(), Closed>;
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// Why a worker ends.
pub(super) enum Stop {
    /// The pool has gone.
    Closed,
    /// The backend failed.
    Failed(BackendError),
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Stop::Closed
    }
}

impl From<BackendError> for Stop {
    fn from(error: BackendError) -> Self {
        Stop::Failed(error)
    }
}

/// Works until the pool goes or the backend fails.
pub(super) fn work(backend: Box<dyn Backend>, orders: &Receiver<Order>, outbox: &mut dyn Outbox) {
    let limits = backend.limits();
    let ready = Answer::Ready {
        device: backend.device(),
        limits: [limits.tensor, limits.rows],
    };
    let mut station = Station {
        backend,
        programs: Vec::new(),
        bench: Bench::new(0),
        parts: BTreeMap::new(),
        number: 0,
        program: 0,
        base: None,
        member: None,
    };
    let ended = outbox.send(ready).map_err(Stop::from);
    let ended = ended.and_then(|()| station.serve(orders, outbox));
    if let Err(Stop::Failed(error)) = ended {
        // If nobody hears of it, nobody waits.
        let _ = outbox.send(Answer::Failed(error.to_string()));
    }
}

/// A backend with what it is at.
pub(super) struct Station {
    backend: Box<dyn Backend>,
    programs: Vec<(ProgramId, std::sync::Arc<Program>)>,
    bench: Bench<Values>,
    /// What the shards of the step are run with.
    parts: BTreeMap<u32, Part>,
    number: u64,
    program: usize,
    /// The running statistics before the step, which each of its shards begins with.
    base: Option<Vec<Vec<f32>>>,
    /// What is left of the last slice, for peers that are not done with it.
    member: Option<Member>,
}

/// How long an idle worker waits before it looks whether the pool is still there.
const LOOK: Duration = Duration::from_millis(500);

impl Station {
    fn serve(&mut self, orders: &Receiver<Order>, outbox: &mut dyn Outbox) -> Result<(), Stop> {
        loop {
            let next = if self.bench.waiting() == 0 {
                match orders.recv_timeout(LOOK) {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return Err(Stop::Closed),
                }
            } else {
                match orders.try_recv() {
                    Ok(order) => Some(order),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return Err(Stop::Closed),
                }
            };
            match next {
                Some(Order::Slice(slice)) => {
                    self.bench = Bench::new(0);
                    self.member = Some(super::member::make(self, &slice, orders, outbox)?);
                }
                Some(order) => self.obey(order, outbox)?,
                None => {
                    if let Some(shard) = self.bench.begin() {
                        self.run_shard(shard, outbox)?;
                    }
                }
            }
        }
    }

    /// Does what is neither a shard nor a slice.
    pub(super) fn obey(&mut self, order: Order, outbox: &mut dyn Outbox) -> Result<(), Stop> {
        match order {
            Order::Compile(program) => {
                let compiled = self.backend.compile(&program)?;
                self.programs.push((compiled, program));
            }
            Order::Write {
                buffer,
                member,
                offset,
                contents,
            } => {
                let data = match &contents {
                    Contents::Numbers(values) => Data::F32(&values.0),
                    Contents::Indices(values) => Data::U32(values),
                };
                self.backend.write(&buffer, member, offset, data)?;
                self.base = None;
            }
            Order::Read {
                buffer,
                member,
                offset,
                len,
            } => {
                let values = self.backend.read(&buffer, member, offset, len)?;
                outbox.send(Answer::Values(values))?;
            }
            Order::Run { program, steps } => {
                run_all(&mut *self.backend, self.programs[program].0, &steps)?;
                let mut records = Vec::new();
                if self.programs[program].1.buffer(buffer::LOG).is_some() {
                    for step in &steps {
                        records.extend(self.records(program, step)?);
                    }
                }
                outbox.send(Answer::Ran(records))?;
            }
            Order::Shards {
                number,
                program,
                of,
                parts,
            } => {
                if self.number != number || self.bench.shards() != of {
                    self.bench = Bench::new(of);
                    self.parts.clear();
                }
                (self.number, self.program) = (number, program);
                let shards: Vec<u32> = parts.iter().map(|part| part.shard).collect();
                self.parts
                    .extend(parts.into_iter().map(|part| (part.shard, part)));
                self.bench.push(&shards);
            }
            Order::Skip { number, shards } => {
                if self.number == number {
                    let sums = self.bench.skip(&shards);
                    if !sums.is_empty() {
                        let sound = sound(&sums);
                        outbox.send(Answer::Sums {
                            number,
                            sums,
                            sound,
                        })?;
                    }
                }
            }
            Order::Check {
                number,
                program,
                part,
            } => {
                let value = self.gradient(program, &part.step)?;
                outbox.send(Answer::Checked {
                    number,
                    shard: part.shard,
                    hash: hash(&value),
                })?;
            }
            Order::Update {
                program,
                step,
                of,
                total,
            } => {
                self.bench = Bench::new(0);
                self.update(program, self.program, &step, of, &total)?;
            }
            Order::Letter { .. } | Order::Gone { .. } => {
                if let Some(member) = &mut self.member {
                    member.take(order);
                }
            }
            Order::Leave => return Err(Stop::Closed),
            // It is taken where the orders come from.
            Order::Slice(_) => {}
        }
        Ok(())
    }

    fn run_shard(&mut self, shard: u32, outbox: &mut dyn Outbox) -> Result<(), Stop> {
        let Some(part) = self.parts.get(&shard).copied() else {
            return Ok(());
        };
        let start = Instant::now();
        let value = self.gradient(self.program, &part.step)?;
        let records = self.records(self.program, &part.step)?;
        let seconds = start.elapsed().as_secs_f64();
        let hash = part.hashed.then(|| hash(&value));
        let sums: Vec<(Node, Values)> = self.bench.ran(shard, Values::new(value));
        outbox.send(Answer::Shard {
            number: self.number,
            shard,
            seconds,
            records,
            hash,
            sound: sound(&sums),
            sums,
        })?;
        Ok(())
    }

    /// Runs a shard. Returns its gradients, and the running statistics behind it, of all members.
    pub(super) fn gradient(
        &mut self,
        program: usize,
        step: &Step,
    ) -> Result<Vec<f32>, BackendError> {
        let (id, program) = &self.programs[program];
        let (id, program) = (*id, std::sync::Arc::clone(program));
        let running = program.buffer(buffer::RUNNING).map(|running| running.len);
        if let Some(len) = running {
            let base = match self.base.take() {
                Some(base) => base,
                None => (0..program.members)
                    .map(|member| self.backend.read(buffer::RUNNING, member, 0, len))
                    .collect::<Result<_, _>>()?,
            };
            for (member, values) in base.iter().enumerate() {
                self.backend
                    .write(buffer::RUNNING, member, 0, Data::F32(values))?;
            }
            self.base = Some(base);
        }
        run_all(&mut *self.backend, id, std::slice::from_ref(step))?;
        let mut values = Vec::new();
        for (name, len) in summed(&program) {
            for member in 0..program.members {
                let read = self.backend.read(name, member, 0, len)?;
                if values.is_empty() {
                    values = read;
                } else {
                    values.extend(read);
                }
            }
        }
        Ok(values)
    }

    /// What a step has left in the log, by member.
    pub(super) fn records(
        &mut self,
        program: usize,
        step: &Step,
    ) -> Result<Vec<Vec<f32>>, BackendError> {
        let members = self.programs[program].1.members;
        let first = step.record as usize * record::WIDTH;
        (0..members)
            .map(|member| self.backend.read(buffer::LOG, member, first, record::WIDTH))
            .collect()
    }

    /// Updates the weights by the sum of all shards, and puts the mean of their running statistics in the place of those.
    pub(super) fn update(
        &mut self,
        update: usize,
        gradients: usize,
        step: &Step,
        of: u32,
        total: &Values,
    ) -> Result<(), BackendError> {
        let program = std::sync::Arc::clone(&self.programs[gradients].1);
        let mut rest = &total.0[..];
        for (name, len) in summed(&program) {
            for member in 0..program.members {
                let (values, others) = rest.split_at(len.min(rest.len()));
                rest = others;
                if name == buffer::RUNNING {
                    let mean: Vec<f32> = values.iter().map(|value| value / of as f32).collect();
                    self.backend.write(name, member, 0, Data::F32(&mean))?;
                } else {
                    self.backend.write(name, member, 0, Data::F32(values))?;
                }
            }
        }
        self.base = None;
        run_all(
            &mut *self.backend,
            self.programs[update].0,
            std::slice::from_ref(step),
        )
    }
}

/// Buffers of a shard's program that are summed up over the shards.
pub(super) fn summed(program: &Program) -> impl Iterator<Item = (&'static str, usize)> + use<'_> {
    let of = |name: &'static str| program.buffer(name).map(|buffer| (name, buffer.len));
    [buffer::GRADIENTS, buffer::RUNNING]
        .into_iter()
        .filter_map(of)
}

/// FNV-1a over the values' bits; [`UNSOUND`] if one of them is no number, or infinite.
pub(super) fn hash(values: &[f32]) -> u64 {
    if !are_finite(values) {
        return UNSOUND;
    }
    values.iter().fold(0xcbf2_9ce4_8422_2325, |hash, value| {
        (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3)
    })
}
