//! The simulation beside the real pool.

use std::collections::VecDeque;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{BackendError, Gradients, Terms};
use gpu_mlp::elastic::PoolOptions;
use gpu_mlp::elastic::policy::PolicyName;
use gpu_mlp::elastic::simulate::{Scheduling, Setup, simulate};
use gpu_mlp::program::buffer;

use crate::case::{Case, LEAST, Loop};
use crate::workers::{Slowed, pool};
use crate::{ROUNDS, SLICE, Workload, median};

/// Steps that are simulated: so many that those few hardly count in which it is looked whether one worker is faster.
const STEPS: u64 = 2000;

/// What the simulation says of a step of two workers, from what shards, sums and updates take when they are measured alone, beside
/// what it takes.
pub(crate) fn predicted(work: &Workload) -> Result<(), BackendError> {
    let mut parts = Parts::both(work)?;
    for scheduling in Scheduling::ALL {
        predicted_by(work, scheduling, &mut parts)?;
    }
    Ok(())
}

fn predicted_by(
    work: &Workload,
    scheduling: Scheduling,
    parts: &mut [Parts; 2],
) -> Result<(), BackendError> {
    let mut ratios = Vec::new();
    let mut last = (0.0, 0.0, setup());
    let by = (PolicyName::Throughput, scheduling);
    let mut both = Case::new(pool(2, 1, by, work.batch, &Arc::default())?, work)?;
    for _ in 0..ROUNDS {
        let found = Parts::measure(parts)?;
        let step = Duration::from_secs_f64(1.0 / both.rate(SLICE)?);
        let setup = Setup {
            steps: STEPS,
            shards_per_worker: PoolOptions::shards_of(work.batch) as u32 / 2,
            shard_time: found.shard,
            noise: found.noise,
            update: found.update,
            message: message(),
            delay: delay(step),
            ..setup()
        };
        let outcome = simulate(&setup, 2, scheduling, PolicyName::Throughput);
        let predicted = outcome.map_or(f64::NAN, |outcome| 1.0 / outcome.steps_per_second);
        let measured = 1.0 / both.rate(SLICE)?;
        ratios.push(measured / predicted);
        last = (predicted, measured, setup);
    }
    let (predicted, measured, setup) = last;
    println!(
        "{:31} {scheduling:12} a shard {:.3} ms and e^({:.2}·N) times that, an update {:.3} ms, a message {:.1} µs on its way: {:.2} ms a step predicted, {:.2} ms measured {:6.1} %",
        work.name,
        1e3 * setup.shard_time,
        setup.noise,
        1e3 * setup.update,
        1e6 * setup.delay,
        1e3 * predicted,
        1e3 * measured,
        100.0 * median(ratios),
    );
    Ok(())
}

/// A fleet of like workers that do not fail, in one process: sums are handed over, and made where the update is.
fn setup() -> Setup {
    Setup {
        steps: 1,
        shards_per_worker: 1,
        shard_time: 0.0,
        spread: 0.0,
        noise: 0.0,
        slowed: 0.0,
        joining: 0.0,
        mtbf: 0.0,
        repair: 1.0,
        notice: 1.0,
        delay: 0.0,
        bandwidth: 1e18,
        message: 0.0,
        gradient: 0.0,
        summing: 1e18,
        update: 0.0,
        seed: 1,
    }
}

