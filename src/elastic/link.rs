use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::{Display, Formatter};
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::message::{Answer, Failure, Order};
use super::policy::DeviceKind;
use super::pool::Job;
use super::process;
use super::worker::{Closed, Outbox, fail, work};
use crate::backend::{Backend, BackendError};

/// What opens a worker's backend, in the worker's thread, each time that it is needed.
pub type Opener = Arc<dyn Fn() -> Result<Box<dyn Backend>, BackendError> + Send + Sync>;

/// How a worker comes to be.
#[derive(Clone)]
pub enum Start {
    /// As a thread with what this opens.
    Thread(Opener),
    /// As a process: a program and its words.
    Process(Vec<String>),
    /// It has come by itself, and is there until it goes.
    Joined(Joined),
}

/// Two ends of a way to another process.
pub struct Ends {
    /// What is read from.
    pub input: Box<dyn Read + Send>,
    /// What is written to.
    pub output: Box<dyn Write + Send>,
}

/// The way to a worker that has come, until it is taken.
#[derive(Clone)]
pub struct Joined(Arc<Mutex<Option<Ends>>>);

impl Joined {
    /// By such a way.
    pub fn new(ends: Ends) -> Self {
        Joined(Arc::new(Mutex::new(Some(ends))))
    }

    fn take(&self) -> Option<Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A worker to be.
#[derive(Clone)]
pub struct Spec {
    /// Its device, as it was asked for.
    pub name: String,
    /// What policies know of it.
    pub kind: DeviceKind,
    /// Its weight by hand.
    pub weight: f64,
    /// What it is.
    pub start: Start,
    /// What takes its place in turn, each once the one before was lost three times: another adapter, the processor.
    pub spares: Vec<Spec>,
}

/// A worker as one pool leaves it to the next.
#[derive(Clone)]
pub(super) struct Post {
    /// What was asked for.
    spec: Spec,
    /// What it is now, and what else it may become.
    now: Spec,
    /// Losses of that, but for those of memory: the next has fewer rows at a time.
    failed: u32,
}

impl Post {
    /// Devices that it may come to be on, beside the one that was asked for.
    pub(super) fn others(&self) -> usize {
        self.spec.spares.len()
    }
}

impl From<Spec> for Post {
    fn from(spec: Spec) -> Self {
        Post {
            now: spec.clone(),
            spec,
            failed: 0,
        }
    }
}

/// Why a worker is used no more.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PutOut {
    /// What it did.
    pub(super) why: String,
    /// What the check of its kernels found, once that is known.
    pub(super) found: Option<String>,
}

impl Display for PutOut {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let found = self.found.as_deref();
        let found = found.unwrap_or("its kernels are being checked");
        write!(f, "{}; {found}", self.why)
    }
}

/// A worker as the pool holds it.
pub(super) struct Link {
    pub(super) spec: Spec,
    /// What it is now, and what else it may become.
    pub(super) now: Spec,
    sender: Option<Sender<Order>>,
    /// Counts its lives, so that answers of an earlier one are known.
    pub(super) life: u32,
    pub(super) device: String,
    /// Whether it has the weights of the others, and works.
    pub(super) live: bool,
    /// Since when it is waited for no longer.
    pub(super) late: Option<Instant>,
    /// Since when it is being opened.
    pub(super) opening: Option<Instant>,
    /// When it last answered.
    pub(super) heard: Option<Instant>,
    /// Seconds that it took for a row or a value of an errand, at most.
    pub(super) paces: BTreeMap<Job, f64>,
    pub(super) dismissed: bool,
    /// Why, if it computed wrong.
    pub(super) put_out: Option<PutOut>,
    pub(super) shards: u64,
    /// Seconds in which it computed shards.
    pub(super) busy: f64,
    /// Training time for which it was there.
    pub(super) there: Duration,
    pub(super) losses: u32,
    /// Of these, those that are not forgotten.
    tries: u32,
    /// Losses of the device that it has now, likewise.
    failed: u32,
    /// Of these, those for lack of memory. Others run its shards then, or all have fewer rows at a time: no other device is needed.
    short: u32,
    /// Since when it has taken part without a loss.
    since: Option<Instant>,
    pub(super) failure: Option<Failure>,
    due: Option<Instant>,
    /// Programs that it was given.
    pub(super) programs: usize,
    /// What ends with its threads.
    ends: Vec<Receiver<Infallible>>,
    /// Its process, once there is one.
    process: process::Slot,
}

