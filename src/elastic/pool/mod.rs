//! Several workers that are one backend: a step's shards are run by whoever is there, and summed up in an order of their own.

mod backend;
mod coordinate;
mod remote;
mod report;
mod standby;
#[cfg(test)]
mod tests;

pub use remote::Remote;
pub use report::{PoolReport, WorkerReport};

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::backend::{Backend, BackendError, Limits};
use crate::elastic::crowd::Crowd;
use crate::elastic::link::{Link, Spec};
use crate::elastic::message::{Answer, Contents, Failure, Order, Reached, Records, Total, Values};
use crate::elastic::mirror::Mirror;
use crate::elastic::policy::{Policy, PolicyName, Record, Stats, Worker};
use crate::elastic::round::{Crew, Round};
use crate::elastic::simulate::Scheduling;
use crate::elastic::slice::Running;
use crate::elastic::tree::Node;
use crate::elastic::verify::{Found, Verify};
use crate::program::{Program, Step, record};

/// How a pool works.
#[derive(Clone)]
pub struct PoolOptions {
    /// Parts that a batch is cut into, [`PoolOptions::shards_of`] it as a rule.
    pub shards: usize,
    /// Which worker runs which.
    pub policy: PolicyName,
    /// What the policy may learn from beforehand.
    pub records: Vec<Record>,
    /// Who decides.
    pub scheduling: Scheduling,
    /// Share of the shards that are run once more, on another worker.
    pub verify: f64,
    /// How long a worker may be at one shard before others run it too, and eight times the usual time at least.
    pub limit: Duration,
    /// Waiting time before a lost worker is opened again, doubled from time to time; not at all with `None`.
    pub again: Option<Duration>,
    /// What others ask, and are told.
    pub remote: Remote,
}

impl PoolOptions {
    /// Parts of a batch of so many rows: of 64 rows, as each has a gradient that is summed up with the others', but 4 for several
    /// workers to share, and 16 at most.
    #[must_use]
    pub fn shards_of(batch: usize) -> usize {
        (batch / 64).clamp(4, 16)
    }
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
            shards: 16,
            policy: PolicyName::default(),
            records: Vec::new(),
            scheduling: Scheduling::default(),
            verify: 0.0,
            limit: Duration::from_secs(10),
            again: Some(Duration::from_millis(100)),
            remote: Remote::default(),
        }
    }
}

/// Workers as a backend.
pub struct Pool {
    pub(super) links: Vec<Link>,
    pub(super) answers: Receiver<(usize, u32, Answer)>,
    sender: Sender<(usize, u32, Answer)>,
    pub(super) options: PoolOptions,
    pub(super) crew: Crew,
    pub(super) policy: Box<dyn Policy>,
    pub(super) programs: Vec<Arc<Program>>,
    mirror: Mirror,
    /// Buffers that updates change, with their sizes.
    state: Vec<(String, usize)>,
    /// By member.
    pub(super) log: Vec<Vec<f32>>,
    pub(super) round: Option<Round<Total>>,
    /// Number of the step under way; two attempts at one step have two.
    pub(super) number: u64,
    steps: Vec<Step>,
    pub(super) verify: Verify,
    /// Workers whose sums of this step are no numbers.
    unsound: Vec<usize>,
    /// Whether a step's gradient was none whoever computed it, and none has been a number since.
    pub(super) diverged: bool,
    pub(super) crowd: Crowd,
    pub(super) values: Option<Vec<f32>>,
    ran: VecDeque<(usize, Records)>,
    pub(super) reached: Vec<(usize, Reached)>,
    ready: Vec<usize>,
    limits: Limits,
    epoch: Instant,
    pub(super) stolen: u64,
    pub(super) repeated: u64,
    /// Workers that go as soon as another is there.
    leaving: Vec<usize>,
    /// When others were last told.
    told: Option<Instant>,
    pub(super) slice: Option<Running>,
    /// Seconds a step of the last slice.
    pub(super) pace: Option<f64>,
}