/// Seconds that a message takes its receiver: half of the way to another thread and back.
fn message() -> f64 {
    const COUNT: u32 = 200;
    let (there, inbox) = channel::<()>();
    let (back, answers) = channel();
    let echo = std::thread::spawn(move || {
        for () in inbox {
            if back.send(()).is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    for _ in 0..COUNT {
        // A thread that has ended answers nothing.
        if there.send(()).is_err() || answers.recv().is_err() {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    drop(there);
    drop(echo.join());
    seconds / f64::from(2 * COUNT)
}

/// Seconds until a message is with a thread that has been asleep for so long.
fn delay(asleep: Duration) -> f64 {
    const COUNT: usize = 50;
    let (there, inbox) = channel::<Instant>();
    let sleeper = std::thread::spawn(move || {
        let ways = inbox.iter().map(|sent| sent.elapsed().as_secs_f64());
        ways.collect::<Vec<_>>()
    });
    for _ in 0..COUNT {
        std::thread::sleep(asleep);
        if there.send(Instant::now()).is_err() {
            break;
        }
    }
    drop(there);
    median(sleeper.join().unwrap_or_default())
}

/// Sums that two have posted for each other.
type Board = [Mutex<Arc<Vec<f32>>>; 2];

/// What is posted in a place, after a sum of one's own if there is one.
fn post(board: &Board, place: usize, own: Option<&Arc<Vec<f32>>>) -> Arc<Vec<f32>> {
    let mut posted = board[place].lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(own) = own {
        *posted = Arc::clone(own);
    }
    Arc::clone(&posted)
}

/// Gradients that are the sum of what two have posted.
struct Both([Arc<Vec<f32>>; 2]);

impl Gradients for Both {
    fn read<'a>(&'a self, _: usize, first: usize, memory: &'a mut [f32]) -> Terms<'a, f32> {
        let [one, other] = self.0.each_ref();
        let range = first..first + memory.len();
        (&one[range.clone()], Some(&other[range]))
    }
}

/// Seconds of a shard and of an update, and how much shards differ: N(0, 1) times this in the exponent.
struct Found {
    shard: f64,
    update: f64,
    noise: f64,
}

/// What a worker does in a step, on a backend of its own: half of the shards, and the update by its sum and the other's.
struct Parts {
    case: Case,
    /// How many half of the shards are.
    shards: usize,
    place: usize,
    board: Arc<Board>,
    /// Sums that were posted, whose memory serves again.
    sent: VecDeque<Arc<Vec<f32>>>,
}

impl Parts {
    fn new(work: &Workload, place: usize, board: &Arc<Board>) -> Result<Self, BackendError> {
        let worker = Slowed {
            inner: CpuBackend::with_threads(1),
            slow: Arc::default(),
            shards: Some(PoolOptions::shards_of(work.batch)),
        };
        Ok(Parts {
            case: Case::new(Box::new(worker), work)?,
            shards: PoolOptions::shards_of(work.batch) / 2,
            place,
            board: Arc::clone(board),
            sent: VecDeque::new(),
        })
    }

    fn both(work: &Workload) -> Result<[Parts; 2], BackendError> {
        let values = gpu_mlp::program::Places::new(&work.network).len;
        let board = [1, 2].map(|_| Mutex::new(Arc::new(vec![1e-3; values])));
        let board = Arc::new(board);
        Ok([Parts::new(work, 0, &board)?, Parts::new(work, 1, &board)?])
    }

    /// What two take that are at it at a time, as workers are.
    fn measure(both: &mut [Parts; 2]) -> Result<Found, BackendError> {
        let found = std::thread::scope(|scope| {
            let threads = both.each_mut().map(|parts| scope.spawn(|| parts.times()));
            threads.map(|thread| thread.join().unwrap_or_else(|_| Ok(Vec::new())))
        });
        let [one, other] = found;
        let pairs: Vec<_> = one?.into_iter().zip(other?).collect();
        let mean = |of: &dyn Fn([f64; 2], [f64; 2]) -> f64| {
            let all = pairs.iter().map(|&(one, other)| of(one, other));
            all.sum::<f64>() / pairs.len() as f64
        };
        let halves = mean(&|one, other| one[0].midpoint(other[0]));
        let update = mean(&|one, other| one[1].midpoint(other[1]));
        // What both have in common lets neither wait for the other.
        let variance = mean(&|one, other| {
            let apart = one[0] + one[1] - other[0] - other[1];
            apart * apart / 2.0
        });
        let shards = both[0].shards as f64;
        let noise = (variance * shards).sqrt() / halves;
        Ok(Found {
            // The mean of e^(n·N) is e^(n²/2).
            shard: halves / shards * (-noise * noise / 2.0).exp(),
            update,
            noise,
        })
    }

    /// Seconds of each step: of half of its shards, and of the update.
    fn times(&mut self) -> Result<Vec<[f64; 2]>, BackendError> {
        let Loop::Shards([gradients, update], steps) = &self.case.steps else {
            return Ok(Vec::new());
        };
        let (backend, board) = (&mut self.case.backend, &*self.board);
        let values = post(board, self.place, None).len();
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < SLICE || times.len() < LEAST {
            let step = &steps[times.len() % 1000];
            let begun = Instant::now();
            backend.run_together(*gradients, &step[..self.shards])?;
            let oldest = self.sent.len() >= 3;
            let spare = oldest.then(|| self.sent.pop_front()).flatten();
            let spare = spare.and_then(Arc::into_inner).unwrap_or_default();
            let sum = Arc::new(backend.take(buffer::GRADIENTS, 0, values, spare)?);
            self.sent.push_back(post(board, self.place, Some(&sum)));
            drop(sum);
            let computed = begun.elapsed().as_secs_f64();
            let begun = Instant::now();
            let sums = Both([0, 1].map(|place| post(board, place, None)));
            backend.update(*update, &step[0], [1, values], &sums)?;
            times.push([computed, begun.elapsed().as_secs_f64()]);
        }
        Ok(times)
    }
}
