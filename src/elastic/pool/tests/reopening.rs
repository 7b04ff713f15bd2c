//! Pools in the place of one whose workers were lost all at once.

use super::*;
use crate::elastic::pool::Remote;

/// A worker whose device opens so many times, and then not any more.
fn opens(times: usize, worker: Spec) -> Spec {
    let Start::Thread(open) = worker.start.clone() else {
        panic!("it is a thread");
    };
    let opened = AtomicUsize::new(0);
    let start = Start::Thread(Arc::new(move || {
        if opened.fetch_add(1, Ordering::Relaxed) < times {
            return open();
        }
        Err(BackendError::Device {
            device: "a test".into(),
            reason: "it fell off the bus".into(),
        })
    }));
    Spec { start, ..worker }
}

fn killed(calls: impl IntoIterator<Item = usize>) -> Spec {
    spec(calls.into_iter().map(|call| (call, Fault::Kills)).collect())
}

/// Of workers that are not opened again while their pool is there.
fn of(remote: &Remote) -> PoolOptions {
    PoolOptions {
        again: Some(Duration::from_secs(1000)),
        remote: remote.clone(),
        ..patient(options(PolicyName::RoundRobin, Scheduling::Central))
    }
}

/// Trains until all are lost.
fn lost(mut pool: Pool) {
    let error = run(&mut pool).expect_err("all are lost");
    assert!(error.to_string().contains("every worker failed"), "{error}");
}

fn trains(mut pool: Pool) -> Vec<bool> {
    let mut outcome = run(&mut pool).expect("it trains");
    outcome.measured = Default::default();
    assert_eq!(outcome, reference());
    let workers = pool.report().workers.into_iter();
    workers.map(|worker| worker.live).collect()
}

#[test]
fn a_worker_that_opens_no_more_is_left_out_as_long_as_another_opens() {
    let remote = Remote::default();
    let specs = vec![opens(1, killed([3])), killed([12])];
    lost(Pool::open(specs, of(&remote)).expect("both open"));
    let pool = Pool::reopen(of(&remote)).expect("one opens");
    assert_eq!(trains(pool), [false, true]);
}

#[test]
fn what_does_not_open_at_first_is_an_error() {
    let specs = vec![opens(0, spec(BTreeMap::new())), spec(BTreeMap::new())];
    let error = Pool::open(specs, of(&Remote::default()))
        .err()
        .expect("one does not");
    assert!(matches!(error, BackendError::Unusable { .. }), "{error}");
}

#[test]
fn losses_of_earlier_pools_count_and_the_third_puts_another_device_there() {
    let other = Spec {
        name: "another".into(),
        ..spec(BTreeMap::new())
    };
    for (times, calls) in [(1, vec![3]), (3, vec![3, 4, 5])] {
        let remote = Remote::default();
        let card = Spec {
            spares: vec![other.clone()],
            ..opens(times, killed(calls))
        };
        lost(Pool::open(vec![card], of(&remote)).expect("it opens"));
        for _ in 0..2 {
            match Pool::reopen(of(&remote)) {
                Ok(pool) => lost(pool),
                Err(error) => assert!(error.to_string().contains("it fell off the bus"), "{error}"),
            }
        }
        let moved = "worker 0 goes on as another: ";
        let noted = remote.notices();
        assert!(
            noted.iter().any(|line| line.starts_with(moved)),
            "{noted:?}"
        );
        let pool = Pool::reopen(of(&remote)).expect("the other opens");
        assert_eq!(trains(pool), [true]);
    }
}

#[test]
fn who_was_dismissed_is_not_opened_again() {
    let remote = Remote::default();
    let specs = vec![killed([12]), spec(BTreeMap::new())];
    let mut pool = Pool::open(specs, of(&remote)).expect("both open");
    pool.dismiss(1);
    lost(pool);
    let pool = Pool::reopen(of(&remote)).expect("it opens");
    assert_eq!(trains(pool), [true]);
}
