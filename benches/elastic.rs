//! What workers cost, and what policies win: rates of training steps through a pool, as ratios to those of the plain loop in the
//! same run. All that is compared takes turns, and rates are medians of rounds. Data are drawn; their shapes are those of the
//! workloads.
//!
//! `cargo bench --bench elastic [-- W2 W5 cost predicted slowed]`: workloads and parts whose names begin with one of the words.
//! The part `slowed` of W2 writes docs/slowed.svg.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, BackendError, Data, Given, ProgramId, write_weights};
use gpu_mlp::elastic::policy::{DeviceKind, PolicyName};
use gpu_mlp::elastic::simulate::{Scheduling, Setup, simulate};
use gpu_mlp::elastic::{Pool, PoolOptions, Spec, Start};
use gpu_mlp::forward;
use gpu_mlp::model::{Activation, Initializer, Network, initialize};
use gpu_mlp::program::{
    Capacity, Hyper, Loss, LossFunction, Optimizer, Program, Reduction, Step, buffer,
};
use gpu_mlp::random::{Purpose, Stream, shuffle};
use rand::RngExt;

const ROUNDS: usize = 9;

/// How long each of the compared is measured in a round.
const SLICE: Duration = Duration::from_millis(400);

struct Workload {
    name: &'static str,
    network: Network,
    function: LossFunction,
    rows: usize,
    batch: usize,
}

fn workloads() -> Vec<Workload> {
    use Activation::{Identity, Relu};
    vec![
        Workload {
            name: "W2 784-512-512-10, batch 256",
            network: Network::new(784, &[512, 512], Relu, 10, Identity),
            function: LossFunction::CROSS_ENTROPY,
            rows: 60_000,
            batch: 256,
        },
        Workload {
            name: "W5 256-2048-2048-1, batch 1024",
            network: Network::new(256, &[2048, 2048], Relu, 1, Identity),
            function: LossFunction::Mse,
            rows: 10_000,
            batch: 1024,
        },
    ]
}

/// The optimizer of all workloads.
const OPTIMIZER: Optimizer = Optimizer::ADAM;

/// Programs of a backend, and the steps that it makes with them.
enum Loop {
    Plain(ProgramId, Vec<Step>),
    Shards([ProgramId; 2], Vec<Vec<Step>>),
}

/// A workload on a backend, ready to make steps.
struct Case {
    backend: Box<dyn Backend>,
    steps: Loop,
    next: usize,
}

impl Case {
    fn new(mut backend: Box<dyn Backend>, work: &Workload) -> Result<Self, BackendError> {
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
        case.rate(4 * SLICE)?;
        Ok(case)
    }

    /// Makes some steps. Returns how many.
    fn some(&mut self) -> Result<usize, BackendError> {
        let done = match &self.steps {
            Loop::Plain(program, steps) => self.backend.run(*program, &steps[self.next..])?,
            Loop::Shards(programs, steps) => self.backend.learn(*programs, &steps[self.next..])?,
        };
        self.next = (self.next + done) % 4096;
        Ok(done)
    }

    /// Steps a second.
    fn rate(&mut self, time: Duration) -> Result<f64, BackendError> {
        let start = Instant::now();
        let mut done = 0;
        while start.elapsed() < time {
            done += self.some()?;
        }
        // What was begun is waited for.
        self.backend.read(buffer::PARAMETERS, 0, 0, 1)?;
        Ok(done as f64 / start.elapsed().as_secs_f64())
    }
}

/// A worker's backend that becomes four times slower.
struct Slowed {
    inner: CpuBackend<f32>,
    slow: Arc<AtomicBool>,
    /// Parts of a batch, where it makes steps of its own.
    shards: Option<usize>,
}

impl Slowed {
    fn timed<T>(&mut self, f: impl FnOnce(&mut CpuBackend<f32>) -> T) -> T {
        let slow = self.slow.load(Ordering::Relaxed);
        let start = Instant::now();
        let result = f(&mut self.inner);
        if slow {
            std::thread::sleep(3 * start.elapsed());
        }
        result
    }
}

impl Backend for Slowed {
    forward!(inner: device, limits, compile, take, write, read);

    fn shards(&self) -> Option<usize> {
        self.shards
    }

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        self.timed(|inner| inner.run(program, steps))
    }

    fn run_together(&mut self, program: ProgramId, parts: &[Step]) -> Result<bool, BackendError> {
        self.timed(|inner| inner.run_together(program, parts))
    }

    fn update(
        &mut self,
        program: ProgramId,
        step: &Step,
        sizes: [usize; 2],
        gradients: Given<'_>,
    ) -> Result<(), BackendError> {
        self.timed(|inner| inner.update(program, step, sizes, gradients))
    }
}

