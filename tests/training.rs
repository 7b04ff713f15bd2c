//! Networks trained on real data, on the CPU and on the adapter.

use std::ops::ControlFlow;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::backend::{Backend, BackendError, Data, Limits, ProgramId};
use gpu_mlp::data::{Matrix, PreprocessMode, Preprocessing, ReadOptions, TargetEncoding, load};
use gpu_mlp::model::{
    Activation, Dropout, Embeddings, Initializer, Lookup, Network, Normalization, Weights,
    initialize,
};
use gpu_mlp::predictor::{Averages, average_precision, logits, most_probable, roc_auc};
use gpu_mlp::program::{
    Answer, Augmentation, Hyper, Loss, LossFunction, Optimizer, Program, Reduction, Rule, Step,
};
use gpu_mlp::train::{
    Curve, End, Event, Judge, Member, Monitor, Options, Outcome, Parts, Rows, Sampling, Schedule,
    Scores, Split, TrainError, split, train, train_judged,
};

struct Digits {
    inputs: Matrix,
    targets: Matrix,
    split: Split,
    dropout: Dropout,
    normalization: Normalization,
}

impl Digits {
    fn new(validation: f64) -> Self {
        let table = load("digits", &ReadOptions::default())
            .expect("it is built in")
            .train;
        let encoding = TargetEncoding::fit(&table, None).expect("digits are classes");
        let targets = encoding.apply(&table).expect("all labels are known");
        let classes: Vec<u32> = targets.values.iter().map(|&class| class as u32).collect();
        let split = split(&classes, validation, 0.2, 1);
        let fitted = Preprocessing::fit(&table, &split.train, PreprocessMode::Auto);
        let inputs = fitted
            .expect("images")
            .0
            .apply(&table)
            .expect("the same images");
        Digits {
            inputs,
            targets,
            split,
            dropout: Dropout::None,
            normalization: Normalization::None,
        }
    }

    fn with(mut self, dropout: Dropout) -> Self {
        self.dropout = dropout;
        self
    }

    fn normalized(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            train: &self.split.train,
            validation: &self.split.validation,
            test: &self.split.test,
        }
    }

    fn train(
        &self,
        backend: &mut dyn Backend,
        seeds: &[u64],
        learning_rate: f32,
        change: impl Fn(&mut Options),
    ) -> Result<Outcome, TrainError> {
        let network = Network {
            dropout: self.dropout,
            normalization: self.normalization,
            ..Network::new(64, &[64], Activation::Relu, 10, Activation::Identity)
        };
        let member = |&seed: &u64| Member {
            weights: initialize(&network, Initializer::Auto, seed),
            hyper: Hyper {
                learning_rate,
                momentum: 0.9,
                dropout: 0.2,
                ..Hyper::default()
            },
            seed,
        };
        let members: Vec<_> = seeds.iter().map(member).collect();
        let mut options = options();
        change(&mut options);
        let rows = Rows {
            inputs: &self.inputs,
            targets: &self.targets,
            parts: &[self.parts()],
        };
        train(backend, &network, &members, rows, &options, &mut |_| {
            ControlFlow::Continue(())
        })
    }
}

fn options() -> Options {
    Options {
        loss: Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean),
        optimizer: Optimizer::ADAM,
        batch_size: Some(32),
        accumulate: 1,
        monitor: Monitor::Loss,
        epochs: 20,
        max_steps: None,
        patience: None,
        shuffle: true,
        sampling: Sampling::Each,
        schedule: Schedule::default(),
        lbfgs: None,
        augmentation: Augmentation::default(),
    }
}

fn cpu() -> CpuBackend<f32> {
    CpuBackend::new()
}

fn gpu() -> GpuBackend {
    GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh")
}

/// A CPU that takes few rows at a time.
struct Narrow(CpuBackend<f32>);

impl Backend for Narrow {
    fn device(&self) -> String {
        self.0.device()
    }
    fn limits(&self) -> Limits {
        Limits {
            tensor: usize::MAX,
            rows: 50,
        }
    }
    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        assert!(
            program.batch <= 50,
            "a batch of {} on a device that takes 50",
            program.batch
        );
        self.0.compile(program)
    }
    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        self.0.run(program, steps)
    }
    fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        data: Data<'_>,
    ) -> Result<(), BackendError> {
        self.0.write(buffer, member, offset, data)
    }
    fn read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<f32>, BackendError> {
        self.0.read(buffer, member, offset, len)
    }
}

