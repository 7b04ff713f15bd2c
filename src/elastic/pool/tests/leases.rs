//! A worker that is alone, and makes several steps at a time.

use std::sync::Mutex;

use super::watched::{Call, Hook, Seen, watched};
use super::*;
use crate::elastic::pool::lease::count;
use crate::program::{Op, buffer};

#[test]
fn a_lease_is_of_as_many_steps_as_take_a_fiftieth_of_a_second() {
    let each = [None, Some(0.001), Some(0.5), Some(1e-9)];
    assert_eq!(each.map(count), [1, 20, 1, 256]);
}

/// Weights of both members.
fn weights(pool: &mut Pool) -> Vec<f32> {
    let read = |member| pool.read(buffer::PARAMETERS, member, 0, 40);
    let both = [0, 1].map(read).map(|values| values.expect("one is there"));
    both.concat()
}

#[test]
fn steps_that_a_worker_makes_alone_with_one_answer_are_those_of_several() {
    // The shards of each step of the run.
    let seen: Arc<Seen<Vec<Vec<Step>>>> = Arc::default();
    let own = Arc::clone(&seen);
    let hook: Hook = Arc::new(move |_, call| {
        if let Call::Shards(parts) = call {
            own.change(|steps| steps.push(parts));
        }
    });
    let options = patient(options(PolicyName::RoundRobin, Scheduling::Central));
    let mut alone = Pool::open(watched(1, &hook), options.clone()).expect("it opens");
    let specs = vec![spec(BTreeMap::new()), spec(BTreeMap::new())];
    let mut both = Pool::open(specs, options).expect("they open");
    run(&mut alone).expect("it trains");
    run(&mut both).expect("they train");
    let steps = seen.change(std::mem::take)[..5].to_vec();
    let is_update = |program: &Arc<Program>| {
        let updates = |op: &Op| matches!(op, Op::Update { .. });
        program.ops.iter().any(updates)
    };
    let update = alone.programs.iter().position(is_update);
    let programs = [both.verify.program, update.expect("there is one")];
    // As if a step took so long.
    alone.alone = Some(0.002);
    let before = (alone.number, alone.report().workers[0].shards);
    assert_eq!(alone.lease(0, programs, &steps).expect("it makes them"), 5);
    assert!(alone.answers.try_recv().is_err());
    let shards = steps.concat().len() as u64;
    let after = (alone.number, alone.report().workers[0].shards);
    assert_eq!(after, (before.0 + 5, before.1 + shards));
    for step in &steps {
        both.step(programs, step).expect("they make it");
    }
    assert_eq!(weights(&mut alone), weights(&mut both));
    assert_eq!(alone.log, both.log);
}

#[test]
fn a_gradient_that_is_no_number_is_made_again_at_its_step_wherever_that_is() {
    let mut found = 0;
    for scheduling in Scheduling::ALL {
        for call in 0..18 {
            let specs = vec![spec([(call, Fault::Dissolves)].into())];
            let options = patient(options(PolicyName::RoundRobin, scheduling));
            let (trained, report) = outcome(specs, options);
            assert_eq!(trained, reference(), "{call} {scheduling:?}");
            assert!(report.workers[0].live, "{call} {scheduling:?}");
            // Six shards, or the two of a short batch.
            found += u32::from([2, 6].contains(&report.repeated));
        }
    }
    assert!(found > 30, "{found}");
}

#[test]
fn who_joins_while_one_makes_steps_alone_takes_part_behind_them() {
    for scheduling in Scheduling::ALL {
        let options = patient(options(PolicyName::RoundRobin, scheduling));
        let remote = options.remote.clone();
        let joining = Mutex::new(Some(spec(BTreeMap::new())));
        let hook: Hook = Arc::new(move |_, call| {
            let mut joining = joining.lock().expect("nobody fails");
            if call == Call::Update
                && let Some(spec) = joining.take()
            {
                remote.join(spec);
            }
        });
        let mut pool = Pool::open(watched(1, &hook), options).expect("it opens");
        let mut found = run(&mut pool).expect("they train");
        found.measured = Default::default();
        assert_eq!(found, reference(), "{scheduling:?}");
        let start = Instant::now();
        while pool
            .report()
            .workers
            .get(1)
            .is_none_or(|worker| worker.shards == 0)
        {
            run(&mut pool).expect("they train");
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{:?}",
                pool.report()
            );
        }
    }
}