/// So many workers of so many threads each, the last of which can be slowed.
fn pool(
    workers: usize,
    threads: usize,
    policy: PolicyName,
    batch: usize,
    slow: &Arc<AtomicBool>,
) -> Result<Box<Pool>, BackendError> {
    let spec = |worker: usize| {
        let slow = if worker + 1 == workers {
            Arc::clone(slow)
        } else {
            Arc::default()
        };
        Spec {
            name: format!("cpu:{threads}"),
            kind: DeviceKind::Cpu {
                threads: threads as u32,
            },
            weight: 1.0,
            spares: Vec::new(),
            start: Start::Thread(Arc::new(move || {
                Ok(Box::new(Slowed {
                    inner: CpuBackend::with_threads(threads),
                    slow: Arc::clone(&slow),
                    shards: None,
                }))
            })),
        }
    };
    let options = PoolOptions {
        shards: PoolOptions::shards_of(batch),
        policy,
        ..PoolOptions::default()
    };
    Ok(Box::new(Pool::open(
        (0..workers).map(spec).collect(),
        options,
    )?))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Rates through a pool beside those of the plain loop, and what the simulation says of two workers.
fn cost(work: &Workload) -> Result<(), BackendError> {
    let pool = |workers, threads| {
        pool(
            workers,
            threads,
            PolicyName::Throughput,
            work.batch,
            &Arc::default(),
        )
    };
    let plain = |threads| CpuBackend::<f32>::with_threads(threads);
    let mut cases = [
        Case::new(Box::new(plain(2)), work)?,
        Case::new(Box::new(plain(1)), work)?,
        Case::new(pool(1, 2)?, work)?,
        Case::new(pool(1, 1)?, work)?,
        Case::new(pool(2, 1)?, work)?,
    ];
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut rates = Vec::new();
        for case in &mut cases {
            rates.push(case.rate(SLICE)?);
        }
        rounds.push(rates);
    }
    let of = |case: usize| median(rounds.iter().map(|rates| rates[case]).collect());
    for (name, case, than) in [
        ("plain loop, 2 threads", 0, 0),
        ("1 worker of 2 threads", 2, 0),
        ("2 workers of 1 thread", 4, 0),
        ("plain loop, 1 thread", 1, 1),
        ("1 worker of 1 thread", 3, 1),
    ] {
        let ratio = median(
            rounds
                .iter()
                .map(|rates| rates[case] / rates[than])
                .collect(),
        );
        println!(
            "{:31} {name:24} {:10.0} samples/s {:8.2} ms a step {:6.1} %",
            work.name,
            of(case) * work.batch as f64,
            1e3 / of(case),
            100.0 * ratio,
        );
    }
    Ok(())
}

/// How long each half of a run lasts: before a worker is slowed, and from then on.
const HALF: Duration = Duration::from_secs(4);

/// Runs with each policy in which one of two workers is slowed in the middle.
const SLOWED_ROUNDS: usize = 3;

/// Policies that are compared.
const POLICIES: [PolicyName; 3] = [
    PolicyName::RoundRobin,
    PolicyName::Throughput,
    PolicyName::Learned,
];

/// What became of a run: seconds and samples of its steps, and the moment of the slowdown.
struct Course {
    /// When some steps ended, and how many.
    ends: Vec<(f64, usize)>,
    slowed: f64,
}

impl Course {
    /// Steps a second in an interval.
    fn rate(&self, from: f64, to: f64) -> f64 {
        let inside = |end: f64| from < end && end <= to;
        let mut ends = self.ends.iter().filter(|(end, _)| inside(*end));
        let Some((first, _)) = ends.next() else {
            return 0.0;
        };
        let (steps, last) = ends.fold((0, *first), |(steps, _), (end, some)| (steps + some, *end));
        steps as f64 / (last - first).max(1e-9)
    }

    /// Steps a second from the slowdown on, the step that it fell into included.
    fn slow(&self) -> f64 {
        let steps: usize = self
            .ends
            .iter()
            .filter(|(end, _)| *end > self.slowed)
            .map(|(_, some)| some)
            .sum();
        let last = self.ends.last().map_or(0.0, |(end, _)| *end);
        steps as f64 / (last - self.slowed).max(1e-9)
    }
}

