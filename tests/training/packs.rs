use std::ops::ControlFlow;

use gpu_mlp::backend::Backend;
use gpu_mlp::model::{Activation, Dropout, Initializer, Network, Normalization, initialize};
use gpu_mlp::program::{
    Augmentation, Hyper, Loss, LossFunction, Optimizer, Precision, Reduction, Rule,
};
use gpu_mlp::train::{
    Curve, End, Member, Monitor, Options, Parts, Rows, Sampling, Schedule, train,
};

use super::{Digits, Narrow, cpu, gpu};

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
        precision: Precision::F32,
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
