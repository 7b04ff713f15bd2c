//! Whole training steps on each device: a table of five workloads, alone and in packs, with the share of the time that their
//! products take, and the share of what the products alone would reach on the `gemm` crate. What a pack gains over a network alone
//! stands beside what as many networks as there are cores gain, each on a core of its own, with nothing in common: two cores may have
//! less than twice the rate of one. Rates are medians of rounds in which all that is compared takes turns.
//!
//! `cargo bench --bench train_step [-- W1 W3 … cpu f16]`: workloads and devices whose names begin with one of the words; with f16 among
//! them, products in half precision.

use std::time::{Duration, Instant};

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, Tuning, adapters};
use gpu_mlp::backend::{Backend, BackendError, Data, ProgramId, write_weights};
use gpu_mlp::model::{Activation, Initializer, Network, initialize};
use gpu_mlp::program::{
    Capacity, Hyper, Loss, LossFunction, Optimizer, Precision, Program, Reduction, Rows, Step,
    buffer,
};
use gpu_mlp::random::{Purpose, Stream, shuffle};
use rand::RngExt;

const ROUNDS: usize = 5;

/// How long each of the compared is measured in a round.
const SLICE: Duration = Duration::from_millis(400);

struct Workload {
    name: &'static str,
    network: Network,
    function: LossFunction,
    rows: usize,
    batch: usize,
    /// Networks of the packs that are tried.
    packs: &'static [usize],
}

fn workloads() -> Vec<Workload> {
    use Activation::{Identity, Relu, Sigmoid, Tanh};
    use LossFunction::{BinaryCrossEntropy, Mse};
    let cross_entropy = LossFunction::CROSS_ENTROPY;
    vec![
        Workload {
            name: "W1 784-128-10, batch 128",
            network: Network::new(784, &[128], Relu, 10, Identity),
            function: cross_entropy,
            rows: 60_000,
            batch: 128,
            packs: &[1],
        },
        Workload {
            name: "W2 784-512-512-10, batch 256",
            network: Network::new(784, &[512, 512], Relu, 10, Identity),
            function: cross_entropy,
            rows: 60_000,
            batch: 256,
            packs: &[1, 4],
        },
        Workload {
            name: "W3 30-64-64-1, batch 32",
            network: Network::new(30, &[64, 64], Relu, 1, Identity),
            function: BinaryCrossEntropy,
            rows: 10_000,
            batch: 32,
            packs: &[1, 32],
        },
        Workload {
            name: "W4 2-8-1, batch 4",
            network: Network::new(2, &[8], Tanh, 1, Sigmoid),
            function: Mse,
            rows: 4,
            batch: 4,
            packs: &[1, 32],
        },
        Workload {
            name: "W5 256-2048-2048-1, batch 1024",
            network: Network::new(256, &[2048, 2048], Relu, 1, Identity),
            function: Mse,
            rows: 10_000,
            batch: 1024,
            packs: &[1],
        },
    ]
}

/// A device, and what the bench has to know of it beside.
enum Device {
    Cpu(CpuBackend<f32>),
    Gpu(Box<GpuBackend>),
}

impl Device {
    fn backend(&mut self) -> &mut dyn Backend {
        match self {
            Device::Cpu(backend) => backend,
            Device::Gpu(backend) => &mut **backend,
        }
    }

    fn dispatches(&self, program: ProgramId) -> Option<f64> {
        match self {
            Device::Cpu(_) => None,
            Device::Gpu(backend) => Some(backend.dispatches(program, 4096) as f64 / 4096.0),
        }
    }
}

/// A workload of a pack on a device, ready to run steps.
struct Case {
    device: Device,
    members: usize,
    training: ProgramId,
    /// Its products alone.
    products: ProgramId,
    steps: Vec<Step>,
    program: Program,
}

