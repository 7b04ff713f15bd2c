use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, Data, ProgramId, run_all};
use gpu_mlp::model::{Activation, Network};
use gpu_mlp::program::{Capacity, Hyper, Optimizer, Program, Rule, Step, buffer};
use serde::Deserialize;

use super::{near, singles};

#[derive(Deserialize)]
struct Golden {
    rate: f32,
    weights: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    rule: Rule,
    #[serde(default)]
    momentum: f32,
    #[serde(default)]
    weight_decay: f32,
    #[serde(default)]
    l1: f32,
    #[serde(default)]
    nesterov: bool,
    beta2: Option<f32>,
    clip_value: Option<f32>,
    clip_norm: Option<f32>,
    average: Option<f32>,
    /// The weights after each step, or their running mean.
    path: Vec<Vec<f64>>,
}

/// The constants 0.9, 0.999 … are single here, and double in `PyTorch`: of the weights after 20 steps that is a few 1e-7.
const CONSTANTS: f64 = 2e-6;
const SINGLE: f64 = 1e-5;

#[test]
fn twenty_steps_of_each_optimizer_are_those_of_pytorch() {
    let golden: Golden =
        serde_json::from_str(include_str!("../data/optimizers.json")).expect("it is valid");
    for case in &golden.cases {
        let usual = Optimizer::new(case.rule);
        let optimizer = Optimizer {
            nesterov: case.nesterov,
            beta2: case.beta2.unwrap_or(usual.beta2),
            clip_value: case.clip_value,
            clip_norm: case.clip_norm,
            average: case.average,
            ..usual
        };
        let len = golden.weights.len();
        // One layer without a gradient for its bias, so that the decay is on all that moves.
        let network = Network::new(len, &[], Activation::Identity, 1, Activation::Identity);
        let capacity = Capacity {
            members: 1,
            batch: 1,
            rows: 1,
            order: 1,
            records: 1,
        };
        let program = Program::update(&network, &optimizer, capacity);
        let mut precise = CpuBackend::<f64>::new();
        let compiled = begin(&mut precise, &program, &golden, case);
        let found = (0..case.path.len()).map(|t| {
            step(&mut precise, compiled, &golden, optimizer, t);
            let weights = precise.values(optimizer.kept(), 0).expect("it is there");
            weights[..len].to_vec()
        });
        follow(found, case, CONSTANTS, "the CPU in f64", &program);
        for mut backend in singles() {
            let compiled = begin(&mut *backend, &program, &golden, case);
            let device = backend.device();
            let found = (0..case.path.len()).map(|t| {
                step(&mut *backend, compiled, &golden, optimizer, t);
                let weights = backend
                    .read(optimizer.kept(), 0, 0, len)
                    .expect("it is there");
                weights.into_iter().map(f64::from).collect()
            });
            follow(found, case, SINGLE, &device, &program);
        }
    }
}

fn begin(backend: &mut dyn Backend, program: &Program, golden: &Golden, case: &Case) -> ProgramId {
    let compiled = backend.compile(program).expect("it compiles");
    let hyper = Hyper {
        learning_rate: golden.rate,
        weight_decay: case.weight_decay,
        momentum: case.momentum,
        l1: case.l1,
        ..Hyper::default()
    };
    let hyper: [f32; Hyper::WIDTH] = bytemuck::cast(hyper);
    for (name, values) in [
        (buffer::PARAMETERS, &golden.weights[..]),
        (buffer::HYPER, &hyper[..]),
    ] {
        backend
            .write(name, 0, 0, Data::F32(values))
            .expect("it fits");
    }
    compiled
}

/// Step `t`, the first being 0, by its own gradient.
fn step(backend: &mut dyn Backend, compiled: ProgramId, golden: &Golden, by: Optimizer, t: usize) {
    backend
        .write(buffer::GRADIENTS, 0, 0, Data::F32(&golden.gradients[t]))
        .expect("it fits");
    let [correction1, correction2, correction3] = by.corrections(t as u64 + 1);
    let step = Step {
        rows: 1,
        rate: 1.0,
        correction1,
        correction2,
        correction3,
        average: by.share(t as u64 + 1),
        ..Step::default()
    };
    run_all(backend, compiled, &[step]).expect("it runs");
}

fn follow(
    found: impl Iterator<Item = Vec<f64>>,
    case: &Case,
    tolerance: f64,
    device: &str,
    program: &Program,
) {
    for (t, (found, expected)) in found.zip(&case.path).enumerate() {
        let name = format!("{} with momentum {}, step {t}", case.rule, case.momentum);
        near(&name, &found, expected, tolerance, device, program);
    }
}