#[test]
fn digits_are_learned_on_either_device() {
    let digits = Digits::new(0.1);
    for backend in [&mut cpu() as &mut dyn Backend, &mut gpu()] {
        let outcome = digits
            .train(backend, &[1], 1e-3, |options| options.patience = Some(5))
            .expect("it trains");
        let [_, Some(validation), Some(test)] = outcome.members[0].scores else {
            panic!("all parts have rows");
        };
        assert!(test.accuracy > 0.95, "{test:?}");
        let history = &outcome.members[0].history;
        let losses = history
            .iter()
            .filter_map(|epoch| epoch.validation)
            .map(|scores| scores.loss);
        let best = losses.fold(f64::INFINITY, f64::min);
        assert_eq!(validation.loss, best, "the best weights are kept");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let digits = Digits::new(0.0).with(Dropout::Plain);
    let run = |backend: &mut dyn Backend| {
        digits
            .train(backend, &[1], 1e-3, |options| options.epochs = 2)
            .expect("it trains")
            .members
    };
    assert_eq!(run(&mut cpu()), run(&mut cpu()));
    assert_eq!(run(&mut gpu()), run(&mut gpu()));
}

#[test]
fn after_one_epoch_the_adapter_has_the_loss_of_the_cpu() {
    for dropout in [Dropout::None, Dropout::Plain, Dropout::Alpha] {
        let digits = Digits::new(0.1).with(dropout);
        let run = |backend: &mut dyn Backend| {
            let outcome = digits
                .train(backend, &[1], 1e-3, |options| options.epochs = 1)
                .expect("it trains");
            let epoch = outcome.members[0].history[0];
            [
                epoch.train.loss,
                epoch.validation.expect("there are such rows").loss,
            ]
        };
        for (gpu, cpu) in run(&mut gpu()).into_iter().zip(run(&mut cpu())) {
            assert!(
                (gpu / cpu - 1.0).abs() < 1e-4,
                "{gpu} on the adapter, {cpu} on the CPU with {dropout} dropout"
            );
        }
    }
}

#[test]
fn a_pack_trains_each_member_as_it_trains_alone() {
    for normalization in [Normalization::None, Normalization::Batch] {
        let digits = Digits::new(0.1)
            .with(Dropout::Alpha)
            .normalized(normalization);
        let run = |gpu_too: bool, seeds: &[u64]| {
            let mut backend: Box<dyn Backend> = if gpu_too {
                Box::new(gpu())
            } else {
                Box::new(cpu())
            };
            let few = |options: &mut Options| options.epochs = 2;
            let outcome = digits.train(&mut *backend, seeds, 1e-3, few);
            outcome.expect("it trains").members
        };
        for gpu_too in [false, true] {
            let pack = run(gpu_too, &[1, 2, 3]);
            for (member, seed) in pack.into_iter().zip([1, 2, 3]) {
                assert_eq!(member, run(gpu_too, &[seed])[0]);
            }
        }
    }
}

#[test]
fn normalized_networks_learn_and_the_devices_agree() {
    for normalization in [Normalization::Batch, Normalization::Layer] {
        let digits = Digits::new(0.1).normalized(normalization);
        let run = |backend: &mut dyn Backend| {
            let outcome = digits.train(backend, &[1], 3e-3, |options| options.epochs = 3);
            let scores = outcome.expect("it trains").members[0].scores;
            scores[2].expect("there are such rows")
        };
        let (found, expected) = (run(&mut gpu()), run(&mut cpu()));
        assert!(expected.accuracy > 0.93, "{normalization}: {expected:?}");
        assert!(
            (found.loss / expected.loss - 1.0).abs() < 1e-3,
            "{normalization}: {found:?} on the adapter, {expected:?} on the CPU"
        );
    }
}

#[test]
fn micro_batches_change_a_step_by_rounding_alone() {
    let digits = Digits::new(0.0)
        .with(Dropout::Plain)
        .normalized(Normalization::Layer);
    let full = |options: &mut Options| {
        options.batch_size = None;
        options.epochs = 3;
    };
    let whole = digits
        .train(&mut cpu(), &[1], 1e-3, full)
        .expect("it trains");
    let cut = digits
        .train(&mut Narrow(cpu()), &[1], 1e-3, full)
        .expect("it trains");
    let accumulated = digits
        .train(&mut cpu(), &[1], 1e-3, |options| {
            full(options);
            options.batch_size = Some(60);
            options.accumulate = 1000;
        })
        .expect("it trains");
    assert_eq!((whole.steps, whole.steps), (cut.steps, accumulated.steps));
    let pieces = cut.members[0]
        .history
        .iter()
        .zip(&accumulated.members[0].history);
    for (cut, accumulated) in pieces {
        assert!((cut.train.loss / accumulated.train.loss - 1.0).abs() < 1e-5);
    }
    for (whole, cut) in whole.members[0].history.iter().zip(&cut.members[0].history) {
        let (whole, cut) = (whole.train.loss, cut.train.loss);
        assert!(
            (whole / cut - 1.0).abs() < 1e-5,
            "{whole} in one, {cut} in pieces"
        );
    }
}

#[test]
fn the_order_of_a_batchs_rows_changes_a_step_by_rounding_alone() {
    let digits = Digits::new(0.0);
    for gpu_too in [false, true] {
        let run = |shuffle| {
            let mut backend: Box<dyn Backend> = if gpu_too {
                Box::new(gpu())
            } else {
                Box::new(cpu())
            };
            let outcome = digits.train(&mut *backend, &[1], 1e-3, |options| {
                options.batch_size = None;
                options.epochs = 3;
                options.shuffle = shuffle;
            });
            outcome.expect("it trains").members.remove(0)
        };
        let (ordered, shuffled) = (run(false), run(true));
        assert_ne!(ordered.weights, shuffled.weights);
        for (one, other) in ordered.history.iter().zip(&shuffled.history) {
            let (one, other) = (one.train.loss, other.train.loss);
            assert!((one / other - 1.0).abs() < 1e-5, "{one} {other}");
        }
    }
}

#[test]
fn steps_can_be_limited_and_a_run_stopped() {
    let digits = Digits::new(0.1);
    let outcome = digits
        .train(&mut cpu(), &[1], 1e-3, |options| {
            options.max_steps = Some(50);
        })
        .expect("it trains");
    assert_eq!(
        (outcome.steps, outcome.end, outcome.members[0].history.len()),
        (50, End::Done, 2)
    );

    let network = Network::new(64, &[], Activation::Relu, 10, Activation::Identity);
    let members = [Member {
        weights: initialize(&network, Initializer::Auto, 1),
        hyper: Hyper::default(),
        seed: 1,
    }];
    let rows = Rows {
        inputs: &digits.inputs,
        targets: &digits.targets,
        parts: &[Parts {
            validation: &[],
            test: &[],
            ..digits.parts()
        }],
    };
    let options = Options {
        loss: Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean),
        optimizer: Optimizer::SGD,
        batch_size: Some(1),
        accumulate: 1,
        monitor: Monitor::Loss,
        epochs: 1000,
        max_steps: None,
        patience: None,
        shuffle: true,
        sampling: Sampling::Each,
        schedule: Schedule::default(),
        lbfgs: None,
        augmentation: Augmentation::default(),
    };
    let mut stop = |event: Event<'_>| match event {
        Event::Steps { done, .. } if done > 100 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let outcome =
        train(&mut cpu(), &network, &members, rows, &options, &mut stop).expect("it trains");
    assert_eq!(outcome.end, End::Stopped);
    assert!(outcome.steps > 100 && outcome.steps < 1_000_000);
}