impl Case {
    fn new(
        mut device: Device,
        work: &Workload,
        (members, precision): (usize, Precision),
    ) -> Result<Self, BackendError> {
        let loss = Loss::new(work.function, Reduction::Mean);
        let capacity = Capacity {
            members,
            batch: work.batch,
            rows: work.rows,
            order: work.rows,
            records: 1,
        };
        let program = Program::training(&work.network, &loss, &Optimizer::ADAM, capacity).fused();
        let program = program.with_precision(precision);
        let only = Program {
            ops: program
                .ops
                .iter()
                .filter(|op| op.product(&program).is_some())
                .cloned()
                .collect(),
            ..program.clone()
        };
        let backend = device.backend();
        let training = backend.compile(&program)?;
        let products = backend.compile(&only)?;
        let mut stream = Stream::new(1, Purpose::Check, 0);
        let inputs: Vec<f32> = (0..work.rows * work.network.inputs)
            .map(|_| stream.random_range(-1.0..1.0))
            .collect();
        let classes = if work.function.of_class() { 10 } else { 2 };
        let targets: Vec<f32> = (0..work.rows)
            .map(|_| stream.random_range(0..classes) as f32)
            .collect();
        backend.write(buffer::INPUTS, 0, 0, Data::F32(&inputs))?;
        backend.write(buffer::TARGETS, 0, 0, Data::F32(&targets))?;
        let hyper = Hyper {
            learning_rate: 1e-4,
            ..Hyper::default()
        };
        for member in 0..members {
            let seed = member as u64;
            let mut order: Vec<u32> = (0..work.rows as u32).collect();
            shuffle(&mut order, seed, Purpose::Order, 0);
            backend.write(buffer::ORDER, member, 0, Data::U32(&order))?;
            let hyper = Data::F32(bytemuck::cast_slice(std::slice::from_ref(&hyper)));
            backend.write(buffer::HYPER, member, 0, hyper)?;
            let weights = initialize(&work.network, Initializer::Auto, seed);
            write_weights(backend, &work.network, buffer::PARAMETERS, member, &weights)?;
        }
        let batches = work.rows / work.batch;
        let steps = (0..4096).map(|step| Step {
            first: ((step % batches) * work.batch) as u32,
            rows: work.batch as u32,
            loss_scale: loss.scale(work.batch, work.network.outputs()) as f32,
            rate: 1.0,
            correction1: 1.0,
            correction2: 1.0,
            ..Step::default()
        });
        let mut case = Case {
            device,
            members,
            training,
            products,
            steps: steps.collect(),
            program,
        };
        // Kernels are compiled, and a device finds its pace.
        case.rate(case.training)?;
        case.rate(case.products)?;
        Ok(case)
    }

    /// Steps a second, and calls of [`Backend::run`] a step, each a submission.
    fn rate(&mut self, program: ProgramId) -> Result<[f64; 2], BackendError> {
        let backend = self.device.backend();
        let start = Instant::now();
        let (mut done, mut calls) = (0, 0);
        while start.elapsed() < SLICE {
            done += backend.run(program, &self.steps)?;
            calls += 1;
        }
        backend.read(buffer::LOG, 0, 0, 1)?;
        let done = done as f64;
        Ok([
            done / start.elapsed().as_secs_f64(),
            f64::from(calls) / done,
        ])
    }
}

/// Steps a second of nothing but the step's products, on the `gemm` crate and all cores.
struct Bound {
    scratch: [Vec<f32>; 3],
}

impl Bound {
    fn rate(&mut self, program: &Program) -> f64 {
        let start = Instant::now();
        let mut done = 0;
        while start.elapsed() < SLICE {
            for op in &program.ops {
                if let Some(product) = op.product(program) {
                    let size = |rows| match rows {
                        Rows::Batch => program.batch,
                        Rows::Fixed(rows) => rows,
                    };
                    self.product(size(product.m), product.n, size(product.k));
                }
            }
            done += 1;
        }
        f64::from(done) / start.elapsed().as_secs_f64()
    }

    fn product(&mut self, m: usize, n: usize, k: usize) {
        let [a, b, c] = &mut self.scratch;
        a.resize(a.len().max(m * k), 1.0);
        b.resize(b.len().max(k * n), 1.0);
        c.resize(c.len().max(m * n), 0.0);
        // SAFETY: the three slices are distinct and at least as long as their row-major shapes.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                1,
                k as isize,
                b.as_ptr(),
                1,
                n as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(0),
            );
        }
    }
}

/// A network on each core.
fn beside(work: &Workload, precision: Precision) -> Result<Vec<Case>, BackendError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let case = || {
        let device = Device::Cpu(CpuBackend::with_threads(1));
        Case::new(device, work, (1, precision))
    };
    (0..cores).map(|_| case()).collect()
}

