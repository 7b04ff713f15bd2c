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

/// Runs until something is so.
fn run_until(pool: &mut Pool, so: impl Fn(&Pool) -> bool) {
    let mut runs = 0;
    while !so(pool) {
        run(pool).expect("workers are there");
        runs += 1;
        assert!(runs < 10_000, "{:?}", pool.report());
    }
}

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