/// How often a lost worker is opened again at most, and how often on one device while another could take its place.
const TRIES: u32 = 8;
const TRIES_OF_ONE: u32 = 3;

/// For how long a worker takes part without a loss before those it had are forgotten.
const WELL: Duration = Duration::from_secs(600);

impl Link {
    pub(super) fn new(Post { spec, now, failed }: Post) -> Self {
        Link {
            device: now.name.clone(),
            spec,
            now,
            sender: None,
            life: 0,
            live: false,
            late: None,
            opening: None,
            heard: None,
            paces: BTreeMap::new(),
            dismissed: false,
            put_out: None,
            shards: 0,
            busy: 0.0,
            there: Duration::ZERO,
            losses: 0,
            tries: 0,
            failed,
            short: 0,
            since: None,
            failure: None,
            due: None,
            programs: 0,
            ends: Vec::new(),
            process: process::Slot::default(),
        }
    }

    /// Starts the worker's thread.
    pub(super) fn open(&mut self, position: usize, answers: &Sender<(usize, u32, Answer)>) {
        self.life += 1;
        self.due = None;
        self.opening = Some(Instant::now());
        self.process = process::Slot::default();
        self.programs = 0;
        let (sender, orders) = channel();
        self.sender = Some(sender);
        let (start, life, answers) = (self.now.start.clone(), self.life, answers.clone());
        let name = format!("worker {position}");
        let slot = self.process.clone();
        let (alive, end) = channel();
        self.ends.push(end);
        let run = move || {
            let _alive = alive;
            let mut outbox = Channel {
                answers,
                position,
                life,
            };
            let _fall = Fall(outbox.clone());
            match start {
                Start::Thread(open) => drop(match open() {
                    Ok(backend) => work(backend, &orders, &mut outbox),
                    Err(error) => Some(fail(error, &mut outbox)),
                }),
                Start::Process(command) => process::attend(&command, orders, outbox, &slot),
                Start::Joined(joined) => {
                    if let Some(ends) = joined.take() {
                        process::exchange(ends, orders, outbox, || "it has left".into());
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name(name).spawn(run);
        if let Err(error) = thread {
            self.failure = Some(error.to_string().into());
        }
    }

    /// Sends an order; one that cannot be sent is answered by the worker's end, which is on its way.
    pub(super) fn send(&mut self, order: Order) {
        self.programs += usize::from(matches!(order, Order::Compile(_)));
        if let Some(sender) = &self.sender {
            let _ = sender.send(order);
        }
    }

    /// Where peers send letters for it.
    pub(super) fn sender(&self) -> Option<Sender<Order>> {
        self.sender.clone()
    }

    /// Lets it go; if something is wrong with it, it is told what.
    pub(super) fn close(&mut self, why: Option<String>) {
        self.send(Order::Leave(why));
        self.sender = None;
        self.live = false;
        self.late = None;
        self.opening = None;
    }

    /// Ends it at once where it is a process. A thread that hangs is left to itself: nobody listens to it, nor waits for its end.
    pub(super) fn abandon(&mut self) {
        self.process.kill();
        self.life += 1;
        self.ends.clear();
    }

    /// Waits for its threads' ends. One that is waited for no longer may never come to it.
    pub(super) fn join(&mut self, until: Instant) {
        for end in self.ends.drain(..) {
            // It is never sent anything: what comes is the end, or the time.
            let _ = end.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// It takes part.
    pub(super) fn takes_part(&mut self, now: Instant) {
        self.live = true;
        self.since.get_or_insert(now);
    }

    /// It takes part no more. What befell it before is forgotten, if it had been well for long.
    pub(super) fn falls_out(&mut self, now: Instant) {
        let since = self.since.take();
        if since.is_some_and(|since| now.duration_since(since) >= WELL) {
            (self.tries, self.failed, self.short) = (0, 0, 0);
        }
        (self.live, self.losses, self.tries) = (false, self.losses + 1, self.tries + 1);
    }

    /// Notes a loss, and when it is to be opened again. A device that was lost too often makes room for the next, which is
    /// what this returns.
    pub(super) fn lost(
        &mut self,
        failure: Failure,
        again: Option<Duration>,
        now: Instant,
    ) -> Option<String> {
        let short = u32::from(failure.memory);
        self.failure = Some(failure);
        // One that was waited for no longer fell out then.
        if self.late.is_none() {
            self.falls_out(now);
        }
        (self.failed, self.short) = (self.failed + 1, self.short + short);
        self.due = again
            .filter(|_| self.tries <= TRIES && !self.is_joined())
            .map(|wait| now + wait * (1 << (self.failed - 1).min(10)));
        let failed = self.failed - self.short;
        if self.due.is_none() || failed < TRIES_OF_ONE || self.now.spares.is_empty() {
            return None;
        }
        let spare = self.now.spares.remove(0);
        let spares = std::mem::take(&mut self.now.spares);
        (self.now, self.failed, self.short) = (Spec { spares, ..spare }, 0, 0);
        Some(self.now.name.clone())
    }

    /// What the pool leaves of it to the one that takes its place; nothing of who has come by itself, or is not wanted any more.
    pub(super) fn post(&self) -> Option<Post> {
        (!self.dismissed && !self.is_joined()).then(|| Post {
            spec: self.spec.clone(),
            now: self.now.clone(),
            failed: self.failed - self.short,
        })
    }

    /// Whether nothing can be sent to it, as it is lost or was let go.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_none()
    }

    /// Whether it was lost and is not opened again.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed() && self.due.is_none()
    }

    /// Share of its time in which it computed no shard.
    pub(super) fn waiting(&self) -> f64 {
        (1.0 - self.busy / self.there.as_secs_f64().max(1e-9)).clamp(0.0, 1.0)
    }

    /// Whether it has come by itself: nobody can open it again.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.now.start, Start::Joined(_))
    }

    pub(super) fn is_due(&self) -> bool {
        !self.dismissed && self.due.is_some_and(|due| due <= Instant::now())
    }
}

/// A thread's way to the pool.
#[derive(Clone)]
pub(super) struct Channel {
    answers: Sender<(usize, u32, Answer)>,
    position: usize,
    life: u32,
}

/// Tells that a thread has panicked, which ends without an answer otherwise.
struct Fall(Channel);

impl Drop for Fall {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // If nobody hears of it, nobody waits.
            let _ = self
                .0
                .send(Answer::Failed("its thread panicked".to_owned().into()));
        }
    }
}

impl Outbox for Channel {
    fn send(&mut self, answer: Answer) -> Result<(), Closed> {
        let sent = self.answers.send((self.position, self.life, answer));
        sent.map_err(|_| Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Link {
        let open = || Err(BackendError::Misuse("it is never opened".into()));
        let one = |name: &str, spares| Spec {
            name: name.into(),
            kind: DeviceKind::Gpu,
            weight: 1.0,
            start: Start::Thread(Arc::new(open)),
            spares,
        };
        Link::new(one("card", vec![one("other", Vec::new())]).into())
    }

    #[test]
    fn losses_for_lack_of_memory_put_no_other_device_there() {
        let (mut link, now) = (card(), Instant::now());
        let wait = Some(Duration::from_millis(100));
        let lose = |link: &mut Link, memory| {
            let reason = "it fails".to_owned();
            link.takes_part(now);
            link.lost(Failure { reason, memory }, wait, now)
        };
        for memory in [false, true, true, false, true] {
            assert_eq!(lose(&mut link, memory), None);
        }
        // As long as the pool is there, and in the one that takes its place.
        let mut next = Link::new(link.post().expect("it is wanted"));
        for link in [&mut link, &mut next] {
            assert_eq!(lose(link, true), None);
            assert_eq!(lose(link, false).as_deref(), Some("other"));
        }
    }

    #[test]
    fn losses_are_forgotten_once_a_worker_has_taken_part_for_ten_minutes() {
        let wait = Duration::from_millis(100);
        for (well, forgotten) in [(599, false), (600, true)] {
            let (mut link, mut now) = (card(), Instant::now());
            let lose = |link: &mut Link, now| {
                link.takes_part(now);
                // Weights that are brought up to date are no loss.
                link.live = false;
                link.takes_part(now + Duration::from_secs(well - 1));
                let now = now + Duration::from_secs(well);
                (
                    link.lost("a driver fails".to_owned().into(), Some(wait), now),
                    now,
                )
            };
            let mut instead = None;
            for loss in 1..=20 {
                let lost;
                (lost, now) = lose(&mut link, now);
                instead = instead.or(lost.map(|name| (loss, name)));
                assert_eq!(link.losses, loss);
                if forgotten {
                    assert_eq!(link.due, Some(now + wait), "{loss}");
                }
            }
            let moved = (!forgotten).then(|| (3, "other".to_owned()));
            assert_eq!((instead, link.is_over()), (moved, !forgotten));
        }
    }
}