#[test]
fn a_row_that_is_none_of_the_table_is_refused() {
    let digits = Digits::new(0.0);
    let lookup = Lookup {
        rows: vec![10],
        width: 2,
    };
    // The last pixel of an image is from 0 to 16, once it is as it was.
    let network = Network {
        embeddings: Embeddings {
            lookup: Some(lookup),
            ..Embeddings::default()
        },
        ..Network::new(64, &[], Activation::Relu, 10, Activation::Identity)
    };
    let member = Member {
        weights: initialize(&network, Initializer::Auto, 1),
        hyper: Hyper::default(),
        seed: 1,
    };
    let rows = Rows {
        inputs: &digits.inputs,
        targets: &digits.targets,
        parts: &[digits.parts()],
    };
    let refused = train(
        &mut cpu(),
        &network,
        &[member],
        rows,
        &options(),
        &mut |_| ControlFlow::Continue(()),
    );
    let error = refused.expect_err("a pixel is no row").to_string();
    assert!(error.contains("no row of the embedding's table"), "{error}");
}

#[test]
fn a_diverging_loss_ends_the_run_and_leaves_the_last_good_weights() {
    let digits = Digits::new(0.1);
    let error = digits
        .train(&mut cpu(), &[1], 1e30, |_| {})
        .expect_err("nothing learns at this rate");
    let TrainError::Diverged { loss, .. } = error else {
        panic!("{error}");
    };
    assert!(!loss.is_finite());
}