impl Pool {
    /// Opens all workers, each in a thread of its own.
    pub fn open(specs: Vec<Spec>, options: PoolOptions) -> Result<Self, BackendError> {
        let (sender, answers) = channel();
        let count = specs.len();
        let mut pool = Pool {
            links: Vec::new(),
            answers,
            sender,
            crew: Crew::default(),
            policy: options.policy.policy(options.records.clone()),
            programs: Vec::new(),
            mirror: Mirror::default(),
            state: Vec::new(),
            log: Vec::new(),
            round: None,
            number: 0,
            steps: Vec::new(),
            verify: Verify::new(options.verify),
            unsound: Vec::new(),
            diverged: false,
            crowd: Crowd::new(count),
            values: None,
            ran: VecDeque::new(),
            reached: Vec::new(),
            ready: Vec::new(),
            limits: Limits {
                tensor: usize::MAX,
                rows: usize::MAX,
            },
            epoch: Instant::now(),
            stolen: 0,
            repeated: 0,
            leaving: Vec::new(),
            told: None,
            slice: None,
            pace: None,
            options,
        };
        for spec in specs {
            pool.start(spec);
        }
        while pool.ready.len() < count {
            let Ok((worker, _, answer)) = pool.answers.recv() else {
                break;
            };
            match answer {
                Answer::Ready { device, limits } => pool.is_ready(worker, device, limits),
                Answer::Failed(failure) => {
                    return Err(BackendError::Unusable {
                        device: pool.links[worker].spec.name.clone(),
                        reason: failure.reason,
                    });
                }
                _ => {}
            }
        }
        pool.welcome()?;
        Ok(pool)
    }

    /// Adds a worker; it takes part from the next step on.
    pub fn start(&mut self, spec: Spec) {
        let position = self.links.len();
        self.crew.workers.push(Worker {
            id: position as u32,
            device: spec.kind,
            live: false,
            weight: spec.weight,
            stats: Stats::default(),
        });
        let mut link = Link::new(spec);
        link.open(position, &self.sender);
        self.links.push(link);
    }

    /// Dismisses a worker.
    pub fn dismiss(&mut self, worker: usize) {
        if let Some(link) = self.links.get_mut(worker) {
            link.close();
            link.dismissed = true;
            self.crew.workers[worker].live = false;
        }
    }

    pub(super) fn now(&self) -> f64 {
        self.epoch.elapsed().as_secs_f64()
    }

    fn is_ready(&mut self, worker: usize, device: String, [tensor, rows]: [usize; 2]) {
        self.limits.tensor = self.limits.tensor.min(tensor);
        self.limits.rows = self.limits.rows.min(rows);
        self.links[worker].device = device;
        self.ready.push(worker);
    }

    /// Takes in workers that have come: they get programs, what was written, and the weights of another.
    pub(super) fn welcome(&mut self) -> Result<(), BackendError> {
        for worker in std::mem::take(&mut self.ready) {
            if self.links[worker].dismissed || self.links[worker].live {
                continue;
            }
            let state = self.read_state()?;
            let known = self.links[worker].programs;
            for program in self.programs[known..].iter().cloned() {
                self.links[worker].send(Order::Compile(program));
            }
            for order in self.mirror.orders() {
                self.links[worker].send(order);
            }
            for order in state {
                self.links[worker].send(order);
            }
            self.links[worker].live = true;
            self.crew.workers[worker].live = true;
            if self.links[worker].losses > 0 {
                log::info!("worker {worker} ({}) is back", self.links[worker].device);
            }
        }
        Ok(())
    }

    /// What a worker has to be told so that its weights are those of the others.
    pub(super) fn read_state(&mut self) -> Result<Vec<Order>, BackendError> {
        let mut orders = Vec::new();
        if self.leader().is_none() {
            return Ok(orders);
        }
        let members = self.log.len();
        for (buffer, len) in self.state.clone() {
            for member in 0..members {
                let values = self.read(&buffer, member, 0, len)?;
                orders.push(Order::Write {
                    buffer: buffer.clone(),
                    member,
                    offset: 0,
                    contents: Contents::Numbers(Values::new(values)),
                });
            }
        }
        Ok(orders)
    }

