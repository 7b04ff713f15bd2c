//! Each kernel on each device, products in both precisions, in each tile, and with either order of sums: GFLOP/s where there are products, GB/s of the bytes that must move
//! elsewhere; on an adapter, the share of what a loop of multiply-adds or a copy reaches there, in the same run.
//!
//! `cargo bench --bench kernels [-- FILTER]`

mod probe;

use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, Mode, Sums, adapters};
use gpu_mlp::backend::{Backend, kernels, run_all};
use gpu_mlp::program::{Precision, Step};

use self::probe::Probe;

/// Rows, columns and terms: the layers of Fashion-MNIST 784-512-512-10 at a batch of 256, and an only output of 2048 units at one of
/// 1024.
const SIZES: [[usize; 3]; 4] = [
    [256, 512, 784],
    [256, 512, 512],
    [256, 10, 512],
    [1024, 1, 2048],
];

/// The largest product of 256-2048-2048-1 at a batch of 1024, which a processor's adapter would take seconds for.
const LARGE: [usize; 3] = [1024, 2048, 2048];

/// Steps a measurement runs, so that handing them over does not count.
const STEPS: usize = 8;

/// What is measured: a device, or one tile or way of summing of an adapter.
struct Subject {
    name: String,
    backend: Box<dyn Backend>,
    probe: Option<Probe>,
    /// Whether it has only products that are of interest.
    products: bool,
    precisions: &'static [Precision],
    sizes: Vec<[usize; 3]>,
}

fn subjects() -> Vec<Subject> {
    let mut subjects = vec![Subject {
        name: "cpu".into(),
        backend: Box::new(CpuBackend::<f32>::new()),
        probe: None,
        products: false,
        precisions: &[Precision::F32],
        sizes: SIZES.to_vec(),
    }];
    for adapter in adapters() {
        let open = || GpuBackend::open(&AdapterChoice::Index(adapter.index));
        let gpu = match open() {
            Ok(gpu) => gpu.with_mode(Mode::Dispatches),
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let probe = probe::probe(&adapter.name);
        let tiles = gpu.tiles();
        let large = (adapter.kind != "software").then_some(LARGE);
        let sizes: Vec<_> = SIZES.into_iter().chain(large).collect();
        let both = &[Precision::F32, Precision::F16][..];
        subjects.push(Subject {
            name: adapter.name.clone(),
            backend: Box::new(gpu),
            probe,
            products: false,
            precisions: both,
            sizes: sizes.clone(),
        });
        let mut products = |name: String, precisions, with: &dyn Fn(GpuBackend) -> GpuBackend| {
            if let Ok(gpu) = open() {
                subjects.push(Subject {
                    name: format!("{} {name}", adapter.name),
                    backend: Box::new(with(gpu.with_mode(Mode::Dispatches))),
                    probe,
                    products: true,
                    precisions,
                    sizes: sizes.clone(),
                });
            }
        };
        for tile in tiles {
            products(tile.to_string(), tile.precisions(), &|gpu| {
                gpu.with_tile(tile)
            });
        }
        products("sums in rising order".into(), both, &|gpu| {
            gpu.with_sums(Sums::Rising)
        });
        products("sums by shape".into(), both, &|gpu| {
            gpu.with_sums(Sums::ByShape)
        });
    }
    subjects
}

/// Time on the wall, told as GFLOP/s for `Throughput::Elements` and as GB/s for bytes.
struct Rates;

impl Measurement for Rates {
    type Intermediate = <WallTime as Measurement>::Intermediate;
    type Value = <WallTime as Measurement>::Value;

    fn start(&self) -> Self::Intermediate {
        WallTime.start()
    }

    fn end(&self, start: Self::Intermediate) -> Self::Value {
        WallTime.end(start)
    }

    fn add(&self, one: &Self::Value, other: &Self::Value) -> Self::Value {
        WallTime.add(one, other)
    }

    fn zero(&self) -> Self::Value {
        WallTime.zero()
    }

    fn to_f64(&self, value: &Self::Value) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Rates
    }
}

/// Measured values are nanoseconds, so that a count by them is billions a second.
impl ValueFormatter for Rates {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(
        &self,
        _typical: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        let (count, unit) = match *throughput {
            Throughput::Elements(flops) => (flops, "GFLOP/s"),
            Throughput::Bytes(bytes)
            | Throughput::BytesDecimal(bytes)
            | Throughput::Bits(bytes) => (bytes, "GB/s"),
            Throughput::ElementsAndBytes { elements, .. } => (elements, "GFLOP/s"),
        };
        for value in values {
            *value = count as f64 / *value;
        }
        unit
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}

fn benches(criterion: &mut Criterion<Rates>) {
    for subject in subjects() {
        let Subject {
            name: device,
            mut backend,
            probe,
            products,
            precisions,
            sizes,
        } = subject;
        for (number, size) in sizes.into_iter().enumerate() {
            let [m, n, k] = size;
            let forms = kernels(size, 1, number).into_iter().enumerate();
            let in_each = forms.flat_map(|(form, (kernel, program))| {
                precisions.iter().map(move |&precision| {
                    (form, kernel, precision, program.with_precision(precision))
                })
            });
            for (form, kernel, precision, program) in in_each {
                let op = &program.ops[0];
                let product = op.product(&program).is_some();
                let half = precision == Precision::F16;
                if (products || half) && !product {
                    continue;
                }
                let Ok(compiled) = backend.compile(&program) else {
                    continue;
                };
                let mut group = criterion.benchmark_group(kernel);
                group
                    .sample_size(10)
                    .warm_up_time(Duration::from_millis(200));
                group.measurement_time(Duration::from_millis(500));
                group.throughput(match op.product(&program) {
                    Some(_) => Throughput::Elements((STEPS * op.flops(&program)) as u64),
                    None => Throughput::Bytes((STEPS * op.bytes(&program)) as u64),
                });
                let steps = [Step {
                    rows: m as u32,
                    loss_scale: 1.0,
                    correction1: 1.0,
                    correction2: 1.0,
                    ..Step::default()
                }; STEPS];
                let written = program.tensors[op.writes()[0]].buffer;
                let written = program.buffers[written].name.clone();
                let half = if half { " in f16" } else { "" };
                let id = BenchmarkId::new(&device, format!("{m}x{n}x{k} form {form}{half}"));
                let mut least = f64::INFINITY;
                group.bench_function(id, |bencher| {
                    bencher.iter_custom(|times| {
                        let mut all = Duration::ZERO;
                        for _ in 0..times {
                            let start = Instant::now();
                            run_all(&mut *backend, compiled, &steps).expect("it runs");
                            backend.read(&written, 0, 0, 1).expect("it is there");
                            let taken = start.elapsed();
                            least = least.min(taken.as_secs_f64());
                            all += taken;
                        }
                        all
                    });
                });
                if let Some(probe) = probe
                    && least.is_finite()
                {
                    let (count, best, unit) = if product {
                        (op.flops(&program), probe.flops, "GFLOP/s of the loop")
                    } else {
                        (op.bytes(&program), probe.bytes, "GB/s of the copy")
                    };
                    let rate = (STEPS * count) as f64 / least / 1e9;
                    println!(
                        "{:24}share:  {:.0} % of {best:.1} {unit}",
                        "",
                        100.0 * rate / best
                    );
                }
            }
        }
    }
}

criterion_group! {
    name = all;
    config = Criterion::default().with_measurement(Rates);
    targets = benches
}
criterion_main!(all);
