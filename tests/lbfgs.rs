//! Training by L-BFGS, on the CPU and on the adapter.

use std::ops::ControlFlow;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::backend::{Backend, Limits};
use gpu_mlp::data::{Matrix, ReadOptions, TargetEncoding, load};
use gpu_mlp::forward;
use gpu_mlp::model::{Activation, Initializer, Network, Weights, initialize};
use gpu_mlp::program::{
    Answer, Augmentation, Hyper, Loss, LossFunction, Optimizer, Precision, Reduction,
};
use gpu_mlp::train::{
    End, Event, Judge, Lbfgs, Member, Monitor, Options, Outcome, Parts, Rows, Sampling, Schedule,
    TrainError, Trained, train, train_judged,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    digits: Expected,
}

/// What scikit-learn comes to.
#[derive(Deserialize)]
struct Expected {
    rows: u32,
    decay: f32,
    iterations: usize,
    loss: f64,
}

fn golden() -> Expected {
    let text = include_str!("data/lbfgs.json");
    serde_json::from_str::<Golden>(text)
        .expect("it is valid")
        .digits
}

/// As tests/data/lbfgs.py has them.
fn weights() -> Weights {
    let sizes = [12 * 64, 12, 10 * 12, 10].into_iter().zip(0_usize..);
    let values = |(size, seed): (usize, usize)| {
        let whole = |i: usize| (i * 7919 + seed * 104_729 + i * i * 31) % 127;
        (0..size)
            .map(|i| (whole(i) as f32 - 63.0) / 128.0)
            .collect()
    };
    Weights(sizes.map(values).collect())
}

struct Digits {
    inputs: Matrix,
    targets: Matrix,
    network: Network,
    train: Vec<u32>,
    validation: Vec<u32>,
}

impl Digits {
    fn new(rows: u32) -> Self {
        let table = load("digits", &ReadOptions::default())
            .expect("it is built in")
            .train;
        let encoding = TargetEncoding::fit(&table, None).expect("digits are classes");
        let targets = encoding.apply(&table).expect("all labels are known");
        let scaled = gpu_mlp::data::Preprocessing::fit(
            &table,
            &(0..1797).collect::<Vec<_>>(),
            gpu_mlp::data::PreprocessMode::MinMax,
        );
        let inputs = scaled.expect("images").0.apply(&table);
        Digits {
            inputs: inputs.expect("the same images"),
            targets,
            network: Network::new(64, &[12], Activation::Tanh, 10, Activation::Identity),
            train: (0..rows).collect(),
            validation: Vec::new(),
        }
    }

    fn member(&self, weights: Weights, decay: f32) -> Member {
        self.network.check(&weights).expect("they fit");
        Member {
            weights,
            hyper: Hyper {
                learning_rate: 1.0,
                weight_decay: decay,
                ..Hyper::default()
            },
            seed: 1,
        }
    }

    fn rows<'a>(&'a self, parts: &'a [Parts<'a>]) -> Rows<'a> {
        Rows {
            inputs: &self.inputs,
            targets: &self.targets,
            parts,
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            train: &self.train,
            validation: &self.validation,
            test: &[],
        }
    }

    fn train(
        &self,
        backend: &mut dyn Backend,
        members: &[Member],
        options: &Options,
    ) -> Result<Outcome, TrainError> {
        let parts = [self.parts()];
        train(
            backend,
            &self.network,
            members,
            self.rows(&parts),
            options,
            &mut |_| ControlFlow::Continue(()),
        )
    }
}

fn options(iterations: usize, tolerance: f64) -> Options {
    Options {
        loss: Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean),
        optimizer: Optimizer::SGD,
        batch_size: None,
        accumulate: 1,
        monitor: Monitor::Loss,
        epochs: iterations,
        max_steps: None,
        patience: None,
        shuffle: true,
        sampling: Sampling::Each,
        augmentation: Augmentation::default(),
        precision: Precision::F32,
        schedule: Schedule::default(),
        lbfgs: Some(Lbfgs { tolerance }),
    }
}

fn cpu() -> CpuBackend<f32> {
    CpuBackend::new()
}

fn gpu() -> GpuBackend {
    GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh")
}

/// With the penalty λ/2·‖W‖².
fn whole_loss(member: &Trained, decay: f32) -> f64 {
    let matrices = member.weights.0.iter().step_by(2).flatten();
    let squares: f64 = matrices.map(|&w| f64::from(w) * f64::from(w)).sum();
    member.scores[0].expect("there are such rows").loss + 0.5 * f64::from(decay) * squares
}

#[test]
fn it_comes_as_far_down_as_scikit_learn() {
    let golden = golden();
    let digits = Digits::new(golden.rows);
    let members = [digits.member(weights(), golden.decay)];
    let chosen = options(golden.iterations, Lbfgs::TOLERANCE);
    for backend in [&mut cpu() as &mut dyn Backend, &mut gpu()] {
        let outcome = digits.train(backend, &members, &chosen).expect("it trains");
        let member = &outcome.members[0];
        let loss = whole_loss(member, golden.decay);
        assert!(
            loss < golden.loss * 1.01,
            "{loss} instead of {} on {}",
            golden.loss,
            backend.device()
        );
        // Each iteration ends lower, the penalty counted; the loss alone may rise by little.
        assert_eq!(member.history.len() as u64, outcome.steps);
        let losses: Vec<f64> = member
            .history
            .iter()
            .map(|epoch| epoch.train.loss)
            .collect();
        assert!(losses[20] < 0.5 * losses[0] && losses[100] < losses[20]);
    }
}

