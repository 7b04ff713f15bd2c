//! A worker: a thread that owns one backend, and is reached through messages only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::awake::receive;
use super::bench::Bench;
use super::member::Member;
use super::message::{Answer, Contents, Failure, Order, Part, Records};
use super::sums::{Total, Values, sound};
use super::tree::{Node, Sum};
use super::verify::UNSOUND;
use crate::backend::cpu::are_finite;
use crate::backend::{Backend, BackendError, Data, Gradients, ProgramId, Terms, run_all};
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
    /// The pool has gone, or has no use for it.
    Closed,
    /// Something is wrong with it.
    PutOut(String),
    /// The backend failed.
    Failed(BackendError),
}

impl From<Option<String>> for Stop {
    fn from(why: Option<String>) -> Self {
        why.map_or(Stop::Closed, Stop::PutOut)
    }
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

/// Tells that a backend failed, and returns how.
pub(super) fn fail(error: BackendError, outbox: &mut dyn Outbox) -> String {
    let failure = Failure::from(error);
    let reason = failure.reason.clone();
    // If nobody hears of it, nobody waits.
    let _ = outbox.send(Answer::Failed(failure));
    reason
}

/// Works until the pool goes, the backend fails or something else is wrong with it. Returns what, if so.
pub(super) fn work(
    backend: Box<dyn Backend>,
    orders: &Receiver<Order>,
    outbox: &mut dyn Outbox,
) -> Option<String> {
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
        sent: VecDeque::new(),
    };
    let ended = outbox.send(ready).map_err(Stop::from);
    let ended = ended.and_then(|()| station.serve(orders, outbox));
    match ended {
        Ok(()) | Err(Stop::Closed) => None,
        Err(Stop::PutOut(why)) => Some(why),
        Err(Stop::Failed(error)) => Some(fail(error, outbox)),
    }
}

/// A backend with what it is at.
pub(super) struct Station {
    pub(super) backend: Box<dyn Backend>,
    pub(super) programs: Vec<(ProgramId, std::sync::Arc<Program>)>,
    bench: Bench<Values>,
    /// What the shards of the step are run with.
    parts: BTreeMap<u32, Part>,
    number: u64,
    program: usize,
    /// The running statistics before the step, which each of its shards begins with.
    base: Option<Vec<Vec<f32>>>,
    /// What is left of the last slice, for peers that are not done with it.
    member: Option<Member>,
    /// Sums that were sent, whose memory serves again once nobody reads them any more.
    sent: VecDeque<Values>,
}

/// Sums whose memory is kept.
const KEPT: usize = 3;

/// How long an idle worker waits before it looks whether the pool is still there.
const LOOK: Duration = Duration::from_millis(500);

