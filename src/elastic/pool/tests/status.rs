//! What is told of workers, and how many of them are used.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::watched::{Call, Hook, Seen, watched};
use super::*;
use crate::elastic::members::Members;
use crate::elastic::policy::Stats;
use crate::elastic::slice::Running;
use crate::elastic::tree::Node;
use crate::program::buffer;

thread_local! {
    /// What was told in this thread.
    pub(super) static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        TOLD.with_borrow_mut(|told| told.push(record.args().to_string()));
    }
    fn flush(&self) {}
}

/// Listens to what is told, from now on in this thread.
pub(super) fn listen() {
    // One that is set already is this one.
    let _ = log::set_logger(&Listener);
    log::set_max_level(log::LevelFilter::Info);
    TOLD.take();
}

pub(super) fn told(text: &str) -> bool {
    TOLD.with_borrow(|told| told.iter().any(|line| line == text))
}

#[test]
fn with_more_workers_than_help_fewer_are_used_and_that_is_told() {
    listen();
    for scheduling in Scheduling::ALL {
        // Who ran shards of each step.
        let ran: Arc<Seen<BTreeMap<u32, BTreeSet<usize>>>> = Arc::default();
        let seen = Arc::clone(&ran);
        let hook: Hook = Arc::new(move |worker, call| {
            if let Call::Shards(parts) = call {
                let number = parts[0].number;
                seen.change(|ran| ran.entry(number).or_default().insert(worker));
            }
        });
        let options = patient(options(PolicyName::Throughput, scheduling));
        let mut pool = Pool::open(watched(4, &hook), options).expect("it opens");
        while pool.crowd.wants().is_some() {
            // Each costs a second and does nothing for it.
            pool.judge_number(&[pool.crowd.now() as f64]);
        }
        let text = "1 of 4 workers are used: more do not help";
        assert!(told(text), "{scheduling:?}");
        let mut outcome = run(&mut pool).expect("it trains");
        outcome.measured = Default::default();
        assert_eq!(outcome, reference(), "{scheduling:?}");
        let alone = ran.change(|ran| ran.values().all(|workers| workers.len() == 1));
        assert!(alone && pool.report().used == 1, "{scheduling:?}");
        // Those that stood by have the same weights.
        let weights = |pool: &mut Pool| {
            let values = pool.read(buffer::PARAMETERS, 1, 0, 40);
            values.expect("one is there")
        };
        let first = weights(&mut pool);
        pool.dismiss(0);
        assert_eq!(first, weights(&mut pool), "{scheduling:?}");
        TOLD.take();
    }
}

#[test]
fn how_many_help_is_found_from_the_steps_times() {
    listen();
    for scheduling in Scheduling::ALL {
        let specs = vec![spec(BTreeMap::new()), spec(BTreeMap::new())];
        let options = patient(options(PolicyName::Throughput, scheduling));
        let mut pool = Pool::open(specs, options).expect("it opens");
        // Sixteen steps with two and as many with one, of nine steps a run.
        for _ in 0..4 {
            run(&mut pool).expect("both train");
        }
        assert_eq!(pool.crowd.wants(), None, "{scheduling:?}");
        let fewer = told("1 of 2 workers are used: more do not help");
        assert_eq!(
            (fewer, pool.report().used),
            (pool.crowd.now() == 1, pool.crowd.now())
        );
        TOLD.take();
    }
}

#[test]
fn a_worker_that_has_run_no_shard_counts_as_its_like_among_those_that_help() {
    let specs = vec![spec(BTreeMap::new()); 3];
    let options = patient(options(PolicyName::Throughput, Scheduling::Central));
    let mut pool = Pool::open(specs, options).expect("all open");
    while pool.crowd.wants().is_some() {
        // Two are the fastest.
        pool.judge_number(&[1.0 + (pool.crowd.now() as f64 - 2.0).abs()]);
    }
    for (rates, wanted) in [
        ([None, None, None], [0, 1]),
        ([None, Some(20.0), Some(10.0)], [0, 1]),
        ([None, Some(10.0), Some(10.0)], [1, 2]),
        ([None, None, Some(10.0)], [0, 2]),
        ([Some(10.0), Some(20.0), Some(30.0)], [1, 2]),
    ] {
        for (worker, rate) in pool.crew.workers.iter_mut().zip(rates) {
            worker.stats.rate = rate;
        }
        pool.choose();
        let workers = pool.crew.workers.iter().enumerate();
        let used = workers.filter_map(|(worker, of)| of.live.then_some(worker));
        assert_eq!(used.collect::<Vec<_>>(), wanted, "{rates:?}");
    }
}

