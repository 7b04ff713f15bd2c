//! Runs on workers that fail.

mod drawn;
mod faulty;
mod hangs;
mod joined;
mod leases;
mod lives;
mod networks;
mod overlap;
mod reopening;
mod scaled;
mod status;
mod suspects;
mod watched;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::Rng;

use self::faulty::{Fault, Faulty, LIMIT, spec};
use super::*;
use crate::backend::Backend;
use crate::backend::cpu::CpuBackend;
use crate::data::Matrix;
use crate::elastic::link::Start;
use crate::model::{Activation, Dropout, Initializer, Network, initialize};
use crate::program::{Hyper, Loss, LossFunction, Optimizer, Reduction};
use crate::random::{Purpose, Stream};
use crate::train::{
    Event, Guard, Interval, Member, Options, Outcome, Parts, Rows, Snapshot, Spare, TrainError,
    Training, train, train_guarded,
};

/// A small run that has all that depends on rows, steps and shards: dropout, shuffling, validation, a short last batch, a pack.
fn run(pool: &mut dyn Backend) -> Result<Outcome, TrainError> {
    run_of(pool, &network())
}

/// The same of another network.
fn run_of(pool: &mut dyn Backend, network: &Network) -> Result<Outcome, TrainError> {
    let mut watch = |_: Event<'_>| ControlFlow::Continue(());
    with_network(network, |training| {
        let Training {
            network,
            members,
            rows,
            options,
            ..
        } = training;
        train(pool, network, members, rows, options, &mut watch)
    })
}

fn network() -> Network {
    Network {
        dropout: Dropout::Plain,
        ..Network::new(5, &[8, 6], Activation::Relu, 3, Activation::Identity)
    }
}