#[test]
fn data_that_does_not_fit_the_network_is_refused() {
    let mut digits = Digits::new(0.1);
    digits.split.train.push(1797);
    let error = digits
        .train(&mut cpu(), &[1], 1e-3, |_| {})
        .expect_err("there is no such row");
    assert!(error.to_string().contains("row 1797 of 1797"), "{error}");
    digits.inputs.columns = 32;
    let error = digits
        .train(&mut cpu(), &[1], 1e-3, |_| {})
        .expect_err("the inputs are narrower");
    assert!(error.to_string().contains("32 inputs"), "{error}");
}

#[test]
fn members_train_on_rows_of_their_own() {
    let digits = Digits::new(0.1);
    let [first, second] = [0, 1].map(|half| {
        let rows = digits.split.train.iter().copied();
        rows.filter(|row| row % 2 == half).collect::<Vec<_>>()
    });
    let least = first.len().min(second.len());
    let network = Network::new(64, &[16], Activation::Relu, 10, Activation::Identity);
    let members = [1, 2].map(|seed| Member {
        weights: initialize(&network, Initializer::Auto, seed),
        hyper: Hyper {
            learning_rate: 1e-3,
            ..Hyper::default()
        },
        seed,
    });
    let options = Options {
        loss: Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean),
        optimizer: Optimizer::ADAM,
        batch_size: Some(32),
        accumulate: 1,
        monitor: Monitor::Loss,
        epochs: 3,
        max_steps: None,
        patience: None,
        shuffle: true,
        sampling: Sampling::Each,
        schedule: Schedule::default(),
        lbfgs: None,
        augmentation: Augmentation::default(),
    };
    let run = |backend: &mut dyn Backend, members: &[Member], trained: &[&[u32]]| {
        let parts: Vec<_> = trained
            .iter()
            .map(|&train| Parts {
                train,
                ..digits.parts()
            })
            .collect();
        let rows = Rows {
            inputs: &digits.inputs,
            targets: &digits.targets,
            parts: &parts,
        };
        let outcome = train(backend, &network, members, rows, &options, &mut |_| {
            ControlFlow::Continue(())
        });
        outcome.expect("it trains").members
    };
    // Those of as many rows as the shorter list has are trained as if they were alone.
    let halves = [&first[..least], &second[..least]];
    for gpu_too in [false, true] {
        let open = || -> Box<dyn Backend> {
            if gpu_too {
                Box::new(gpu())
            } else {
                Box::new(cpu())
            }
        };
        let pack = run(&mut *open(), &members, &halves);
        for (index, member) in members.iter().enumerate() {
            let alone = run(
                &mut *open(),
                std::slice::from_ref(member),
                &halves[index..=index],
            );
            assert_eq!(pack[index], alone[0]);
        }
    }
    // A row more than the other has is left out of each epoch.
    let uneven = run(
        &mut cpu(),
        &members,
        &[&first[..least], &second[..least - 1]],
    );
    assert!(uneven.iter().all(|member| member.history.len() == 3));
}

#[test]
fn the_running_mean_of_the_weights_is_what_is_evaluated_and_kept() {
    let digits = Digits::new(0.1);
    let run = |average| {
        let outcome = digits.train(&mut cpu(), &[1], 1e-2, |options| {
            options.epochs = 4;
            options.optimizer.average = average;
        });
        outcome.expect("it trains").members.remove(0)
    };
    let (plain, averaged) = (run(None), run(Some(0.99)));
    // Training itself is the same.
    for (plain, averaged) in plain.history.iter().zip(&averaged.history) {
        assert_eq!(plain.train, averaged.train);
        assert_ne!(plain.validation, averaged.validation);
    }
    assert_ne!(plain.weights, averaged.weights);
    // A mean of nothing but the last weights is the last weights.
    assert_eq!(run(Some(0.0)).weights, plain.weights);
}