fn course(work: &Workload, policy: PolicyName) -> Result<Course, BackendError> {
    let slow = Arc::new(AtomicBool::new(false));
    let mut case = Case::new(pool(2, 1, policy, work.batch, &slow)?, work)?;
    let (start, mut ends) = (Instant::now(), Vec::new());
    let mut slowed = None;
    while slowed.is_none_or(|slowed: Duration| start.elapsed() < slowed + HALF) {
        let done = case.some()?;
        ends.push((start.elapsed().as_secs_f64(), done));
        if slowed.is_none() && start.elapsed() > HALF {
            slow.store(true, Ordering::Relaxed);
            slowed = Some(start.elapsed());
        }
    }
    Ok(Course {
        ends,
        slowed: slowed.unwrap_or_default().as_secs_f64(),
    })
}

/// One of two workers becomes four times slower in the middle. Ideal is what both can do then, 5/8 of what they did.
fn slowed(work: &Workload) -> Result<Vec<(PolicyName, Course)>, BackendError> {
    let mut courses = Vec::new();
    for _ in 0..SLOWED_ROUNDS {
        for policy in POLICIES {
            courses.push((policy, course(work, policy)?));
        }
    }
    let before = courses
        .iter()
        .map(|(_, course)| course.rate(0.0, course.slowed));
    let ideal = median(before.collect()) * 5.0 / 8.0;
    for policy in POLICIES {
        let of_policy = courses.iter().filter(|(other, _)| *other == policy);
        let after = median(of_policy.map(|(_, course)| course.slow()).collect());
        println!(
            "{:31} {policy:24} {:10.0} samples/s of {:.0} ideal ones {:6.1} %",
            work.name,
            after * work.batch as f64,
            ideal * work.batch as f64,
            100.0 * after / ideal,
        );
    }
    courses.truncate(POLICIES.len());
    Ok(courses)
}