/// Steps a second of all of them.
fn rate_beside(cases: &mut [Case]) -> Result<f64, BackendError> {
    std::thread::scope(|scope| {
        let cases: Vec<_> = cases
            .iter_mut()
            .map(|case| scope.spawn(|| case.rate(case.training)))
            .collect();
        let rates = cases.into_iter().map(|case| {
            let rate = case
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(rate?[0])
        });
        rates.sum()
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(
    work: &Workload,
    precision: Precision,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<(), BackendError> {
    let mut cases = Vec::new();
    for &members in work.packs {
        let cpu = CpuBackend::new();
        if wanted(&cpu.device()) {
            cases.push(Case::new(Device::Cpu(cpu), work, (members, precision))?);
        }
        for adapter in adapters() {
            if wanted(&adapter.name) {
                let gpu = GpuBackend::open(&AdapterChoice::Index(adapter.index))?;
                let gpu = Box::new(gpu.with_tuning(&Tuning::default()));
                cases.push(Case::new(Device::Gpu(gpu), work, (members, precision))?);
            }
        }
    }
    let has_packs = work.packs.len() > 1 && wanted(&CpuBackend::<f32>::new().device());
    let mut beside = if has_packs {
        beside(work, precision)?
    } else {
        Vec::new()
    };
    let mut besides = Vec::new();
    let mut bound = Bound {
        scratch: Default::default(),
    };
    let mut bounds = Vec::new();
    let mut rates = vec![[const { Vec::new() }; 3]; cases.len()];
    for _ in 0..ROUNDS {
        for (case, [training, submissions, products]) in cases.iter_mut().zip(&mut rates) {
            let [steps, calls] = case.rate(case.training)?;
            training.push(steps);
            submissions.push(calls);
            products.push(case.rate(case.products)?[0]);
        }
        besides.push(rate_beside(&mut beside)?);
        if let Some(case) = cases.first() {
            bounds.push(bound.rate(&case.program));
        }
    }
    let (bound, besides) = (median(bounds), median(besides));
    let mut alone: Vec<(String, f64)> = Vec::new();
    for (case, [training, submissions, products]) in cases.iter_mut().zip(rates) {
        let device = case.device.backend().device();
        let members = case.members as f64;
        let (steps, products) = (median(training), median(products));
        if case.members == 1 {
            alone.push((device.clone(), steps));
        }
        let one = alone.iter().find(|(known, _)| *known == device);
        let gain = one.map_or(String::new(), |(_, one)| {
            format!("{:.2}", members * steps / one)
        });
        let of_cores = match (&case.device, one) {
            (Device::Cpu(_), Some((_, one))) if case.members > 1 => {
                format!("{:.2}", besides / one)
            }
            _ => String::new(),
        };
        let calls = median(submissions);
        let dispatches = case.device.dispatches(case.training);
        println!(
            "{:31} {:22} {:4} {:12.0} {:10.0} {:>10} {:11.4} {:9.0} % {:9.0} % {:>6} {:>8}",
            work.name,
            device.chars().take(22).collect::<String>(),
            case.members,
            members * steps * work.batch as f64,
            steps,
            dispatches.map_or("-".into(), |count| format!("{count:.2}")),
            calls,
            100.0 * steps / products,
            100.0 * members * steps / bound,
            gain,
            of_cores,
        );
    }
    Ok(())
}

fn main() -> Result<(), BackendError> {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let named = |what: &str, all: &[String]| {
        all.is_empty()
            || all
                .iter()
                .any(|word| what.to_lowercase().starts_with(&word.to_lowercase()))
    };
    let (halves, words): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word == "f16");
    let precision = if halves.is_empty() {
        Precision::F32
    } else {
        Precision::F16
    };
    let (works, devices): (Vec<_>, Vec<_>) =
        words.into_iter().partition(|word| word.starts_with('W'));
    println!(
        "{:31} {:22} {:>4} {:>12} {:>10} {:>10} {:>11} {:>11} {:>11} {:>6} {:>8}",
        "workload",
        "device",
        "pack",
        "samples/s",
        "steps/s",
        "dispatches",
        "submissions",
        "in products",
        "of gemm",
        "gain",
        "of cores"
    );
    for work in workloads() {
        if named(work.name, &works) {
            measure(&work, precision, &|device| named(device, &devices))?;
        }
    }
    Ok(())
}