#[test]
fn how_many_help_is_found_anew_where_others_are_there() {
    let specs = vec![spec(BTreeMap::new()); 3];
    let options = patient(options(PolicyName::Throughput, Scheduling::Central));
    let mut pool = Pool::open(specs, options).expect("all open");
    for [gone, come] in [[0, 2], [2, 0]] {
        // One goes as the other comes.
        (pool.links[gone].live, pool.links[come].live) = (false, true);
        pool.crew.workers[gone].live = false;
        pool.choose();
        assert_eq!(pool.report().used, 2);
        while pool.crowd.wants().is_some() {
            pool.judge_number(&[pool.crowd.now() as f64]);
        }
        pool.choose();
        assert_eq!(pool.report().used, 1);
    }
}

/// What is told of a run of two workers, of which the second is held up at its shards of a step until the first has run so many.
fn held_up(options: PoolOptions, until: fn(u32) -> usize) -> PoolReport {
    // Of each step how many records of shards the first has made, and the step that it is at.
    let seen: Arc<Seen<(BTreeMap<u32, usize>, u32)>> = Arc::default();
    let own = Arc::clone(&seen);
    let hook: Hook = Arc::new(move |worker, call| match call {
        Call::Shards(parts) if worker == 0 => own.change(|(_, at)| *at = parts[0].number),
        // These are read before the answer goes out, of both members of the pack.
        Call::Records if worker == 0 => own.change(|(ran, at)| *ran.entry(*at).or_default() += 1),
        Call::Shards(parts) => {
            let (number, wanted) = (parts[0].number, 2 * until(parts[0].number));
            own.until(|(ran, _)| ran.get(&number).copied().unwrap_or(0) >= wanted);
        }
        _ => {}
    });
    let scheduling = options.scheduling;
    let (found, report) = outcome(watched(2, &hook), patient(options));
    seen.check();
    assert_eq!(found, reference(), "{scheduling:?}");
    report
}

#[test]
fn a_late_workers_shards_are_stolen_and_counted() {
    // The first has three of the first step's six shards, and does not wait for long before it has a fourth.
    let fourth = |step| if step == 0 { 4 } else { 0 };
    let report = held_up(options(PolicyName::Throughput, Scheduling::Central), fourth);
    assert!(report.stolen >= 1, "{report:?}");
    // A peer gives what it has not begun when it hears who asks: behind its first node, if the other has asked by then. Of a short
    // batch's two shards each has one.
    let own = |step| if step % 3 == 2 { 1 } else { 3 };
    let peers = |verify| {
        let options = options(PolicyName::RoundRobin, Scheduling::Distributed);
        held_up(PoolOptions { verify, ..options }, own)
    };
    let stolen = (0..100).find(|_| peers(0.0).stolen >= 1);
    assert!(stolen.is_some());
    // What is compared stays where it is.
    assert_eq!(peers(0.1).stolen, 0);
}

#[test]
fn what_a_lost_worker_had_is_counted_as_repeated() {
    for scheduling in Scheduling::ALL {
        let specs = vec![spec(BTreeMap::new()), spec([(0, Fault::Kills)].into())];
        let options = patient(options(PolicyName::RoundRobin, scheduling));
        let (found, report) = outcome(specs, options);
        assert_eq!(found, reference(), "{scheduling:?}");
        // Half of the first step's six shards, of which none was run.
        assert_eq!(report.repeated, 3, "{report:?}");
        assert_eq!(report.workers[1].losses, 1);
    }
}

#[test]
fn rates_and_waiting_are_of_the_shards_that_a_worker_ran_while_it_was_there() {
    for among_peers in [false, true] {
        let specs = vec![spec(BTreeMap::new()), spec(BTreeMap::new())];
        let options = patient(options(PolicyName::Throughput, Scheduling::Central));
        let mut pool = Pool::open(specs, options).expect("it opens");
        run(&mut pool).expect("both train");
        for worker in 0..2 {
            pool.crew.workers[worker].stats = Stats::default();
            (pool.links[worker].busy, pool.links[worker].there) = (0.0, Duration::ZERO);
        }
        let step = Step {
            rows: 10,
            ..Step::default()
        };
        pool.steps = vec![step; 4];
        let number = pool.number + 1;
        if among_peers {
            pool.slice = Some(Running {
                first: number,
                members: Arc::new(Members {
                    ids: vec![0, 1],
                    starts: vec![0, 2],
                    shards: 4,
                }),
                steps: Arc::new(vec![pool.steps.clone()]),
                found: Vec::new(),
                unsound: Vec::new(),
            });
        } else {
            pool.begin().expect("both are there");
        }
        // Two shards together, in half a second.
        let ran = Answer::Shards {
            number,
            node: Node { level: 1, index: 0 },
            seconds: 0.5,
            records: vec![Vec::new(); 2],
            hash: None,
            sums: Vec::new(),
            sound: true,
        };
        pool.deal(0, ran).expect("it is taken note of");
        pool.trained(Duration::from_secs(1));
        pool.links[1].live = false;
        pool.trained(Duration::from_secs(1));
        let [first, second] = &pool.report().workers[..] else {
            panic!("there are two");
        };
        assert_eq!((first.rows_per_second, first.waiting), (Some(40.0), 0.75));
        assert_eq!((second.rows_per_second, second.waiting), (None, 1.0));
    }
}