/// What the simulation says of a step of two workers, from what shards, sums and updates take when they are measured alone, beside
/// what it takes.
fn predicted(work: &Workload) -> Result<(), BackendError> {
    let mut ratios = Vec::new();
    let mut last = (0.0, 0.0, setup());
    let mut both = Case::new(
        pool(2, 1, PolicyName::Throughput, work.batch, &Arc::default())?,
        work,
    )?;
    let mut parts = Parts::both(work)?;
    for _ in 0..ROUNDS {
        let found = Parts::measure(&mut parts)?;
        let step = Duration::from_secs_f64(1.0 / both.rate(SLICE)?);
        let setup = Setup {
            steps: 200,
            shards_per_worker: PoolOptions::shards_of(work.batch) as u32 / 2,
            shard_time: found[0],
            update: found[1],
            message: message(),
            delay: delay(step),
            ..setup()
        };
        let outcome = simulate(&setup, 2, Scheduling::Central, PolicyName::Throughput);
        let predicted = outcome.map_or(f64::NAN, |outcome| 1.0 / outcome.steps_per_second);
        let measured = 1.0 / both.rate(SLICE)?;
        ratios.push(measured / predicted);
        last = (predicted, measured, setup);
    }
    let (predicted, measured, setup) = last;
    println!(
        "{:31} a shard {:.3} ms, an update {:.3} ms, a message {:.1} µs on its way: {:.2} ms a step predicted, {:.2} ms measured {:6.1} %",
        work.name,
        1e3 * setup.shard_time,
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

/// What a worker does in a step, on a backend of its own: half of the shards, and the update by its sum and the other's.
struct Parts {
    case: Case,
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

    /// Seconds a shard, and seconds an update, of two that are at it at a time, as workers are.
    fn measure(both: &mut [Parts; 2]) -> Result<[f64; 2], BackendError> {
        let found = std::thread::scope(|scope| {
            let threads = both.each_mut().map(|parts| scope.spawn(|| parts.times()));
            threads.map(|thread| thread.join().unwrap_or(Ok([f64::NAN; 2])))
        });
        let [one, other] = found;
        let (one, other) = (one?, other?);
        Ok([0, 1].map(|part| one[part].midpoint(other[part])))
    }

    fn times(&mut self) -> Result<[f64; 2], BackendError> {
        let Loop::Shards([gradients, update], steps) = &self.case.steps else {
            return Ok([f64::NAN; 2]);
        };
        let (backend, board) = (&mut self.case.backend, &*self.board);
        let values = post(board, self.place, None).len();
        let (start, mut times) = (Instant::now(), [Duration::ZERO; 2]);
        let (mut count, mut shards) = (0, 0);
        while start.elapsed() < SLICE {
            let step = &steps[count % 1000];
            let half = &step[..step.len() / 2];
            let begun = Instant::now();
            backend.run_together(*gradients, half)?;
            let oldest = self.sent.len() >= 3;
            let spare = oldest.then(|| self.sent.pop_front()).flatten();
            let spare = spare.and_then(Arc::into_inner).unwrap_or_default();
            let sum = Arc::new(backend.take(buffer::GRADIENTS, 0, values, spare)?);
            self.sent.push_back(post(board, self.place, Some(&sum)));
            drop(sum);
            times[0] += begun.elapsed();
            let begun = Instant::now();
            let sums = [0, 1].map(|place| post(board, place, None));
            backend.update(*update, &step[0], [1, values], &|_, first, values| {
                let [a, b] = sums.each_ref().map(|sum| &sum[first..]);
                for (value, (a, b)) in values.iter_mut().zip(a.iter().zip(b)) {
                    *value = a + b;
                }
            })?;
            times[1] += begun.elapsed();
            (count, shards) = (count + 1, shards + half.len());
        }
        let each = |time: Duration, count: usize| time.as_secs_f64() / count as f64;
        Ok([each(times[0], shards), each(times[1], count)])
    }
}

fn plot(courses: &[(PolicyName, Course)], work: &Workload) -> String {
    const COLOURS: [&str; 3] = ["#000000", "#d55e00", "#009e73"];
    let (left, top, width, height) = (70.0, 40.0, 640.0, 260.0);
    let end = 2.0 * HALF.as_secs_f64();
    // Samples a second in tenths of a second, or in as few steps as there are.
    let bin = 0.25;
    let lines: Vec<Vec<(f64, f64)>> = courses
        .iter()
        .map(|(_, course)| {
            let bins = (0..(end / bin) as usize).map(|n| {
                let from = course.slowed - end / 2.0 + n as f64 * bin;
                let rate = course.rate(from - bin / 2.0, from + 1.5 * bin);
                (n as f64 * bin, rate * work.batch as f64)
            });
            bins.filter(|(_, rate)| *rate > 0.0).collect()
        })
        .collect();
    let most = lines
        .iter()
        .flatten()
        .map(|(_, rate)| *rate)
        .fold(1.0, f64::max)
        * 1.05;
    let x = |time: f64| left + width * time / end;
    let y = |rate: f64| top + height * (1.0 - rate / most);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{left}\" y=\"{}\" font-weight=\"bold\">samples/s of two workers, one of them four times slower from the middle on ({})</text>\n",
        left + width + 30.0,
        top + height + 80.0,
        top - 16.0,
        work.name
    );
    for tick in 0..=4 {
        let rate = most * f64::from(tick) / 4.0;
        svg += &format!(
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{rate:.0}</text>\n",
            left + width,
            left - 6.0,
            y(rate) + 4.0,
            at = y(rate),
        );
    }
    for second in 0..=end as u32 {
        svg += &format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{second} s</text>\n",
            x(f64::from(second)),
            top + height + 18.0,
        );
    }
    for (place, ((policy, _), line)) in courses.iter().zip(&lines).enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let points: Vec<String> = line
            .iter()
            .map(|&(time, rate)| format!("{:.1},{:.1}", x(time), y(rate)))
            .collect();
        let from = left + 150.0 * place as f64;
        let at = top + height + 48.0;
        svg += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <line x1=\"{from}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{}\" y=\"{}\">{policy}</text>\n",
            points.join(" "),
            from + 22.0,
            from + 27.0,
            at + 4.0,
        );
    }
    svg + "</svg>\n"
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let (works, parts): (Vec<_>, Vec<_>) =
        words.into_iter().partition(|word| word.starts_with('W'));
    let named = |what: &str, words: &[String]| {
        words.is_empty() || words.iter().any(|word| what.starts_with(word.as_str()))
    };
    for work in workloads().iter().filter(|work| named(work.name, &works)) {
        if named("cost", &parts) {
            cost(work)?;
        }
        if named("predicted", &parts) {
            predicted(work)?;
        }
        if named("slowed", &parts) {
            let courses = slowed(work)?;
            if work.name.starts_with("W2") {
                let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/slowed.svg");
                std::fs::write(path, plot(&courses, work))?;
            }
        }
    }
    Ok(())
}
