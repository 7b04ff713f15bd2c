//! The classic teaching example against `NumPy`, whose figures `tests/data/xor.py` makes: XOR by a 2-2-1 network and
//! full-batch gradient descent, 30,000 iterations.

use std::ops::ControlFlow;

use gpu_mlp::backend::Backend;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::data::Matrix;
use gpu_mlp::model::{Activation, Network, Weights};
use gpu_mlp::program::{Augmentation, Hyper, Loss, LossFunction, Optimizer, Precision, Reduction};
use gpu_mlp::train::{Member, Monitor, Options, Parts, Rows, Sampling, Schedule, train};
use serde::Deserialize;

#[derive(Deserialize)]
struct Figures {
    every: usize,
    iterations: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    hidden: Activation,
    loss: LossFunction,
    initial: Initial,
    losses: Vec<f64>,
    outputs: Vec<f32>,
}

#[derive(Deserialize)]
struct Initial {
    #[serde(rename = "layers.0.weight")]
    weight0: Vec<f32>,
    #[serde(rename = "layers.0.bias")]
    bias0: Vec<f32>,
    #[serde(rename = "layers.1.weight")]
    weight1: Vec<f32>,
    #[serde(rename = "layers.1.bias")]
    bias1: Vec<f32>,
}

const INPUTS: [[f32; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];

/// The network's prediction for a row, by hand.
fn output(case: &Case, weights: &Weights, row: [f32; 2]) -> f32 {
    let sigmoid = |z: f32| 1.0 / (1.0 + (-z).exp());
    let [weight0, bias0, weight1, bias1] = &weights.0[..] else {
        panic!("two layers have four parameters");
    };
    let hidden = weight0.chunks(2).zip(bias0).map(|(w, b)| {
        let z = w[0] * row[0] + w[1] * row[1] + b;
        if case.hidden == Activation::Tanh {
            z.tanh()
        } else {
            sigmoid(z)
        }
    });
    sigmoid(hidden.zip(weight1).map(|(h, w)| h * w).sum::<f32>() + bias1[0])
}

fn agrees_with_numpy(make: impl Fn() -> Box<dyn Backend>) {
    let figures: Figures =
        serde_json::from_str(include_str!("data/xor.json")).expect("the figures");
    for case in figures.cases {
        let (reduction, output_activation) = match case.loss {
            LossFunction::Mse => (Reduction::HalfMean, Activation::Sigmoid),
            _ => (Reduction::Sum, Activation::Identity),
        };
        let network = Network::new(2, &[2], case.hidden, 1, output_activation);
        let Initial {
            weight0,
            bias0,
            weight1,
            bias1,
        } = &case.initial;
        let member = Member {
            weights: Weights([weight0, bias0, weight1, bias1].map(Vec::clone).to_vec()),
            hyper: Hyper {
                learning_rate: 0.01,
                ..Hyper::default()
            },
            seed: 1,
        };
        let options = Options {
            loss: Loss::new(case.loss, reduction),
            optimizer: Optimizer::SGD,
            batch_size: None,
            accumulate: 1,
            monitor: Monitor::Loss,
            epochs: figures.iterations,
            max_steps: None,
            patience: None,
            shuffle: false,
            sampling: Sampling::Each,
            schedule: Schedule::default(),
            lbfgs: None,
            augmentation: Augmentation::default(),
            precision: Precision::F32,
        };
        let rows = Rows {
            inputs: &Matrix {
                rows: 4,
                columns: 2,
                values: INPUTS.concat(),
            },
            targets: &Matrix {
                rows: 4,
                columns: 1,
                values: vec![0.0, 1.0, 1.0, 0.0],
            },
            parts: &[Parts {
                train: &[0, 1, 2, 3],
                validation: &[],
                test: &[],
            }],
        };
        let go_on = &mut |_: gpu_mlp::train::Event<'_>| ControlFlow::Continue(());
        let outcome =
            train(&mut *make(), &network, &[member], rows, &options, go_on).expect("it trains");
        let trained = &outcome.members[0];
        let name = format!("{} {}", case.hidden, case.loss);
        for (epoch, loss) in trained
            .history
            .iter()
            .step_by(figures.every)
            .zip(&case.losses)
        {
            let found = epoch.train.loss;
            assert!(
                (found / loss - 1.0).abs() < 1e-3,
                "{name}: {found} instead of {loss} in {}",
                epoch.number
            );
        }
        for (row, expected) in INPUTS.into_iter().zip(&case.outputs) {
            let found = output(&case, &trained.weights, row);
            assert!(
                (found - expected).abs() < 1e-3,
                "{name}: {found} instead of {expected} for {row:?}"
            );
        }
    }
}

#[test]
fn on_the_cpu() {
    agrees_with_numpy(|| Box::new(CpuBackend::<f32>::new()));
}

#[test]
fn on_the_adapter() {
    agrees_with_numpy(|| {
        let gpu = GpuBackend::open(&AdapterChoice::Best);
        Box::new(gpu.expect("a Vulkan adapter: see scripts/test.sh"))
    });
}
