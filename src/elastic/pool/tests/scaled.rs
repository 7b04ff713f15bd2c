//! Pools whose workers are changed while they train.

use super::*;

fn named(name: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        ..spec(BTreeMap::new())
    }
}

/// One that never opens.
fn absent(name: &str) -> Spec {
    let open = || -> Result<Box<dyn Backend>, BackendError> {
        Err(BackendError::Device {
            device: "a test".into(),
            reason: "it is not there".into(),
        })
    };
    Spec {
        start: Start::Thread(Arc::new(open)),
        ..named(name)
    }
}

/// Runs until something is so: what is waited for before a worker is opened again is time, and not runs.
fn run_until(pool: &mut Pool, so: impl Fn(&Pool) -> bool) {
    let start = Instant::now();
    while !so(pool) {
        run(pool).expect("workers are there");
        assert!(start.elapsed() < LONG, "{:?}", pool.report());
    }
}

/// What is not so by then never will be.
const LONG: Duration = Duration::from_secs(60);

fn live(pool: &Pool) -> Vec<&str> {
    let links = pool.links.iter().filter(|link| link.live);
    links.map(|link| &*link.spec.name).collect()
}

#[test]
fn workers_go_once_one_that_is_to_stay_has_come() {
    for scheduling in Scheduling::ALL {
        let options = patient(options(PolicyName::Throughput, scheduling));
        let remote = options.remote.clone();
        let mut pool = Pool::open(vec![named("old"), named("old")], options).expect("it opens");
        remote.scale(vec![absent("new")]);
        // Once at first and eight times again.
        run_until(&mut pool, |pool| {
            pool.links.get(2).is_some_and(|link| link.losses > 8)
        });
        assert_eq!(live(&pool), ["old", "old"], "{scheduling:?}");

        remote.scale(vec![named("other"), absent("new")]);
        run_until(&mut pool, |pool| live(pool) == ["other"]);
    }
}

#[test]
fn a_worker_that_was_lost_for_good_is_replaced_when_it_is_asked_for_again() {
    for scheduling in Scheduling::ALL {
        let options = patient(options(PolicyName::Throughput, scheduling));
        let remote = options.remote.clone();
        let opens = Arc::new(AtomicUsize::new(0));
        let (count, sound) = (Arc::clone(&opens), named("card"));
        let Start::Thread(open) = sound.start else {
            panic!("it is a thread");
        };
        // It does not open for eight times, as a card that falls off its bus, and then does again.
        let flaky = Spec {
            start: Start::Thread(Arc::new(move || {
                match count.fetch_add(1, Ordering::Relaxed) {
                    1..9 => Err(BackendError::Device {
                        device: "a card".into(),
                        reason: "it is not there".into(),
                    }),
                    _ => open(),
                }
            })),
            ..named("card")
        };
        let mut pool = Pool::open(vec![named("cpu"), flaky.clone()], options).expect("it opens");
        pool.lose(1, "it is gone".to_owned().into())
            .expect("the other is there");
        run_until(&mut pool, |pool| pool.links[1].is_over());
        assert_eq!((opens.load(Ordering::Relaxed), live(&pool).len()), (9, 1));
        remote.scale(vec![named("cpu"), flaky]);
        run_until(&mut pool, |pool| live(pool) == ["cpu", "card"]);
        assert_eq!(pool.links.len(), 3);
        assert!(!pool.links[0].dismissed && pool.links[1].dismissed);
    }
}

#[test]
fn a_worker_that_is_there_has_the_weight_that_it_is_asked_for_with() {
    let weighing = |name, weight| Spec {
        weight,
        ..named(name)
    };
    let options = patient(options(PolicyName::Weighted, Scheduling::Central));
    let remote = options.remote.clone();
    let there = vec![weighing("a", 1.0), weighing("a", 3.0), weighing("b", 1.0)];
    let mut pool = Pool::open(there, options).expect("it opens");
    let mut weights = |wanted: &[(&'static str, f64)]| {
        let wanted = wanted.iter().map(|&(name, weight)| weighing(name, weight));
        remote.scale(wanted.collect());
        run(&mut pool).expect("all train");
        let workers = pool.crew.workers.iter();
        workers.map(|worker| worker.weight).collect::<Vec<_>>()
    };
    // Those that have theirs keep it, in whatever order they are named.
    assert_eq!(
        weights(&[("a", 3.0), ("b", 2.0), ("a", 1.0)]),
        [1.0, 3.0, 2.0]
    );
    // Half of the shards are the first's from here on.
    assert_eq!(
        weights(&[("a", 4.0), ("a", 2.0), ("b", 2.0)]),
        [4.0, 2.0, 2.0]
    );
    pool.crowd = Crowd::new(3);
    let shards = |pool: &Pool| pool.report().workers[0].shards;
    let before = shards(&pool);
    run(&mut pool).expect("all train");
    // Of nine steps, two in three have six shards and the others two; that fewer workers help is not asked before sixteen.
    assert_eq!(shards(&pool) - before, 3 * (3 + 3 + 1));
}
