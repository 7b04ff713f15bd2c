use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use proptest::prelude::*;

use rand::Rng;

use super::*;
use crate::backend::cpu::CpuBackend;
use crate::backend::{Data, ProgramId};
use crate::data::Matrix;
use crate::elastic::link::Start;
use crate::elastic::policy::DeviceKind;
use crate::model::{Activation, Dropout, Initializer, Network, initialize};
use crate::program::buffer;
use crate::program::{Hyper, Loss, LossFunction, Optimizer, Reduction};
use crate::random::{Purpose, Stream};
use crate::train::{Event, Member, Options, Outcome, Parts, Rows, TrainError, train};

/// What happens to a worker at one of its calls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// It reports an error, and is opened anew.
    Kills,
    /// It does not answer for longer than is waited for, then goes on.
    Hangs,
    /// It takes longer.
    Slows,
    /// A bit of its next gradient is another.
    Corrupts,
    /// Its next gradient is no number.
    Dissolves,
}

/// How long a worker is waited for in these tests.
const LIMIT: Duration = Duration::from_millis(40);

/// A backend with faults at some of its runs, counted over all its lives.
struct Faulty {
    inner: CpuBackend<f32>,
    calls: Arc<AtomicUsize>,
    faults: Arc<BTreeMap<usize, Fault>>,
    corrupt: Option<Fault>,
}

/// Does nothing for a while, as a driver that hangs.
fn nothing(time: Duration) {
    let never = Mutex::new(());
    let held = never.lock().unwrap_or_else(PoisonError::into_inner);
    drop(Condvar::new().wait_timeout(held, time));
}

impl Backend for Faulty {
    fn device(&self) -> String {
        self.inner.device()
    }
    fn limits(&self) -> Limits {
        self.inner.limits()
    }
    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        self.inner.compile(program)
    }
    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.faults.get(&call) {
            Some(Fault::Kills) => {
                return Err(BackendError::Device {
                    device: "a test".into(),
                    reason: "it was killed".into(),
                });
            }
            Some(Fault::Hangs) => nothing(4 * LIMIT),
            Some(Fault::Slows) => nothing(LIMIT / 10),
            Some(&(Fault::Corrupts | Fault::Dissolves)) => {
                self.corrupt = self.faults.get(&call).copied();
            }
            None => {}
        }
        self.inner.run(program, steps)
    }
    fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        data: Data<'_>,
    ) -> Result<(), BackendError> {
        self.inner.write(buffer, member, offset, data)
    }
    fn read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<f32>, BackendError> {
        let mut values = self.inner.read(buffer, member, offset, len)?;
        if buffer == buffer::GRADIENTS {
            match self.corrupt.take() {
                Some(Fault::Dissolves) => values[0] = f32::NAN,
                Some(_) => values[0] = f32::from_bits(values[0].to_bits() ^ 1 << 20),
                None => {}
            }
        }
        Ok(values)
    }
}

fn spec(faults: BTreeMap<usize, Fault>) -> Spec {
    let (calls, faults) = (Arc::new(AtomicUsize::new(0)), Arc::new(faults));
    Spec {
        name: "cpu".into(),
        kind: DeviceKind::Cpu { threads: 1 },
        weight: 1.0,
        start: Start::Thread(Arc::new(move || {
            Ok(Box::new(Faulty {
                inner: CpuBackend::with_threads(1)?,
                calls: Arc::clone(&calls),
                faults: Arc::clone(&faults),
                corrupt: None,
            }))
        })),
        spares: Vec::new(),
    }
}

/// A small run that has all that depends on rows, steps and shards: dropout, shuffling, validation, a short last batch, a pack.
fn run(pool: &mut dyn Backend) -> Result<Outcome, TrainError> {
    let network = Network {
        dropout: Dropout::Plain,
        ..Network::new(5, &[8, 6], Activation::Relu, 3, Activation::Identity)
    };
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
            weights: initialize(&network, Initializer::Auto, seed),
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
    let mut watch = |_: Event<'_>| ControlFlow::Continue(());
    train(pool, &network, &members, rows, &options, &mut watch)
}

