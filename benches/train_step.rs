//! Whole training steps on each device: samples a second of five workloads, and their share of what the step's products
//! alone would take on the `gemm` crate.
//!
//! `cargo bench --bench train_step [-- FILTER]`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, adapters};
use gpu_mlp::backend::{Backend, Data, run_all, write_weights};
use gpu_mlp::model::{Activation, Initializer, Network, initialize};
use gpu_mlp::program::{
    Capacity, Hyper, Loss, LossFunction, Op, Optimizer, Program, Reduction, Rows, Step, buffer,
};
use gpu_mlp::random::{Purpose, Stream, shuffle};
use rand::RngExt;

struct Workload {
    name: &'static str,
    network: Network,
    function: LossFunction,
    rows: usize,
    batch: usize,
    steps: usize,
}

fn workloads() -> Vec<Workload> {
    use Activation::{Identity, Relu, Sigmoid, Tanh};
    use LossFunction::{BinaryCrossEntropy, Mse};
    let workload = |name, network, function, rows, batch, steps| Workload {
        name,
        network,
        function,
        rows,
        batch,
        steps,
    };
    vec![
        workload(
            "W1 784-128-10",
            Network::new(784, &[128], Relu, 10, Identity),
            LossFunction::CROSS_ENTROPY,
            60_000,
            128,
            32,
        ),
        workload(
            "W2 784-512-512-10",
            Network::new(784, &[512, 512], Relu, 10, Identity),
            LossFunction::CROSS_ENTROPY,
            60_000,
            256,
            8,
        ),
        workload(
            "W3 30-64-64-1",
            Network::new(30, &[64, 64], Relu, 1, Identity),
            BinaryCrossEntropy,
            10_000,
            32,
            256,
        ),
        workload(
            "W4 2-8-1",
            Network::new(2, &[8], Tanh, 1, Sigmoid),
            Mse,
            4,
            4,
            4096,
        ),
        workload(
            "W5 256-2048-2048-1",
            Network::new(256, &[2048, 2048], Relu, 1, Identity),
            Mse,
            10_000,
            1024,
            1,
        ),
    ]
}

/// A workload on a device, ready to run steps.
fn prepare(
    backend: &mut dyn Backend,
    work: &Workload,
) -> (gpu_mlp::backend::ProgramId, Vec<Step>, Program) {
    let loss = Loss::new(work.function, Reduction::Mean);
    let capacity = Capacity {
        members: 1,
        batch: work.batch,
        rows: work.rows,
        order: work.rows,
        records: 1,
    };
    let program = Program::training(&work.network, &loss, &Optimizer::ADAM, capacity).fused();
    let compiled = backend.compile(&program).expect("it fits");
    let mut stream = Stream::new(1, Purpose::Check, 0);
    let inputs: Vec<f32> = (0..work.rows * work.network.inputs)
        .map(|_| stream.random_range(-1.0..1.0))
        .collect();
    let classes = if work.function.of_class() { 10 } else { 2 };
    let targets: Vec<f32> = (0..work.rows)
        .map(|_| stream.random_range(0..classes) as f32)
        .collect();
    let mut order: Vec<u32> = (0..work.rows as u32).collect();
    shuffle(&mut order, 1, Purpose::Order, 0);
    let hyper = Hyper {
        learning_rate: 1e-4,
        ..Hyper::default()
    };
    backend
        .write(buffer::INPUTS, 0, 0, Data::F32(&inputs))
        .expect("it fits");
    backend
        .write(buffer::TARGETS, 0, 0, Data::F32(&targets))
        .expect("it fits");
    backend
        .write(buffer::ORDER, 0, 0, Data::U32(&order))
        .expect("it fits");
    backend
        .write(
            buffer::HYPER,
            0,
            0,
            Data::F32(bytemuck::cast_slice(&[hyper])),
        )
        .expect("it fits");
    let weights = initialize(&work.network, Initializer::Auto, 1);
    write_weights(backend, &work.network, buffer::PARAMETERS, 0, &weights).expect("they fit");
    let batches = work.rows / work.batch;
    let steps = (0..work.steps).map(|step| Step {
        first: ((step % batches) * work.batch) as u32,
        rows: work.batch as u32,
        loss_scale: loss.scale(work.batch, work.network.outputs()) as f32,
        rate: 1.0,
        correction1: 1.0,
        correction2: 1.0,
        ..Step::default()
    });
    (compiled, steps.collect(), program)
}

/// The step's products alone, on the `gemm` crate and all cores.
fn products(program: &Program, scratch: &mut [Vec<f32>; 3]) {
    let size = |rows| match rows {
        Rows::Batch => program.batch,
        Rows::Fixed(rows) => rows,
    };
    for product in program.ops.iter().filter_map(|op: &Op| op.product(program)) {
        let (m, n, k) = (size(product.m), product.n, size(product.k));
        let [a, b, c] = scratch;
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

fn benches(criterion: &mut Criterion) {
    for work in workloads() {
        let mut backends: Vec<(String, Box<dyn Backend>)> =
            vec![("cpu".into(), Box::new(CpuBackend::<f32>::new()))];
        for adapter in adapters() {
            match GpuBackend::open(&AdapterChoice::Index(adapter.index)) {
                Ok(gpu) => backends.push((adapter.name, Box::new(gpu))),
                Err(error) => eprintln!("{error}"),
            }
        }
        let mut group = criterion.benchmark_group(work.name);
        group.sample_size(10);
        group.throughput(Throughput::Elements((work.steps * work.batch) as u64));
        let mut shapes = None;
        for (device, mut backend) in backends {
            let (compiled, steps, program) = prepare(&mut *backend, &work);
            group.bench_function(BenchmarkId::new("train", &device), |bencher| {
                bencher.iter(|| {
                    run_all(&mut *backend, compiled, &steps).expect("it runs");
                    backend.read(buffer::LOG, 0, 0, 1).expect("it is there")
                });
            });
            shapes = Some(program);
        }
        if let Some(program) = shapes {
            let mut scratch = [Vec::new(), Vec::new(), Vec::new()];
            group.bench_function("products alone, gemm crate", |bencher| {
                bencher.iter(|| (0..work.steps).for_each(|_| products(&program, &mut scratch)));
            });
        }
    }
}

criterion_group!(all, benches);
criterion_main!(all);
