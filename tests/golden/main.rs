//! Each function against the values of `PyTorch`, or of scikit-learn, on the CPU in both precisions and on the adapter in both modes.
//!
//! The scripts beside the values in tests/data/ make them.

mod activations;
mod embeddings;
mod initializers;
mod layers;
mod losses;
mod max_norm;
mod metrics;
mod muon;
mod optimizers;
mod schedules;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, Mode};
use gpu_mlp::backend::{Backend, Data, run_all};
use gpu_mlp::program::{Op, Precision, Program, Step, buffer};

/// Largest error, relative to the expected value or to 1 if that is less: f64 has a few roundings; f32 has them too, and
/// adapters may divide and take logarithms with an error of a few units in the last place.
const PRECISE: f64 = 1e-12;
const SINGLE: f64 = 4e-6;

/// A program without ops, for a batch of `rows` rows.
fn empty(rows: usize) -> Program {
    Program {
        members: 1,
        batch: rows,
        precision: Precision::F32,
        buffers: Vec::new(),
        tensors: Vec::new(),
        ops: Vec::new(),
    }
}

/// Runs the program's ops once everywhere on `inputs`, by buffer, and holds the beginnings of the
/// buffers named in `expected` against it.
fn hold(program: &Program, step: Step, inputs: &[(&str, &[f32])], expected: &[(&str, &[f64])]) {
    hold_within(PRECISE, program, step, inputs, expected);
}

/// The same with another error for f64, where an input is rounded to f32 before.
fn hold_within(
    precise_error: f64,
    program: &Program,
    step: Step,
    inputs: &[(&str, &[f32])],
    expected: &[(&str, &[f64])],
) {
    let run = |backend: &mut dyn Backend| {
        let compiled = backend.compile(program).expect("it compiles");
        for (name, values) in inputs {
            backend
                .write(name, 0, 0, Data::F32(values))
                .expect("it fits");
        }
        if program.buffer(buffer::ORDER).is_some() {
            let order: Vec<u32> = (0..step.rows).collect();
            backend
                .write(buffer::ORDER, 0, 0, Data::U32(&order))
                .expect("it fits");
        }
        run_all(backend, compiled, &[step]).expect("it runs");
    };
    let mut precise = CpuBackend::<f64>::new();
    run(&mut precise);
    for (name, expected) in expected {
        let found = precise.values(name, 0).expect("it is there");
        near(
            name,
            &found[..expected.len()],
            expected,
            precise_error,
            "the CPU in f64",
            program,
        );
    }
    for mut backend in singles() {
        run(&mut *backend);
        for (name, expected) in expected {
            let found = backend
                .read(name, 0, 0, expected.len())
                .expect("it is there");
            let found: Vec<f64> = found.into_iter().map(f64::from).collect();
            near(name, &found, expected, SINGLE, &backend.device(), program);
        }
    }
}

/// The backends of single precision: the CPU, and the adapter in both modes.
fn singles() -> [Box<dyn Backend>; 3] {
    let gpu = |mode| {
        let gpu =
            GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh");
        Box::new(gpu.with_mode(mode)) as Box<dyn Backend>
    };
    [
        Box::new(CpuBackend::<f32>::new()),
        gpu(Mode::Dispatches),
        gpu(Mode::Resident),
    ]
}

fn near(name: &str, found: &[f64], expected: &[f64], tolerance: f64, on: &str, program: &Program) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(
            error <= tolerance,
            "{name}[{i}] is {found} instead of {expected} on {on}:\n{program}"
        );
    }
}

fn add(program: &mut Program, op: Op) {
    program.ops.push(op);
}
