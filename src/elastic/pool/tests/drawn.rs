//! Whole schedules of workers, policies, faults and interruptions, all drawn.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::faulty::{Fault, spec};
use super::{options, part, reference};
use crate::elastic::PoolOptions;
use crate::elastic::policy::PolicyName;
use crate::elastic::simulate::Scheduling;

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::Kills),
        1 => Just(Fault::Hangs),
        2 => Just(Fault::Slows),
    ]
}

/// A part of a run: how many steps there are at its end, the workers' faults, and how they work.
type Drawn = (
    u64,
    Vec<BTreeMap<usize, Fault>>,
    PolicyName,
    Scheduling,
    f64,
);

fn drawn() -> impl Strategy<Value = Drawn> {
    let faults = proptest::collection::btree_map(0_usize..25, fault(), 0..4);
    (
        1_u64..9,
        proptest::collection::vec(faults, 0..5),
        proptest::sample::select(&PolicyName::ALL[..]),
        proptest::sample::select(&Scheduling::ALL[..]),
        prop_oneof![Just(0.0), Just(0.3)],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_happens_to_whom_and_when_it_is_interrupted_the_bits_are_the_same(
        mut parts in proptest::collection::vec(drawn(), 1..4),
    ) {
        parts.sort_by_key(|&(until, ..)| until);
        let (mut from, count) = (None, parts.len());
        for (place, (until, workers, policy, scheduling, verify)) in parts.into_iter().enumerate() {
            // The first is spared, so that somebody has the weights.
            let specs = [BTreeMap::new()].into_iter().chain(workers).map(spec).collect();
            let options = PoolOptions { verify, ..options(policy, scheduling) };
            if place + 1 < count {
                let (_, left) = part(specs, options, from.take(), until);
                prop_assert!(left.is_some());
                from = left;
            } else {
                let (found, _) = part(specs, options, from.take(), u64::MAX);
                prop_assert_eq!(found, reference());
            }
        }
    }
}