/// Hands out what decides that run.
fn with<R>(make: impl FnOnce(Training<'_>) -> R) -> R {
    with_network(&network(), make)
}

fn with_network<R>(network: &Network, make: impl FnOnce(Training<'_>) -> R) -> R {
    let mut stream = Stream::new(1, Purpose::Check, 0);
    let mut draw = || (stream.next_u32() >> 8) as f32 / 16_777_216.0 - 0.5;
    let inputs = Matrix {
        rows: 70,
        columns: 5,
        values: (0..350).map(|_| draw()).collect(),
    };
    let targets = Matrix {
        rows: 70,
        columns: 1,
        values: inputs
            .values
            .chunks(5)
            .map(|row| {
                if row[0] > 0.1 {
                    2.0
                } else {
                    (row[1] > row[2]).into()
                }
            })
            .collect(),
    };
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    let options = Options::plain(loss, Optimizer::ADAM, 24, 3);
    let members: Vec<Member> = [1, 2]
        .map(|seed| Member {
            weights: initialize(network, Initializer::Auto, seed),
            hyper: Hyper {
                learning_rate: 0.01,
                dropout: 0.2,
                ..Hyper::default()
            },
            seed,
        })
        .into();
    let all: Vec<u32> = (0..70).collect();
    let parts = [Parts {
        train: &all[..55],
        validation: &all[55..],
        test: &[],
    }];
    let rows = Rows {
        inputs: &inputs,
        targets: &targets,
        parts: &parts,
    };
    make(Training {
        network,
        members: &members,
        rows,
        options: &options,
        judge: None,
        windows: None,
    })
}

/// A part of the run: from a snapshot on, by these workers, and others that join behind some steps, until so many are done. Returns the
/// last snapshot, too.
fn part(
    specs: Vec<Spec>,
    mut joining: Vec<(u64, Spec)>,
    options: PoolOptions,
    from: Option<Arc<Snapshot>>,
    until: u64,
) -> (Outcome, Option<Arc<Snapshot>>) {
    let remote = options.remote.clone();
    let pool = Pool::open(specs, options).expect("it opens");
    let mut pool: Box<dyn Backend> = Box::new(pool);
    let mut last = None;
    let mut guard = Guard::default();
    (guard.from, guard.every) = (from, Some(Interval::Steps(1)));
    guard.keep = Some(Box::new(|snapshot, _| last = Some(Arc::clone(snapshot))));
    let mut watch = |event: Event<'_>| match event {
        Event::Steps { done, .. } if done >= until => ControlFlow::Break(()),
        Event::Steps { done, .. } => {
            while let Some(place) = joining.iter().position(|(behind, _)| *behind <= done) {
                remote.join(joining.remove(place).1);
            }
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    };
    let trained = with(|training| train_guarded(&mut pool, training, &mut guard, &mut watch));
    drop(guard);
    let mut outcome = trained.expect("a worker is left");
    outcome.measured = Default::default();
    (outcome, last)
}

fn options(policy: PolicyName, scheduling: Scheduling) -> PoolOptions {
    PoolOptions {
        shards: 6,
        policy,
        scheduling,
        limit: LIMIT,
        hang: Duration::from_secs(100),
        again: Some(Duration::from_millis(1)),
        ..PoolOptions::default()
    }
}

/// The same for workers that do not hang, however slow the machine is.
fn patient(options: PoolOptions) -> PoolOptions {
    PoolOptions {
        limit: Duration::from_secs(100),
        ..options
    }
}

fn outcome(specs: Vec<Spec>, options: PoolOptions) -> (Outcome, PoolReport) {
    let mut pool = Pool::open(specs, options).expect("it opens");
    let mut outcome = run(&mut pool).expect("a worker is left");
    outcome.measured = Default::default();
    (outcome, pool.report())
}

fn reference() -> Outcome {
    outcome(
        vec![spec(BTreeMap::new())],
        options(PolicyName::RoundRobin, Scheduling::Central),
    )
    .0
}

#[test]
fn the_bits_are_those_of_one_worker_for_any_number_of_them_policy_and_scheduling() {
    let wanted = reference();
    for scheduling in Scheduling::ALL {
        for policy in PolicyName::ALL {
            for workers in [2, 3, 7] {
                let specs = (0..workers).map(|_| spec(BTreeMap::new())).collect();
                let (found, _) = outcome(specs, options(policy, scheduling));
                assert_eq!(found, wanted, "{workers} {policy:?} {scheduling:?}");
            }
        }
    }
}

#[test]
fn a_closed_pool_holds_no_backend_any_more() {
    let calls = Arc::new(AtomicUsize::new(0));
    let held = Arc::downgrade(&calls);
    let opener = move || -> Result<Box<dyn Backend>, BackendError> {
        Ok(Box::new(Faulty {
            inner: CpuBackend::with_threads(1),
            calls: held.upgrade().expect("the test has it"),
            faults: Arc::default(),
            corrupt: None,
            falls: false,
        }))
    };
    let mut one = spec(BTreeMap::new());
    one.start = Start::Thread(Arc::new(opener));
    let (trained, _) = outcome(
        vec![one; 3],
        options(PolicyName::RoundRobin, Scheduling::Central),
    );
    assert_eq!(Arc::strong_count(&calls), 1);
    assert_eq!(trained, reference());
}

#[test]
fn the_plain_loop_comes_to_the_same_but_for_rounding() {
    let mut plain = CpuBackend::<f32>::with_threads(1);
    let plain = run(&mut plain).expect("it trains");
    let pooled = reference();
    for (one, other) in plain.members.iter().zip(&pooled.members) {
        for (a, b) in one
            .weights
            .0
            .iter()
            .flatten()
            .zip(other.weights.0.iter().flatten())
        {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}

#[test]
fn a_worker_that_is_lost_three_times_is_opened_on_another_device() {
    let opened = Arc::new(AtomicUsize::new(0));
    let mut other = spec(BTreeMap::new());
    let (count, inner) = (Arc::clone(&opened), other.start.clone());
    let Start::Thread(open) = inner else {
        panic!("it is a thread");
    };
    other.start = Start::Thread(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        open()
    }));
    let mut faulty = spec((0..1000).map(|call| (call, Fault::Kills)).collect());
    faulty.spares = vec![other];
    let mut pool = Pool::open(
        vec![spec(BTreeMap::new()), faulty],
        patient(options(PolicyName::RoundRobin, Scheduling::Central)),
    )
    .expect("it opens");
    let mut runs = 0;
    while opened.load(Ordering::Relaxed) == 0 || !pool.report().workers[1].live {
        run(&mut pool).expect("the other trains");
        runs += 1;
        assert!(runs < 10_000, "{:?}", pool.report());
    }
    run(&mut pool).expect("both train");
    let report = pool.report();
    assert_eq!(
        (report.workers[1].losses, report.workers[1].live),
        (3, true)
    );
    assert!(report.workers[1].shards > 0 && opened.load(Ordering::Relaxed) == 1);
}

#[test]
fn without_a_worker_the_run_ends_with_an_error() {
    let mut pool = Pool::open(
        vec![spec([(3, Fault::Kills)].into())],
        PoolOptions {
            again: None,
            ..options(PolicyName::Throughput, Scheduling::Central)
        },
    )
    .expect("it opens");
    let error = run(&mut pool).expect_err("nobody is left").to_string();
    assert!(error.contains("it was killed"), "{error}");
}

#[test]
fn who_stood_by_is_called_in_when_a_step_is_made_again_without_those_that_worked() {
    let specs = vec![spec(BTreeMap::new()), spec(BTreeMap::new())];
    let options = options(PolicyName::Throughput, Scheduling::Central);
    let mut pool = Pool::open(specs, options).expect("it opens");
    run(&mut pool).expect("both train");
    pool.crew.workers[1].live = false;
    pool.leaves(0, "it fails".to_owned());
    pool.steps.truncate(1);
    pool.begin().expect("the other is there");
    assert!(pool.crew.workers[1].live);
}

#[test]
fn when_all_workers_are_lost_others_go_on_from_the_last_snapshot_or_the_run_ends() {
    let open = |faults: BTreeMap<usize, Fault>| -> Result<Box<dyn Backend>, BackendError> {
        let options = PoolOptions {
            again: None,
            ..options(PolicyName::Throughput, Scheduling::Central)
        };
        Ok(Box::new(Pool::open(vec![spec(faults)], options)?))
    };
    let dead = || (0..1000).map(|call| (call, Fault::Kills)).collect();
    for last in [BTreeMap::new(), dead()] {
        let ends = !last.is_empty();
        let mut pool = open([(12, Fault::Kills)].into()).expect("it opens");
        let mut guard = Guard::default();
        guard.every = Some(Interval::Steps(2));
        let spare = |faults: BTreeMap<usize, Fault>| Spare {
            wait: Duration::ZERO,
            open: Box::new(move || open(faults.clone())),
        };
        guard.spares = vec![spare(dead()), spare(last)];
        let mut told = Vec::new();
        let mut watch = |event: Event<'_>| {
            if let Event::Notice(text) = event {
                told.push(text.to_owned());
            }
            ControlFlow::Continue(())
        };
        let trained = with(|training| train_guarded(&mut pool, training, &mut guard, &mut watch));
        drop(guard);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told.iter().all(|text| text
                .contains("every worker failed: a test failed: it was killed")
                && !text.contains("behind step 0")),
            "{told:?}"
        );
        match trained {
            Ok(mut outcome) => {
                outcome.measured = Default::default();
                assert!(!ends);
                assert_eq!(outcome, reference());
            }
            Err(error) => assert!(
                ends && error.to_string().contains("it was killed"),
                "{error}"
            ),
        }
    }
}

#[test]
fn workers_come_and_go_between_steps() {
    for scheduling in Scheduling::ALL {
        come_and_go(scheduling);
    }
}

fn come_and_go(scheduling: Scheduling) {
    let mut pool = Pool::open(
        vec![spec(BTreeMap::new())],
        options(PolicyName::Throughput, scheduling),
    )
    .expect("it opens");
    pool.start(spec(BTreeMap::new()));
    pool.start(spec(BTreeMap::new()));
    let mut outcome = run(&mut pool).expect("it trains");
    outcome.measured = Default::default();
    assert_eq!(outcome, reference());
    // A second run goes on from the moments of the first.
    pool.dismiss(0);
    let found = run(&mut pool).expect("the others train").members;
    let mut one = Pool::open(
        vec![spec(BTreeMap::new())],
        options(PolicyName::Throughput, Scheduling::Central),
    )
    .expect("it opens");
    run(&mut one).expect("it trains");
    assert_eq!(found, run(&mut one).expect("it trains").members);
}