#[test]
fn muon_trains_packs_and_in_micro_batches() {
    let digits = Digits::new(0.1);
    let muon = |options: &mut Options| {
        options.epochs = 3;
        options.optimizer = Optimizer {
            clip_norm: Some(1.0),
            average: Some(0.9),
            ..Optimizer::new(Rule::Muon)
        };
    };
    for gpu_too in [false, true] {
        let run = |seeds: &[u64]| {
            let mut backend: Box<dyn Backend> = if gpu_too {
                Box::new(gpu())
            } else {
                Box::new(cpu())
            };
            let outcome = digits.train(&mut *backend, seeds, 2e-2, muon);
            outcome.expect("it trains").members
        };
        let pack = run(&[1, 2]);
        for (member, seed) in pack.iter().zip([1, 2]) {
            let test = member.scores[2].expect("there are such rows");
            assert!(test.accuracy > 0.9, "{test:?}");
            assert_eq!(*member, run(&[seed])[0]);
        }
    }
    let whole = |backend: &mut dyn Backend, accumulate| {
        let outcome = digits.train(backend, &[1], 2e-2, |options| {
            muon(options);
            options.batch_size = Some(400 / accumulate);
            options.accumulate = accumulate;
        });
        outcome.expect("it trains").members.remove(0).history
    };
    let (one, cut) = (whole(&mut cpu(), 1), whole(&mut Narrow(cpu()), 1));
    let accumulated = whole(&mut cpu(), 4);
    for ((one, cut), accumulated) in one.iter().zip(&cut).zip(&accumulated) {
        for other in [cut, accumulated] {
            let (one, other) = (one.train.loss, other.train.loss);
            assert!((one / other - 1.0).abs() < 1e-4, "{one} {other}");
        }
    }
}

#[test]
fn no_units_weights_are_longer_than_the_max_norm() {
    let digits = Digits::new(0.1);
    for backend in [&mut cpu() as &mut dyn Backend, &mut gpu()] {
        let outcome = digits.train(backend, &[1, 2], 1e-2, |options| {
            options.epochs = 2;
            options.optimizer.max_norm = Some(0.75);
        });
        let mut at_the_limit = 0;
        for member in outcome.expect("it trains").members {
            for (matrix, columns) in [(0, 64), (2, 64)] {
                for row in member.weights.0[matrix].chunks(columns) {
                    let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
                    assert!(norm < 0.75 * (1.0 + 1e-5), "{norm}");
                    at_the_limit += usize::from(norm > 0.75 * (1.0 - 1e-5));
                }
            }
        }
        assert!(at_the_limit > 50, "{at_the_limit}");
    }
}

#[test]
fn each_member_stops_and_slows_down_for_itself() {
    let digits = Digits::new(0.1);
    let plateau = Schedule {
        curve: Curve::Plateau {
            factor: 0.5,
            patience: 0,
        },
        ..Schedule::default()
    };
    for schedule in [Schedule::default(), plateau] {
        let run = |seeds: &[u64]| {
            let outcome = digits.train(&mut cpu(), seeds, 1e-2, |options| {
                options.epochs = 60;
                options.patience = Some(2);
                options.schedule = schedule;
            });
            outcome.expect("it trains")
        };
        let pack = run(&[1, 2, 3, 4]);
        let epochs: Vec<_> = pack.members.iter().map(|one| one.history.len()).collect();
        assert!(epochs.iter().any(|&one| one != epochs[0]), "{epochs:?}");
        assert_eq!(
            (pack.end, pack.epochs()),
            (End::Patience, *epochs.iter().max().expect("four"))
        );
        for (member, seed) in pack.members.iter().zip([1, 2, 3, 4]) {
            assert_eq!(*member, run(&[seed]).members[0]);
        }
    }
}

/// Of each row's score and whether the row is positive.
type Ranked = fn(&[f32], &dyn Fn(usize) -> bool) -> Option<f64>;

/// What is monitored of logits, by another way than the device's counts.
fn judged(monitor: Monitor, logits: &Matrix, targets: &[usize]) -> f64 {
    let rows = targets.iter().enumerate();
    let mut confusion = vec![vec![0; 10]; 10];
    for (row, &target) in rows.clone() {
        confusion[target][most_probable(logits.row(row))] += 1;
    }
    let averages = Averages::new(&confusion);
    let softmax = |row: usize| {
        let total: f64 = logits.row(row).iter().map(|&z| f64::from(z).exp()).sum();
        let powers = logits.row(row).iter().map(|&z| f64::from(z).exp());
        powers.map(|power| power / total).collect::<Vec<_>>()
    };
    let mean_over_classes = |score: Ranked| {
        let of = |class: usize| {
            let scores: Vec<f32> = rows
                .clone()
                .map(|(row, _)| softmax(row)[class] as f32)
                .collect();
            score(&scores, &|row| targets[row] == class).expect("there are such rows")
        };
        (0..10).map(of).sum::<f64>() / 10.0
    };
    match monitor {
        Monitor::BalancedAccuracy => averages.balanced_accuracy,
        Monitor::F1 => averages.plain.f1,
        Monitor::Matthews => averages.matthews,
        Monitor::RocAuc => mean_over_classes(roc_auc),
        Monitor::AveragePrecision => mean_over_classes(average_precision),
        _ => {
            let losses = rows.map(|(row, &target)| -softmax(row)[target].ln());
            losses.sum::<f64>() / targets.len() as f64
        }
    }
}