    /// The worker whose weights are read.
    pub(super) fn leader(&self) -> Option<usize> {
        self.links.iter().position(|link| link.live)
    }

    /// That no worker is left. If all lack memory, smaller parts of a batch may fit.
    pub(super) fn gone(&self) -> BackendError {
        let wanted = self.links.iter().filter(|link| !link.dismissed);
        let mut failures = wanted.map(|link| link.failure.as_ref());
        let all = failures.all(|failure| failure.is_some_and(|failure| failure.memory));
        let mut last = self.links.iter().rev();
        let last = last.find_map(|link| link.failure.clone());
        let device = "every worker".to_owned();
        match last {
            Some(Failure { reason, memory }) if memory && all => {
                BackendError::OutOfMemory { device, reason }
            }
            last => BackendError::Device {
                device,
                reason: last.map_or_else(|| "none is left".into(), |last| last.reason),
            },
        }
    }

    /// Sends an order to all workers that are there.
    pub(super) fn tell(&mut self, order: &Order) {
        for link in self.links.iter_mut().filter(|link| link.live) {
            link.send(order.clone());
        }
    }

    /// Waits for the next answer, for a while, and deals with it. Returns whether there was one.
    pub(super) fn hear(&mut self, wait: Duration) -> Result<bool, BackendError> {
        match self.answers.recv_timeout(wait) {
            Ok((worker, life, answer)) => {
                if self.links[worker].life == life {
                    self.deal(worker, answer)?;
                }
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
        }
    }

    fn deal(&mut self, worker: usize, answer: Answer) -> Result<(), BackendError> {
        if self.links[worker].late && !matches!(answer, Answer::Failed(_)) {
            self.returns(worker);
        }
        match answer {
            Answer::Ready { device, limits } => self.is_ready(worker, device, limits),
            Answer::Values(values) => self.values = Some(values),
            Answer::Ran(records) => self.ran.push_back((worker, records)),
            Answer::Shards {
                number,
                node,
                seconds,
                records,
                hash,
                sums,
                sound,
            } => {
                self.links[worker].shards += records.len() as u64;
                self.links[worker].busy += seconds;
                if self.slice.is_some() {
                    self.note_peer(worker, number, (node, seconds), &records);
                    self.note_found(worker, number, node.first(), hash);
                } else if self.is_at(number) {
                    self.take(worker, sums, sound);
                    self.ran_shards(worker, (node, seconds), &records);
                    if let Some(hash) = hash {
                        self.verify.first(node.first(), worker, hash);
                        self.check(node.first());
                    }
                }
            }
            Answer::Sums {
                number,
                sums,
                sound,
            } => {
                if self.is_at(number) {
                    self.take(worker, sums, sound);
                }
            }
            Answer::Checked {
                number,
                shard,
                hash,
            } => {
                if self.slice.is_some() {
                    self.note_found(worker, number, shard, Some(hash));
                } else if self.is_at(number) {
                    let verdict = self.verify.second(shard, worker, hash);
                    self.judge(verdict)?;
                }
            }
            Answer::Reached(reached) => self.reached.push((worker, reached)),
            Answer::Failed(failure) => self.lose(worker, failure)?,
        }
        Ok(())
    }

    /// Whether a step is under way. What comes late of one that is done is of no use, and its weights are gone.
    fn is_at(&self, number: u64) -> bool {
        number == self.number && self.round.is_some()
    }

    fn take(&mut self, worker: usize, sums: Vec<(Node, Values)>, sound: bool) {
        if !sound && !self.unsound.contains(&worker) {
            self.unsound.push(worker);
        }
        if let Some(round) = &mut self.round {
            for (node, value) in sums {
                round.summed(node, Total::Of(value));
            }
        }
    }

    pub(super) fn note_records(&mut self, record: usize, records: &[Vec<f32>]) {
        for (log, values) in self.log.iter_mut().zip(records) {
            let first = record * record::WIDTH;
            if let Some(place) = log.get_mut(first..first + record::WIDTH) {
                place.copy_from_slice(values);
            }
        }
    }

    fn leaves(&mut self, worker: usize) {
        self.links[worker].close();
        self.crew.workers[worker].live = false;
        self.verify.forget(worker);
    }

    /// A worker is gone.
    pub(super) fn lose(&mut self, worker: usize, failure: Failure) -> Result<(), BackendError> {
        if self.links[worker].dismissed {
            return Ok(());
        }
        let link = &mut self.links[worker];
        let was_live = link.live;
        log::warn!(
            "worker {worker} ({}) is lost: {}",
            link.device,
            failure.reason
        );
        if let Some(instead) = link.lost(failure, self.options.again) {
            log::warn!(
                "worker {worker} goes on as {instead}: its results may differ by rounding from those of {}",
                link.device
            );
            let known = &mut self.crew.workers[worker];
            (known.device, known.stats) = (link.kind, Stats::default());
        }
        self.leaves(worker);
        if was_live {
            self.run_elsewhere(worker)?;
            for shard in self.verify.unanswered() {
                self.check(shard);
            }
        }
        if self.leader().is_none() {
            return Err(self.gone());
        }
        Ok(())
    }

    /// A worker is waited for no longer, until it answers.
    pub(super) fn give_up(&mut self, worker: usize) {
        let link = &mut self.links[worker];
        (link.live, link.late) = (false, true);
        link.losses += 1;
        self.crew.workers[worker].live = false;
        self.verify.forget(worker);
    }

    /// A worker's weights are old: it gets those of the others.
    pub(super) fn reload(&mut self, worker: usize) {
        self.links[worker].live = false;
        self.crew.workers[worker].live = false;
        self.ready.push(worker);
    }

    /// Shards that a worker ran among its peers.
    fn note_peer(
        &mut self,
        worker: usize,
        number: u64,
        (node, seconds): (Node, f64),
        records: &[Records],
    ) {
        let Some(slice) = &self.slice else {
            return;
        };
        let index = number.checked_sub(slice.first).map(|index| index as usize);
        let parts = index.and_then(|index| slice.steps.get(index));
        let Some(parts) = parts else {
            return;
        };
        let shards = node.range(parts.len() as u32);
        let ran = parts[shards.start as usize..shards.end as usize].to_vec();
        let each = seconds / ran.len().max(1) as f64;
        for (step, records) in ran.iter().zip(records) {
            self.note_records(step.record as usize, records);
        }
        if let Some(step) = ran.first() {
            let policy = &mut *self.policy;
            self.crew.note(worker, step.rows, (each, each), 1.0, policy);
        }
    }

    /// Bits of a shard that a worker found among its peers.
    fn note_found(&mut self, worker: usize, number: u64, shard: u32, hash: Option<u64>) {
        if let (Some(slice), Some(hash)) = (&mut self.slice, hash)
            && number >= slice.first
        {
            slice.found.push(Found {
                number,
                shard,
                worker,
                hash,
            });
        }
    }

    /// A worker that was waited for no longer has answered: it is given the others' weights, and takes part again.
    fn returns(&mut self, worker: usize) {
        log::info!(
            "worker {worker} ({}) answers again",
            self.links[worker].device
        );
        self.links[worker].late = false;
        self.ready.push(worker);
    }

    /// Opens workers again whose time has come, and takes in those that have come.
    pub(super) fn refresh(&mut self) -> Result<(), BackendError> {
        for worker in 0..self.links.len() {
            if self.links[worker].is_due() {
                self.links[worker].open(worker, &self.sender);
            }
        }
        while self.hear(Duration::ZERO)? {}
        self.welcome()?;
        self.attend();
        self.choose();
        Ok(())
    }
}

/// How long the pool waits before it looks for workers that hang.
const LOOK: Duration = Duration::from_millis(20);

impl Pool {
    /// Answers of workers that ran steps, as they come.
    pub(super) fn next_ran(&mut self) -> Result<Option<(usize, Records)>, BackendError> {
        if self.ran.is_empty() {
            self.hear(LOOK)?;
        }
        Ok(self.ran.pop_front())
    }
}
