//! Several workers that are one backend: a step's shards are run by whoever is there, and summed up in an order of their own.

mod answers;
mod backend;
mod coordinate;
mod lease;
mod lives;
mod patience;
mod remote;
mod report;
mod standby;
mod suspects;
#[cfg(test)]
mod tests;

pub(super) use lease::count as steps_of_lease;
pub(super) use patience::{Errand, Job};
pub use remote::Remote;
pub use report::{PoolReport, WorkerReport};

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::backend::{BackendError, Limits};
use crate::elastic::crew::Crew;
use crate::elastic::crowd::Crowd;
use crate::elastic::link::{Link, Post, Spec};
use crate::elastic::message::{Answer, Failure, Made, Order, Reached, Records};
use crate::elastic::mirror::Mirror;
use crate::elastic::policy::{Policy, PolicyName, Record};
use crate::elastic::round::Round;
use crate::elastic::simulate::Scheduling;
use crate::elastic::slice::Running;
use crate::elastic::sums::Total;
use crate::elastic::verify::Verify;
use crate::program::{Program, Step};

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
    /// How long a worker may be at one shard, an evaluation or a read before others do it too, and eight times the usual time at least.
    pub limit: Duration,
    /// How long it may be at it where there is no other, how long it may take to open, and how long one that was waited for no longer
    /// may go on without an answer, before it counts as lost and is opened again.
    pub hang: Duration,
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
            limit: patience::LIMIT,
            hang: patience::HANG,
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
    /// What checks of workers' kernels found: whose, whether they are right, and in words.
    checked: Vec<(usize, bool, String)>,
    /// Whether a step's gradient was none whoever computed it, and none has been a number since.
    pub(super) diverged: bool,
    pub(super) crowd: Crowd,
    /// Answers to errands, by their numbers.
    pub(super) values: Option<(u64, Vec<f32>)>,
    ran: VecDeque<(u64, Records)>,
    /// What came of a lease, by its number.
    leased: Option<(u64, Vec<Made>)>,
    /// Seconds a step of the last lease.
    alone: Option<f64>,
    errands: u64,
    /// Seconds of what was last trained in one go.
    last: f64,
    pub(super) reached: Vec<(usize, Reached)>,
    ready: Vec<usize>,
    limits: Limits,
    epoch: Instant,
    pub(super) stolen: u64,
    pub(super) repeated: u64,
    /// Workers that go as soon as one that stays is there.
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
        let mut pool = Pool::of(specs.into_iter().map(Post::from).collect(), options);
        let until = Instant::now() + pool.options.hang;
        if let Some((worker, failure)) = pool.opened(until) {
            return Err(BackendError::Unusable {
                device: pool.links[worker].spec.name.clone(),
                reason: failure.reason,
            });
        }
        pool.welcome()?;
        pool.look_for_silent()?;
        Ok(pool)
    }

    /// Opens the workers of the last pool that had the same [`Remote`] in its place, once that has ended. A loss of before counts, and
    /// one that does not open is lost once more; it is an error if none opens.
    pub fn reopen(options: PoolOptions) -> Result<Self, BackendError> {
        let mut pool = Pool::of(options.remote.left(), options);
        let until = Instant::now() + pool.options.hang;
        let mut failed = Vec::new();
        while let Some(one) = pool.opened(until) {
            failed.push(one);
        }
        pool.welcome()?;
        let mut left = Ok(());
        for (worker, failure) in failed {
            left = left.and(pool.lose(worker, failure));
        }
        left?;
        pool.look_for_silent()?;
        pool.leader().ok_or_else(|| pool.gone())?;
        Ok(pool)
    }

    fn of(posts: Vec<Post>, options: PoolOptions) -> Self {
        let (sender, answers) = channel();
        let count = posts.len();
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
            checked: Vec::new(),
            diverged: false,
            crowd: Crowd::new(count),
            values: None,
            ran: VecDeque::new(),
            leased: None,
            alone: None,
            errands: 0,
            last: 0.0,
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
        for post in posts {
            pool.take_on(post);
        }
        pool
    }

    /// Waits until all workers are open, but not for ever, or one has failed to, which is what this returns.
    fn opened(&mut self, until: Instant) -> Option<(usize, Failure)> {
        while self.links.iter().any(|link| link.opening.is_some()) {
            let left = until.saturating_duration_since(Instant::now());
            let (worker, _, answer) = self.answers.recv_timeout(left).ok()?;
            match answer {
                Answer::Ready { device, limits } => self.is_ready(worker, device, limits),
                Answer::Failed(failure) => {
                    self.links[worker].opening = None;
                    return Some((worker, failure));
                }
                _ => {}
            }
        }
        None
    }

    pub(super) fn now(&self) -> f64 {
        self.epoch.elapsed().as_secs_f64()
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
}

/// How long the pool waits before it looks for workers that hang.
const LOOK: Duration = Duration::from_millis(20);
