//! Workers that compute wrong.

use std::collections::BTreeMap;

use super::faulty::{Fault, spec, spec_of};
use super::{options, outcome, patient, reference, run};
use crate::elastic::policy::PolicyName;
use crate::elastic::simulate::Scheduling;
use crate::elastic::{Pool, PoolOptions, PoolReport};
use crate::train::TrainError;

#[test]
fn a_worker_that_computes_wrong_is_put_out_and_its_step_made_again() {
    for scheduling in Scheduling::ALL {
        for lasts in [false, true] {
            let faults = 5..if lasts { 1000 } else { 6 };
            let faulty = spec(faults.map(|call| (call, Fault::Corrupts)).collect());
            let specs = vec![spec(BTreeMap::new()), faulty, spec(BTreeMap::new())];
            let options = PoolOptions {
                verify: 1.0,
                ..patient(options(PolicyName::RoundRobin, scheduling))
            };
            let remote = options.remote.clone();
            let (found, report) = outcome(specs, options);
            assert_eq!(found, reference(), "{scheduling:?}");
            let live: Vec<bool> = report.workers.iter().map(|worker| worker.live).collect();
            assert_eq!(live, [true, false, true], "{scheduling:?}");
            assert!(report.verified > 20 && report.repeated >= 6, "{report:?}");
            let why = report.workers[1].put_out.clone().unwrap_or_default();
            let (disagrees, kernels) = why.split_once("; ").expect("a reason and a check");
            assert!(
                disagrees.starts_with("disagrees on shard ") && disagrees.contains(" of step "),
                "{why}"
            );
            if lasts {
                assert!(kernels.ends_with(" is off by 5.0e-1"), "{why}");
            } else {
                assert_eq!(kernels, "its kernels agree with their twins");
            }
            let noted = remote.notices();
            let line = format!("worker 1 (cpu (1 thread)) {why}: put out");
            assert!(noted.contains(&line), "{noted:?}");
        }
    }
}

#[test]
fn of_two_workers_that_keep_to_what_they_found_the_one_is_put_out_whose_kernels_are_off() {
    for scheduling in Scheduling::ALL {
        for wrong in [0, 1] {
            let mut specs = vec![spec(BTreeMap::new()); 2];
            specs[wrong] = spec((5..1000).map(|call| (call, Fault::Corrupts)).collect());
            let options = PoolOptions {
                verify: 1.0,
                ..patient(options(PolicyName::RoundRobin, scheduling))
            };
            let (found, report) = outcome(specs, options);
            assert_eq!(found, reference(), "{scheduling:?}");
            let live: Vec<bool> = report.workers.iter().map(|worker| worker.live).collect();
            assert_eq!(live, [wrong == 1, wrong == 0], "{scheduling:?}");
            let why = report.workers[wrong].put_out.clone().unwrap_or_default();
            assert!(
                why.starts_with("disagrees on shard ") && why.ends_with(" is off by 5.0e-1"),
                "{why}"
            );
        }
    }
}

#[test]
fn two_workers_that_disagree_though_no_kernels_are_off_end_the_pool() {
    for scheduling in Scheduling::ALL {
        let slips = spec((5..1000).map(|call| (call, Fault::Slips)).collect());
        let options = PoolOptions {
            verify: 1.0,
            ..patient(options(PolicyName::RoundRobin, scheduling))
        };
        let mut pool = Pool::open(vec![spec(BTreeMap::new()), slips], options).expect("both open");
        let error = run(&mut pool).expect_err("nobody is believed").to_string();
        assert!(error.contains("no kernels are off"), "{error}");
        let live = |report: PoolReport| report.workers.iter().all(|worker| worker.live);
        assert!(live(pool.report()), "{:?}", pool.report());
    }
}

#[test]
fn who_contradicts_itself_is_put_out_where_none_is_of_its_kind_too() {
    let other = spec_of(2, [(0, Fault::Slips)].into());
    let options = PoolOptions {
        verify: 1.0,
        ..patient(options(PolicyName::RoundRobin, Scheduling::Central))
    };
    let (found, report) = outcome(vec![spec(BTreeMap::new()), other], options);
    assert_eq!(found, reference());
    let live: Vec<bool> = report.workers.iter().map(|worker| worker.live).collect();
    assert_eq!(live, [true, false], "{report:?}");
}

#[test]
fn what_a_worker_that_is_lost_was_to_run_once_more_is_made_again() {
    // The last compares the shards of the one before, and does not come to it.
    let specs = vec![
        spec(BTreeMap::new()),
        spec([(0, Fault::Corrupts)].into()),
        spec([(0, Fault::Kills)].into()),
    ];
    let options = PoolOptions {
        verify: 1.0,
        ..patient(options(PolicyName::RoundRobin, Scheduling::Distributed))
    };
    let (found, report) = outcome(specs, options);
    assert_eq!(found, reference());
    assert!(report.repeated >= 6, "{report:?}");
}

#[test]
fn a_gradient_that_is_no_number_is_made_again_and_who_computed_it_is_put_out() {
    for scheduling in Scheduling::ALL {
        for once in [true, false] {
            let faults = (3..if once { 4 } else { 1000 }).map(|call| (call, Fault::Dissolves));
            let specs = vec![
                spec(BTreeMap::new()),
                spec(faults.collect()),
                spec(BTreeMap::new()),
            ];
            let (found, report) =
                outcome(specs, patient(options(PolicyName::RoundRobin, scheduling)));
            assert_eq!(found, reference());
            let live: Vec<bool> = report.workers.iter().map(|worker| worker.live).collect();
            assert_eq!(live, [true, false, true], "{scheduling:?}");
            assert!(report.verified >= 2 && report.repeated >= 2, "{report:?}");
        }
    }
    // Alone, a worker is used all the same.
    let specs = vec![spec([(5, Fault::Dissolves)].into())];
    let (found, report) = outcome(
        specs,
        patient(options(PolicyName::RoundRobin, Scheduling::Central)),
    );
    assert_eq!(found, reference());
    assert_eq!((report.workers[0].live, report.repeated), (true, 6));
}

#[test]
fn a_gradient_that_is_no_number_on_all_is_of_the_model() {
    for scheduling in Scheduling::ALL {
        let all = || spec((0..1000).map(|call| (call, Fault::Dissolves)).collect());
        let options = patient(options(PolicyName::RoundRobin, scheduling));
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
}