fn options(policy: PolicyName, scheduling: Scheduling) -> PoolOptions {
    PoolOptions {
        shards: 6,
        policy,
        scheduling,
        limit: LIMIT,
        again: Some(Duration::from_millis(1)),
        ..PoolOptions::default()
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
fn the_plain_loop_comes_to_the_same_but_for_rounding() {
    let mut plain = CpuBackend::<f32>::with_threads(1).expect("it opens");
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
fn a_worker_that_computes_wrong_is_put_out_and_its_step_made_again() {
    let faulty = spec([(5, Fault::Corrupts)].into());
    let specs = vec![spec(BTreeMap::new()), faulty, spec(BTreeMap::new())];
    let options = PoolOptions {
        verify: 1.0,
        ..options(PolicyName::RoundRobin, Scheduling::Central)
    };
    let (found, report) = outcome(specs, options);
    assert_eq!(found, reference());
    let live: Vec<bool> = report.workers.iter().map(|worker| worker.live).collect();
    assert_eq!(live, [true, false, true]);
    assert!(report.verified > 20 && report.repeated >= 6, "{report:?}");
}

#[test]
fn a_gradient_that_is_no_number_is_made_again_and_who_computed_it_is_put_out() {
    for faults in [vec![3], (3..1000).collect()] {
        let faults = faults.into_iter().map(|call| (call, Fault::Dissolves));
        let specs = vec![
            spec(BTreeMap::new()),
            spec(faults.collect()),
            spec(BTreeMap::new()),
        ];
        let (found, report) = outcome(specs, options(PolicyName::RoundRobin, Scheduling::Central));
        assert_eq!(found, reference());
        let live: Vec<bool> = report.workers.iter().map(|worker| worker.live).collect();
        assert_eq!(live, [true, false, true]);
        assert!(report.verified >= 2 && report.repeated >= 2, "{report:?}");
    }
    // Alone, a worker is used all the same.
    let specs = vec![spec([(5, Fault::Dissolves)].into())];
    let (found, report) = outcome(specs, options(PolicyName::RoundRobin, Scheduling::Central));
    assert_eq!(found, reference());
    assert_eq!((report.workers[0].live, report.repeated), (true, 6));
}

#[test]
fn a_gradient_that_is_no_number_on_all_is_of_the_model() {
    let all = || spec((0..1000).map(|call| (call, Fault::Dissolves)).collect());
    let options = options(PolicyName::RoundRobin, Scheduling::Central);
    let mut pool = Pool::open(vec![all(), all()], options).expect("it opens");
    let error = run(&mut pool).expect_err("it diverges");
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    let report = pool.report();
    assert!(
        report.workers.iter().all(|worker| worker.live),
        "{report:?}"
    );
    // Once, not at every step from there on.
    assert_eq!(report.repeated, 6);
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
        options(PolicyName::RoundRobin, Scheduling::Central),
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
fn workers_come_and_go_between_steps() {
    let mut pool = Pool::open(
        vec![spec(BTreeMap::new())],
        options(PolicyName::Throughput, Scheduling::Central),
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

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::Kills),
        1 => Just(Fault::Hangs),
        2 => Just(Fault::Slows),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_happens_to_whom_the_bits_are_the_same(
        workers in proptest::collection::vec(proptest::collection::btree_map(0_usize..60, fault(), 0..4), 0..5),
        policy in proptest::sample::select(&PolicyName::ALL[..]),
        scheduling in proptest::sample::select(&Scheduling::ALL[..]),
        verify in prop_oneof![Just(0.0), Just(0.3)],
    ) {
        // The first is spared, so that somebody has the weights.
        let specs = [BTreeMap::new()].into_iter().chain(workers).map(spec).collect();
        let options = PoolOptions { verify, ..options(policy, scheduling) };
        let (found, _) = outcome(specs, options);
        prop_assert_eq!(found, reference());
    }
}