impl Station {
    fn serve(&mut self, orders: &Receiver<Order>, outbox: &mut dyn Outbox) -> Result<(), Stop> {
        let mut left = None;
        loop {
            let next = if left.is_some() {
                left.take()
            } else if self.bench.waiting() == 0 {
                match receive(orders, LOOK) {
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
                    let (member, order) = super::member::make(self, &slice, orders, outbox)?;
                    (self.member, left) = (Some(member), order);
                }
                Some(order) => self.obey(order, outbox)?,
                None => {
                    if let Some(node) = self.bench.begin() {
                        self.run_shards(node, outbox)?;
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
                number,
                buffer,
                member,
                offset,
                len,
            } => {
                let values = self.backend.read(&buffer, member, offset, len)?;
                outbox.send(Answer::Values { number, values })?;
            }
            Order::Run {
                number,
                program,
                steps,
            } => {
                run_all(&mut *self.backend, self.programs[program].0, &steps)?;
                let mut records = Vec::new();
                if self.programs[program].1.buffer(buffer::LOG).is_some() {
                    records = self.records(program, &steps)?.concat();
                }
                outbox.send(Answer::Ran { number, records })?;
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
                let hashed = |shard| self.parts.get(&shard).is_some_and(|part| part.hashed);
                self.bench.push(&shards, hashed);
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
                let (value, _) = self.gradient(program, &[part.step])?;
                outbox.send(Answer::Checked {
                    number,
                    shard: part.shard,
                    hash: hash(&value),
                })?;
            }
            Order::Update {
                programs: [gradients, update],
                step,
                of,
                total,
            } => {
                self.bench = Bench::new(0);
                self.update(update, gradients, &step, of, &total)?;
            }
            Order::Lease {
                number,
                programs,
                steps,
            } => {
                self.bench = Bench::new(0);
                let made = self.make(programs, &steps)?;
                outbox.send(Answer::Leased { number, made })?;
            }
            Order::Letter { .. } | Order::Gone { .. } => {
                if let Some(member) = &mut self.member {
                    member.take(order);
                }
            }
            Order::Examine => {
                self.bench = Bench::new(0);
                let programs = self.programs.iter().map(|(_, program)| &**program);
                let checks = self.backend.check(&programs.collect::<Vec<_>>())?;
                let off = checks.iter().filter(|check| !check.passed());
                let off = off.map(|check| (check.kernel.to_owned(), check.error));
                outbox.send(Answer::Examined {
                    kernels: checks.len(),
                    off: off.collect(),
                })?;
            }
            Order::Leave(why) => return Err(why.into()),
            // It is taken where the orders come from.
            Order::Slice(_) => {}
        }
        Ok(())
    }

    fn run_shards(&mut self, node: Node, outbox: &mut dyn Outbox) -> Result<(), Stop> {
        let shards = node.range(self.bench.shards());
        let parts: Vec<Part> = shards
            .filter_map(|shard| self.parts.get(&shard).copied())
            .collect();
        let steps: Vec<Step> = parts.iter().map(|part| part.step).collect();
        let start = Instant::now();
        let (value, finite) = self.gradient(self.program, &steps)?;
        let records = self.records(self.program, &steps)?;
        let seconds = start.elapsed().as_secs_f64();
        let hashed = parts.iter().any(|part| part.hashed);
        let hash = hashed.then(|| hash(&value));
        let sums: Vec<(Node, Values)> = self.bench.ran(node, Values::new(value));
        self.keep(sums.iter().map(|(_, values)| values));
        let sound = match sums[..] {
            [(of, _)] if of == node => finite,
            _ => sound(&sums),
        };
        outbox.send(Answer::Shards {
            number: self.number,
            node,
            seconds,
            records,
            hash,
            sound,
            sums,
        })?;
        Ok(())
    }

    /// Remembers what is sent, for its memory.
    pub(super) fn keep<'a>(&mut self, sums: impl Iterator<Item = &'a Values>) {
        self.sent.extend(sums.cloned());
        self.sent.drain(..self.sent.len().saturating_sub(KEPT));
    }

    /// Memory that nobody needs any more: what was used last, as a cache may have it.
    fn spare(&mut self) -> Vec<f32> {
        let mut sent = self.sent.iter_mut();
        let free = sent.rposition(|values| std::sync::Arc::get_mut(&mut values.0).is_some());
        let free = free.and_then(|place| self.sent.remove(place));
        free.and_then(|values| std::sync::Arc::into_inner(values.0))
            .unwrap_or_default()
    }

    /// Runs shards that are those of one node. Returns the sum of their gradients, and of the running statistics behind them, of
    /// all members, and whether it is finite.
    pub(super) fn gradient(
        &mut self,
        program: usize,
        steps: &[Step],
    ) -> Result<(Vec<f32>, bool), BackendError> {
        if let Some(finite) = self.together(program, steps)? {
            return Ok((self.summed(program)?, finite));
        }
        let sum = self.one_by_one(program, steps)?;
        let finite = are_finite(&sum);
        Ok((sum, finite))
    }

    /// Runs such shards at once, if that can be: their sum is where the program leaves a shard's. Returns whether it is finite.
    pub(super) fn together(
        &mut self,
        program: usize,
        steps: &[Step],
    ) -> Result<Option<bool>, BackendError> {
        let (id, of) = &self.programs[program];
        if of.buffer(buffer::RUNNING).is_some() {
            return Ok(None);
        }
        self.backend.run_together(*id, steps)
    }

    /// Runs such shards one after the other, and sums up what they leave.
    pub(super) fn one_by_one(
        &mut self,
        program: usize,
        steps: &[Step],
    ) -> Result<Vec<f32>, BackendError> {
        let mut sum = Sum::new(steps.len() as u32);
        for (place, step) in (0..).zip(steps) {
            let value = self.alone(program, step)?;
            sum.insert(Node::leaf(place), value);
        }
        Ok(sum.total().unwrap_or_default())
    }

    /// Runs a shard alone.
    fn alone(&mut self, program: usize, step: &Step) -> Result<Vec<f32>, BackendError> {
        let (id, of) = &self.programs[program];
        let (id, of) = (*id, std::sync::Arc::clone(of));
        if let Some(running) = of.buffer(buffer::RUNNING) {
            let len = running.len;
            let base = match self.base.take() {
                Some(base) => base,
                None => (0..of.members)
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
        self.summed(program)
    }

    /// Takes what shards have left to be summed up.
    fn summed(&mut self, program: usize) -> Result<Vec<f32>, BackendError> {
        let program = std::sync::Arc::clone(&self.programs[program].1);
        let mut values = Vec::new();
        for (name, len) in summed(&program) {
            for member in 0..program.members {
                let spare = self.spare();
                let taken = self.backend.take(name, member, len, spare)?;
                if values.is_empty() {
                    values = taken;
                } else {
                    values.extend(taken);
                }
            }
        }
        Ok(values)
    }

    /// What steps have left in the log, each by member.
    pub(super) fn records(
        &mut self,
        program: usize,
        steps: &[Step],
    ) -> Result<Vec<Records>, BackendError> {
        let members = self.programs[program].1.members;
        let of = |step: &Step| {
            let first = step.record as usize * record::WIDTH;
            (0..members)
                .map(|member| self.backend.read(buffer::LOG, member, first, record::WIDTH))
                .collect()
        };
        steps.iter().map(of).collect()
    }

    /// Updates the weights by the sum of all shards, and puts the mean of their running statistics in the place of those.
    pub(super) fn update(
        &mut self,
        update: usize,
        gradients: usize,
        step: &Step,
        of: u32,
        total: &Total,
    ) -> Result<(), BackendError> {
        let program = std::sync::Arc::clone(&self.programs[gradients].1);
        let (mut first, mut flat) = (0, 0);
        for (name, len) in summed(&program) {
            if name == buffer::GRADIENTS {
                (first, flat) = (len * program.members, len);
                continue;
            }
            for member in 0..program.members {
                let mut mean = vec![0.0; len];
                total.read(first, &mut mean);
                for value in &mut mean {
                    *value /= of as f32;
                }
                self.backend.write(name, member, 0, Data::F32(&mean))?;
                first += len;
            }
        }
        self.base = None;
        self.backend.update(
            self.programs[update].0,
            step,
            [program.members, flat],
            &Flat(total, flat),
        )
    }
}

/// Gradients of members, so many of each, one behind the other.
struct Flat<'a>(&'a Total, usize);

impl Gradients for Flat<'_> {
    fn read<'a>(&'a self, member: usize, first: usize, memory: &'a mut [f32]) -> Terms<'a, f32> {
        self.0.terms(member * self.1 + first, memory)
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
