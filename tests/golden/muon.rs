use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, Data, ProgramId, run_all};
use gpu_mlp::model::{Activation, Network};
use gpu_mlp::program::{Capacity, Hyper, Optimizer, Places, Program, Rule, Step, buffer};
use serde::Deserialize;

use super::{near, singles};

#[derive(Deserialize)]
struct Golden {
    rate: f32,
    names: Vec<String>,
    initial: Vec<Vec<f32>>,
    gradients: Vec<Vec<Vec<f32>>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    nesterov: bool,
    momentum: f32,
    weight_decay: f32,
    /// By step and parameter.
    path: Vec<Vec<Vec<f64>>>,
}

/// The coefficients are single here, and double in `PyTorch`. The iteration makes small singular values some hundred times
/// larger, and rounding with them.
const CONSTANTS: f64 = 2e-6;
const SINGLE: f64 = 2e-5;

/// Two networks side by side, the second with half the rate of the first, so that each is seen to have its own.
const MEMBERS: usize = 2;

#[test]
fn twenty_steps_are_those_of_pytorch() {
    let golden: Golden =
        serde_json::from_str(include_str!("../data/muon.json")).expect("it is valid");
    let network = Network::new(3, &[7, 4, 4], Activation::Tanh, 2, Activation::Identity);
    for case in &golden.cases {
        let optimizer = Optimizer {
            nesterov: case.nesterov,
            ..Optimizer::new(Rule::Muon)
        };
        let capacity = Capacity {
            members: MEMBERS,
            batch: 1,
            rows: 1,
            order: 1,
            records: 1,
        };
        let program = Program::update(&network, &optimizer, capacity);
        let places = Places::new(&network);
        let offset = |name: &String| places.of(name).expect("it is there").offset;
        let offsets: Vec<usize> = golden.names.iter().map(offset).collect();
        let mut precise = CpuBackend::<f64>::new();
        let compiled = begin(&mut precise, &program, &golden, case, &offsets);
        for (t, expected) in case.path.iter().enumerate() {
            step(&mut precise, compiled, &golden, &optimizer, t, &offsets);
            let found = precise.values(buffer::PARAMETERS, 0).expect("it is there");
            for ((name, &offset), expected) in golden.names.iter().zip(&offsets).zip(expected) {
                let found = &found[offset..offset + expected.len()];
                let name = format!("{name}, step {t}");
                near(
                    &name,
                    found,
                    expected,
                    CONSTANTS,
                    "the CPU in f64",
                    &program,
                );
            }
        }
        let others = precise.values(buffer::PARAMETERS, 1).expect("it is there");
        let others = others.to_vec();
        for mut backend in singles() {
            let compiled = begin(&mut *backend, &program, &golden, case, &offsets);
            let device = backend.device();
            for (t, expected) in case.path.iter().enumerate() {
                step(&mut *backend, compiled, &golden, &optimizer, t, &offsets);
                for ((name, &offset), expected) in golden.names.iter().zip(&offsets).zip(expected) {
                    let name = format!("{name}, step {t}");
                    let found = read(&mut *backend, 0, offset, expected.len());
                    near(&name, &found, expected, SINGLE, &device, &program);
                }
            }
            let found = read(&mut *backend, 1, 0, others.len());
            near(
                "the second member",
                &found,
                &others,
                SINGLE,
                &device,
                &program,
            );
        }
    }
}

fn read(backend: &mut dyn Backend, member: usize, offset: usize, len: usize) -> Vec<f64> {
    let values = backend.read(buffer::PARAMETERS, member, offset, len);
    let values = values.expect("it is there").into_iter();
    values.map(f64::from).collect()
}

fn begin(
    backend: &mut dyn Backend,
    program: &Program,
    golden: &Golden,
    case: &Case,
    offsets: &[usize],
) -> ProgramId {
    let compiled = backend.compile(program).expect("it compiles");
    for member in 0..MEMBERS {
        let hyper = Hyper {
            learning_rate: golden.rate / (1 + member) as f32,
            weight_decay: case.weight_decay,
            momentum: case.momentum,
            ..Hyper::default()
        };
        let hyper: [f32; Hyper::WIDTH] = bytemuck::cast(hyper);
        backend
            .write(buffer::HYPER, member, 0, Data::F32(&hyper))
            .expect("it fits");
        for (&offset, values) in offsets.iter().zip(&golden.initial) {
            backend
                .write(buffer::PARAMETERS, member, offset, Data::F32(values))
                .expect("it fits");
        }
    }
    compiled
}

/// Step `t`, the first being 0, by its own gradients.
fn step(
    backend: &mut dyn Backend,
    compiled: ProgramId,
    golden: &Golden,
    by: &Optimizer,
    t: usize,
    offsets: &[usize],
) {
    for member in 0..MEMBERS {
        for (&offset, values) in offsets.iter().zip(&golden.gradients[t]) {
            backend
                .write(buffer::GRADIENTS, member, offset, Data::F32(values))
                .expect("it fits");
        }
    }
    let [correction1, correction2, correction3] = by.corrections(t as u64 + 1);
    let step = Step {
        rows: 1,
        rate: 1.0,
        correction1,
        correction2,
        correction3,
        ..Step::default()
    };
    run_all(backend, compiled, &[step]).expect("it runs");
}