#[test]
fn what_is_monitored_of_answers_is_counted_on_the_device() {
    let digits = Digits::new(0.2);
    let network = Network::new(64, &[16], Activation::Relu, 10, Activation::Identity);
    let members = [1, 2].map(|seed| Member {
        weights: initialize(&network, Initializer::Auto, seed),
        hyper: Hyper {
            learning_rate: 3e-2,
            ..Hyper::default()
        },
        seed,
    });
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    let rows = Rows {
        inputs: &digits.inputs,
        targets: &digits.targets,
        parts: &[digits.parts()],
    };
    let judge = Judge {
        answer: Answer::Softmax,
        moments: &[],
        wanted: &digits.targets,
    };
    let validation = &digits.split.validation;
    let targets = validation.iter();
    let targets: Vec<usize> = targets
        .map(|&row| digits.targets.values[row as usize] as usize)
        .collect();
    for monitor in [
        Monitor::BalancedAccuracy,
        Monitor::F1,
        Monitor::Matthews,
        Monitor::LogLoss,
        Monitor::RocAuc,
        Monitor::AveragePrecision,
    ] {
        let options = Options {
            monitor,
            ..Options::plain(loss, Optimizer::ADAM, 64, 2)
        };
        for backend in [
            &mut cpu() as &mut dyn Backend,
            &mut gpu(),
            &mut Narrow(cpu()),
        ] {
            let outcome = train_judged(
                backend,
                &network,
                &members,
                rows,
                &options,
                Some(judge),
                &mut |_| ControlFlow::Continue(()),
            );
            let trained = outcome.expect("it trains").members;
            let weights: Vec<Weights> = trained.iter().map(|one| one.weights.clone()).collect();
            let parts = [&validation[..]; 2];
            let logits = logits(&mut cpu(), &network, &weights, &digits.inputs, &parts);
            for (member, logits) in trained.iter().zip(logits.expect("it answers")) {
                let expected = judged(monitor, &logits, &targets);
                let last = member.history.last().expect("there are epochs");
                let found = last.judged.expect("it is judged");
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{monitor}: {found} {expected}"
                );
            }
        }
    }
    // A value that there is none of ends the run.
    let zeros = validation.iter().copied();
    let zeros: Vec<u32> = zeros
        .filter(|&row| digits.targets.values[row as usize] != 3.0)
        .collect();
    let error = train_judged(
        &mut cpu(),
        &network,
        &members,
        Rows {
            parts: &[Parts {
                validation: &zeros,
                ..digits.parts()
            }],
            ..rows
        },
        &Options {
            monitor: Monitor::RocAuc,
            ..Options::plain(loss, Optimizer::ADAM, 64, 2)
        },
        Some(judge),
        &mut |_| ControlFlow::Continue(()),
    );
    let error = error.expect_err("it is not judged").to_string();
    assert!(
        error.contains("--monitor roc-auc") && error.contains("--validation"),
        "{error}"
    );
}

#[test]
fn what_is_monitored_decides_which_weights_are_kept() {
    let digits = Digits::new(0.2);
    let run = |monitor| {
        let outcome = digits.train(&mut cpu(), &[1], 3e-2, |options| {
            options.epochs = 30;
            options.patience = Some(30);
            options.monitor = monitor;
        });
        outcome.expect("it trains").members.remove(0)
    };
    for monitor in [Monitor::Loss, Monitor::Accuracy] {
        let member = run(monitor);
        let value = |scores: &Scores| match monitor {
            Monitor::Accuracy => -scores.accuracy,
            _ => scores.loss,
        };
        let epochs = member.history.iter().filter_map(|epoch| epoch.validation);
        let best = epochs
            .map(|scores| value(&scores))
            .fold(f64::INFINITY, f64::min);
        let kept = value(&member.scores[1].expect("there are such rows"));
        assert!((kept - best).abs() < 1e-6, "{monitor}: {kept} {best}");
    }
}
