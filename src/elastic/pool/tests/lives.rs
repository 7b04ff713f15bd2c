//! Workers that are lost again and again.

use super::status::{TOLD, listen, told};
use super::watched::{Call, Hook, Seen, watched};
use super::*;
use crate::program::buffer;

#[test]
fn a_worker_is_opened_again_eight_times_at_most() {
    let opened = Arc::new(AtomicUsize::new(0));
    let mut faulty = spec((0..1000).map(|call| (call, Fault::Kills)).collect());
    let (count, inner) = (Arc::clone(&opened), faulty.start.clone());
    let Start::Thread(open) = inner else {
        panic!("it is a thread");
    };
    faulty.start = Start::Thread(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        open()
    }));
    let options = patient(options(PolicyName::RoundRobin, Scheduling::Central));
    let mut pool = Pool::open(vec![spec(BTreeMap::new()), faulty], options).expect("it opens");
    let mut runs = 0;
    while pool.links[1].losses < 9 {
        run(&mut pool).expect("the other trains");
        runs += 1;
        assert!(runs < 100_000, "{:?}", pool.report());
    }
    // Once at first, and then eight times; it is not due any more.
    assert!(!pool.links[1].is_due() && opened.load(Ordering::Relaxed) == 9);
    let failure = "it fails once more".to_owned();
    pool.links[1].lost(failure.into(), Some(Duration::ZERO), Instant::now());
    assert!(!pool.links[1].is_due());
}

#[test]
fn batches_are_cut_into_shards_of_64_rows_but_four_at_least_and_sixteen_at_most() {
    let shards = [1, 64, 256, 320, 512, 1024, 4096].map(PoolOptions::shards_of);
    assert_eq!(shards, [4, 4, 4, 5, 8, 16, 16]);
}

#[test]
fn who_does_not_answer_is_waited_for_no_longer_and_takes_part_again_once_it_does() {
    listen();
    for scheduling in Scheduling::ALL {
        // Shards of the first step that the first worker has begun, of its own three and of the other's.
        let seen: Arc<Seen<usize>> = Arc::default();
        let own = Arc::clone(&seen);
        let hook: Hook = Arc::new(move |worker, call| match (worker, call) {
            (0, Call::Shards(parts)) => own.change(|begun| *begun += parts.len()),
            (1, Call::Shards(_)) => own.until(|begun| *begun > 3),
            _ => {}
        });
        let options = PoolOptions {
            limit: Duration::from_millis(1),
            ..options(PolicyName::RoundRobin, scheduling)
        };
        let mut pool = Pool::open(watched(2, &hook), options).expect("it opens");
        let mut outcome = run(&mut pool).expect("both train");
        outcome.measured = Default::default();
        assert!(outcome == reference(), "{scheduling:?}");
        seen.check();
        let before = pool.report().workers[1].shards;
        let mut runs = 0;
        while pool.report().workers[1].shards < before + 6 {
            run(&mut pool).expect("both train");
            runs += 1;
            assert!(runs < 1000, "{:?}", pool.report());
        }
        let name = "worker 1 (cpu (1 thread))";
        assert!(told(&format!("{name} answers again")) && pool.report().workers[1].losses > 0);
        if scheduling == Scheduling::Central {
            assert!(told(&format!(
                "{name} does not answer: its shards go to others"
            )));
        }
        TOLD.take();
    }
}

#[test]
fn who_has_run_no_shard_of_a_network_updates_its_weights_as_the_others_do() {
    let idle = Spec {
        weight: 1e-9,
        ..spec(BTreeMap::new())
    };
    let options = patient(options(PolicyName::Weighted, Scheduling::Central));
    let mut pool = Pool::open(vec![spec(BTreeMap::new()), idle], options).expect("both open");
    run(&mut pool).expect("it trains");
    // How many help is not asked before sixteen steps.
    pool.crowd = Crowd::new(2);
    // Its parameters are fewer.
    let other = Network::new(5, &[4], Activation::Relu, 3, Activation::Identity);
    run_of(&mut pool, &other).expect("it trains");
    assert_eq!(pool.report().workers[1].shards, 0);
    let weights = |pool: &mut Pool| {
        let len = other.parameter_count();
        let members = [0, 1].map(|member| pool.read(buffer::PARAMETERS, member, 0, len));
        members.map(|values| values.expect("a worker is there"))
    };
    let wanted = weights(&mut pool);
    pool.dismiss(0);
    assert_eq!(weights(&mut pool), wanted);
}

#[test]
fn a_worker_whose_thread_panics_is_lost_at_once() {
    for scheduling in Scheduling::ALL {
        let specs = vec![spec(BTreeMap::new()), spec([(4, Fault::Panics)].into())];
        let options = patient(options(PolicyName::RoundRobin, scheduling));
        let remote = options.remote.clone();
        let (found, _) = outcome(specs, options);
        assert_eq!(found, reference());
        let lost = "worker 1 (cpu (1 thread)) is lost: its thread panicked";
        assert!(
            remote.notices().iter().any(|line| line == lost),
            "{scheduling:?}"
        );
    }
}

#[test]
fn a_worker_whose_driver_fails_and_panics_as_it_is_let_go_is_lost_once() {
    for scheduling in Scheduling::ALL {
        let specs = vec![spec(BTreeMap::new()), spec([(4, Fault::Falls)].into())];
        let options = PoolOptions {
            again: Some(Duration::from_secs(1000)),
            ..patient(options(PolicyName::RoundRobin, scheduling))
        };
        let remote = options.remote.clone();
        let mut pool = Pool::open(specs, options).expect("both open");
        run(&mut pool).expect("the other trains");
        // What its thread has said by its end is heard.
        pool.links[1].join(Instant::now() + Duration::from_secs(60));
        while pool.hear(Duration::ZERO).expect("the other is there") {}
        let noted = remote.notices();
        assert_eq!((noted.len(), pool.links[1].losses), (1, 1), "{noted:?}");
    }
}
