//! Workers that never answer again.

use std::sync::atomic::AtomicBool;

use super::watched::{Call, Hook, watched};
use super::*;
use crate::elastic::members::Members;
use crate::elastic::message::Slice;
use crate::program::buffer;

/// Where a worker hangs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Shards,
    Update,
    Evaluation,
    Read,
}

/// Has the first worker hang for ever, once, behind some calls of that kind.
fn once(at: At) -> Hook {
    let left = AtomicUsize::new(3);
    Arc::new(move |worker, call| {
        let here = match call {
            Call::Shards(_) => at == At::Shards,
            Call::Update => at == At::Update,
            Call::Evaluation(_) => at == At::Evaluation,
            Call::Read => at == At::Read,
            Call::Sum | Call::Records => false,
        };
        if worker == 0 && here && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            loop {
                std::thread::park();
            }
        }
    })
}

/// How long a worker is waited for where it hangs.
const HANG: Duration = Duration::from_secs(1);

fn short(scheduling: Scheduling) -> PoolOptions {
    PoolOptions {
        limit: 2 * LIMIT,
        hang: HANG,
        ..options(PolicyName::RoundRobin, scheduling)
    }
}

#[test]
fn a_worker_that_hangs_makes_room_for_others_and_is_opened_again_in_another_thread() {
    for (at, scheduling) in [
        (At::Shards, Scheduling::Central),
        (At::Update, Scheduling::Central),
        (At::Evaluation, Scheduling::Central),
        (At::Read, Scheduling::Central),
        (At::Shards, Scheduling::Distributed),
        (At::Update, Scheduling::Distributed),
    ] {
        let mut pool = Pool::open(watched(3, &once(at)), short(scheduling)).expect("it opens");
        let mut outcome = run(&mut pool).expect("the others train");
        outcome.measured = Default::default();
        assert!(outcome == reference(), "{at:?} {scheduling:?}");
        let start = Instant::now();
        while pool.links[0].life < 3 || !pool.links[0].live {
            run(&mut pool).expect("the others train");
            assert!(start.elapsed() < 60 * HANG, "{:?}", pool.report());
        }
        let noted = pool.options.remote.notices();
        let lost = "worker 0 (cpu (1 thread)) is lost: it does not answer for ";
        assert!(noted.iter().any(|line| line.starts_with(lost)), "{noted:?}");
        assert!(pool.report().workers[0].losses > 0);
        // It works.
        let before = pool.report().workers[0].shards;
        run(&mut pool).expect("all train");
        assert!(pool.report().workers[0].shards > before, "{at:?}");
    }
}

#[test]
fn the_only_worker_is_opened_again_from_the_last_snapshot_where_it_hangs() {
    for (at, scheduling) in [
        (At::Shards, Scheduling::Central),
        (At::Evaluation, Scheduling::Central),
        (At::Read, Scheduling::Central),
        (At::Shards, Scheduling::Distributed),
    ] {
        let hook = once(at);
        let open = || -> Result<Box<dyn Backend>, BackendError> {
            let pool = Pool::open(watched(1, &hook), short(scheduling))?;
            Ok(Box::new(pool))
        };
        let (mut pool, mut guard) = (open().expect("it opens"), Guard::default());
        guard.every = Some(Interval::Steps(2));
        let spare = || Spare {
            wait: Duration::ZERO,
            open: Box::new(open),
        };
        guard.spares = vec![spare(), spare(), spare()];
        let mut told = Vec::new();
        let mut watch = |event: Event<'_>| {
            if let Event::Notice(text) = event {
                told.push(text.to_owned());
            }
            ControlFlow::Continue(())
        };
        let trained = with(|training| train_guarded(&mut pool, training, &mut guard, &mut watch));
        drop(guard);
        let mut outcome = trained.expect("another takes its place");
        outcome.measured = Default::default();
        assert!(outcome == reference(), "{at:?} {scheduling:?}");
        assert!(
            told.iter()
                .any(|text| text.contains("every worker failed: it does not answer for ")),
            "{at:?} {told:?}"
        );
    }
}

#[test]
fn a_worker_that_does_not_open_is_lost_and_opened_again() {
    let first = Arc::new(AtomicBool::new(true));
    let mut slow = spec(BTreeMap::new());
    let Start::Thread(open) = slow.start.clone() else {
        panic!("it is a thread");
    };
    let asked = Arc::clone(&first);
    slow.start = Start::Thread(Arc::new(move || {
        while asked.load(Ordering::Relaxed) {
            std::thread::park_timeout(HANG);
        }
        open()
    }));
    let alone = Pool::open(vec![slow.clone()], short(Scheduling::Central));
    let error = alone.err().expect("nobody is there").to_string();
    assert!(error.contains("it does not answer for "), "{error}");
    let specs = vec![slow, spec(BTreeMap::new())];
    let mut pool = Pool::open(specs, short(Scheduling::Central)).expect("the other opens");
    assert!(!pool.links[0].live && pool.links[1].live);
    first.store(false, Ordering::Relaxed);
    let start = Instant::now();
    while !pool.links[0].live {
        run(&mut pool).expect("the other trains");
        assert!(start.elapsed() < 60 * HANG, "{:?}", pool.report());
    }
}

#[test]
fn workers_are_waited_for_ten_seconds_and_taken_for_lost_after_two_minutes() {
    let options = PoolOptions::default();
    let seconds = [options.limit, options.hang].map(|time| time.as_secs());
    assert_eq!(seconds, [10, 120]);
}

#[test]
fn who_is_told_something_else_within_a_slice_leaves_it() {
    let specs = vec![spec(BTreeMap::new()), spec(BTreeMap::new())];
    let mut pool = Pool::open(specs, short(Scheduling::Central)).expect("it opens");
    run(&mut pool).expect("both train");
    // The other peer is this test, and never tells anything.
    let (sender, _letters) = channel();
    let (own, shards) = (pool.links[0].sender(), pool.steps.len() as u32);
    pool.links[0].send(Order::Slice(Slice {
        members: Arc::new(Members {
            ids: vec![0, 1],
            starts: vec![0, shards / 2],
            shards,
        }),
        rank: 1,
        peers: vec![sender, own.expect("it is there")],
        programs: [pool.verify.program, pool.verify.program],
        first: pool.number + 1,
        steps: Arc::new(vec![pool.steps.clone()]),
        limit: 100.0,
        doubts: true,
        verify: 0.0,
        checkers: Arc::new(vec![1, 0]),
    }));
    pool.read(buffer::PARAMETERS, 0, 0, 1).expect("it answers");
}
