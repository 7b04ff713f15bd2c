//! Whole schedules of workers, policies, faults, joins and interruptions, all drawn.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::faulty::{Fault, spec};
use super::{options, part, patient, reference};
use crate::elastic::PoolOptions;
use crate::elastic::policy::PolicyName;
use crate::elastic::simulate::Scheduling;

type Faults = BTreeMap<usize, Fault>;

fn faults() -> impl Strategy<Value = Faults> {
    let fault = prop_oneof![
        3 => Just(Fault::Kills),
        1 => Just(Fault::Hangs),
        2 => Just(Fault::Slows),
    ];
    proptest::collection::btree_map(0_usize..25, fault, 0..4)
}

/// Of a worker that computes wrong.
fn wrong() -> impl Strategy<Value = Faults> {
    let fault = prop_oneof![
        2 => Just(Fault::Corrupts),
        1 => Just(Fault::Dissolves),
    ];
    proptest::collection::btree_map(0_usize..25, fault, 1..4)
}

/// A part of a run.
#[derive(Clone, Debug)]
struct Drawn {
    /// How many steps there are at its end.
    until: u64,
    workers: Vec<Faults>,
    /// One that computes wrong, if there is one.
    wrong: Option<Faults>,
    /// Workers that join, and behind how many steps.
    joining: Vec<(u64, Faults)>,
    policy: PolicyName,
    scheduling: Scheduling,
    verify: f64,
}

prop_compose! {
    fn drawn()(
        until in 1_u64..9,
        workers in proptest::collection::vec(faults(), 0..5),
        wrong in proptest::option::of(wrong()),
        joining in proptest::collection::vec((0_u64..9, faults()), 0..3),
        policy in proptest::sample::select(&PolicyName::ALL[..]),
        scheduling in proptest::sample::select(&Scheduling::ALL[..]),
        verify in prop_oneof![Just(0.0), Just(0.3)],
    ) -> Drawn {
        Drawn { until, workers, wrong, joining, policy, scheduling, verify }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_happens_to_whom_and_when_it_is_interrupted_the_bits_are_the_same(
        mut parts in proptest::collection::vec(drawn(), 1..4),
    ) {
        parts.sort_by_key(|part| part.until);
        let (mut from, count) = (None, parts.len());
        for (place, drawn) in parts.into_iter().enumerate() {
            // The first is spared, so that somebody has the weights; where one computes wrong a second, so that it is found out.
            let spared = if drawn.wrong.is_some() { 2 } else { 1 };
            let spared = std::iter::repeat_n(Faults::new(), spared);
            let mut options = PoolOptions {
                verify: drawn.verify,
                ..options(drawn.policy, drawn.scheduling)
            };
            if drawn.wrong.is_some() {
                // Every shard is compared, and none of the two is given up.
                options = PoolOptions { verify: 1.0, ..patient(options) };
            }
            let workers = spared.chain(drawn.workers).chain(drawn.wrong);
            let specs = workers.map(spec).collect();
            let joining = drawn.joining.into_iter();
            let joining = joining.map(|(behind, faults)| (behind, spec(faults))).collect();
            let until = if place + 1 < count { drawn.until } else { u64::MAX };
            let (found, left) = part(specs, joining, options, from.take(), until);
            if place + 1 < count {
                prop_assert!(left.is_some());
                from = left;
            } else {
                prop_assert_eq!(found, reference());
            }
        }
    }
}