#[test]
fn members_go_each_their_own_way_and_end_where_they_have_converged() {
    let digits = Digits::new(60);
    let starts = [1, 2, 3].map(|seed| initialize(&digits.network, Initializer::Auto, seed));
    let members: Vec<_> = starts
        .into_iter()
        .zip([0.05, 0.1, 0.2])
        .map(|(start, decay)| digits.member(start, decay))
        .collect();
    let chosen = options(500, 1e-4);
    for gpu_too in [false, true] {
        let run = |members: &[Member]| {
            let mut backend: Box<dyn Backend> = if gpu_too {
                Box::new(gpu())
            } else {
                Box::new(cpu())
            };
            digits
                .train(&mut *backend, members, &chosen)
                .expect("it trains")
        };
        let pack = run(&members);
        assert_eq!(pack.end, End::Converged);
        let lengths: Vec<_> = pack.members.iter().map(|one| one.history.len()).collect();
        assert!(lengths.iter().all(|&length| length < 500), "{lengths:?}");
        assert!(lengths.iter().any(|&length| length != lengths[0]));
        for (found, member) in pack.members.iter().zip(&members) {
            assert_eq!(*found, run(std::slice::from_ref(member)).members[0]);
        }
    }
    // Where it has come to there is nothing left to do.
    let arrived = digits.train(&mut cpu(), &members, &chosen);
    let arrived = arrived.expect("it trains").members.into_iter();
    let again: Vec<_> = arrived
        .zip([0.05, 0.1, 0.2])
        .map(|(member, decay)| digits.member(member.weights, decay))
        .collect();
    let loose = options(500, 2e-2);
    let outcome = digits.train(&mut cpu(), &again, &loose).expect("it trains");
    assert_eq!((outcome.end, outcome.epochs()), (End::Converged, 0));
    assert_eq!(outcome.members[0].weights, again[0].weights);
}

/// A CPU that takes few rows at a time.
struct Narrow(CpuBackend<f32>);

impl Backend for Narrow {
    forward!(0: device, compile, run, write, read);

    fn limits(&self) -> Limits {
        Limits {
            tensor: usize::MAX,
            rows: 50,
        }
    }
}

#[test]
fn micro_batches_change_an_iteration_by_rounding_alone() {
    let digits = Digits::new(220);
    let members = [digits.member(weights(), 0.01)];
    let chosen = options(8, Lbfgs::TOLERANCE);
    let whole = digits.train(&mut cpu(), &members, &chosen);
    let cut = digits.train(&mut Narrow(cpu()), &members, &chosen);
    let (whole, cut) = (whole.expect("it trains"), cut.expect("it trains"));
    let epochs = whole.members[0].history.iter();
    for (whole, cut) in epochs.zip(&cut.members[0].history) {
        let (whole, cut) = (whole.train.loss, cut.train.loss);
        assert!((whole / cut - 1.0).abs() < 1e-3, "{whole} {cut}");
    }
}

#[test]
fn patience_keeps_the_best_weights_and_a_stop_the_best_so_far() {
    let mut digits = Digits::new(100);
    digits.validation = (1000..1400).collect();
    let members =
        [1, 2].map(|seed| digits.member(initialize(&digits.network, Initializer::Auto, seed), 0.0));
    let chosen = Options {
        patience: Some(4),
        ..options(400, Lbfgs::TOLERANCE)
    };
    let outcome = digits
        .train(&mut cpu(), &members, &chosen)
        .expect("it trains");
    assert_eq!(outcome.end, End::Patience);
    for member in &outcome.members {
        let losses = member.history.iter();
        let losses: Vec<f64> = losses
            .filter_map(|epoch| epoch.validation)
            .map(|scores| scores.loss)
            .collect();
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(losses[losses.len() - 5], best, "{losses:?}");
        let kept = member.scores[1].expect("there are such rows").loss;
        assert!((kept - best).abs() < 1e-6, "{kept} {best}");
    }

    // What is counted of answers is watched too.
    let parts = [digits.parts()];
    let judge = Judge {
        answer: Answer::Softmax,
        moments: &[],
        wanted: &digits.targets,
    };
    let mut evaluations = 0;
    let mut stop = |event: Event<'_>| match event {
        Event::Steps { done, .. } if done > 5 => {
            evaluations += 1;
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    };
    let outcome = train_judged(
        &mut cpu(),
        &digits.network,
        &members,
        digits.rows(&parts),
        &Options {
            monitor: Monitor::LogLoss,
            ..chosen
        },
        Some(judge),
        &mut stop,
    );
    let outcome = outcome.expect("it trains");
    assert_eq!((outcome.end, evaluations), (End::Stopped, 1));
    for member in outcome.members {
        assert_eq!(member.history.len(), 6);
        let best = member.history.iter();
        let best = best
            .filter_map(|epoch| epoch.judged)
            .fold(f64::INFINITY, f64::min);
        let kept = member.scores[1].expect("there are such rows").loss;
        assert!((kept - best).abs() < 1e-5, "{kept} {best}");
    }
}

#[test]
fn a_start_without_a_loss_is_told() {
    let digits = Digits::new(50);
    let mut start = weights();
    start.0[0][0] = f32::MAX;
    start.0[2][0] = f32::MAX;
    start.0[2][1] = f32::MAX;
    let chosen = options(5, Lbfgs::TOLERANCE);
    let outcome = digits.train(&mut cpu(), &[digits.member(start, 1.0)], &chosen);
    let Err(TrainError::Diverged { epoch: 1, .. }) = outcome else {
        panic!("{outcome:?}");
    };
}
