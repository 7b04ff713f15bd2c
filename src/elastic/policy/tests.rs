use proptest::prelude::*;

use super::*;

fn device() -> impl Strategy<Value = DeviceKind> {
    prop_oneof![
        (1_u32..64).prop_map(|threads| DeviceKind::Cpu { threads }),
        Just(DeviceKind::Gpu),
        Just(DeviceKind::SoftwareGpu),
    ]
}

fn positive() -> impl Strategy<Value = f64> {
    (-9.0..9.0).prop_map(f64::exp2)
}

fn worker() -> impl Strategy<Value = Worker> {
    let stats = (
        proptest::option::of(positive()),
        proptest::option::of(positive()),
    );
    (device(), any::<bool>(), 0.0..10.0, stats).prop_map(
        |(device, live, weight, (rate, response))| Worker {
            id: 0,
            device,
            live,
            weight,
            stats: Stats {
                rate,
                response,
                ..Stats::default()
            },
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let recent = proptest::option::of(positive());
    (device(), 1_u32..500, positive(), recent, positive()).prop_map(
        |(device, rows, load, recent, seconds)| Record {
            device,
            shape: Shape {
                flops: 1e6,
                parameters: 1e4,
            },
            rows,
            load,
            recent,
            seconds,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_shard_is_assigned_once_to_a_live_worker(
        workers in proptest::collection::vec(worker(), 1..20),
        rows in proptest::collection::vec(1_u32..4, 0..40),
        records in proptest::collection::vec(record(), 0..80),
        step: u64,
    ) {
        let shards: Vec<Shard> = (0..).zip(rows).map(|(number, rows)| Shard { number, rows }).collect();
        let shape = Shape { flops: 1e6, parameters: 1e4 };
        let view = View { step, shape, workers: &workers, shards: &shards, load: 1.0 };
        for name in PolicyName::ALL {
            let answer = || {
                let mut policy = name.policy(Vec::new());
                for record in &records {
                    policy.note(record);
                }
                policy.assign(&view)
            };
            let assigned = answer();
            prop_assert_eq!(&assigned, &answer(), "{:?} is not deterministic", name);
            if view.live().next().is_none() {
                prop_assert!(assigned.is_none() || shards.is_empty());
                continue;
            }
            let assigned = assigned.expect("there is a live worker");
            prop_assert_eq!(assigned.len(), shards.len());
            prop_assert!(assigned.iter().all(|&worker| workers[worker].live), "{:?}", name);
            let runs = neighbours(&shards, &assigned, workers.len());
            let mut numbers = runs.concat();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..shards.len() as u32).collect::<Vec<_>>());
            for (worker, run) in runs.iter().enumerate() {
                let given = assigned.iter().filter(|&&other| other == worker).count();
                prop_assert_eq!(run.len(), given);
            }
        }
    }

    #[test]
    fn shares_add_up(shards in 0_usize..1000, shares in proptest::collection::vec(0.001..100.0_f64, 1..30)) {
        let counts = apportion(shards, &shares);
        prop_assert_eq!(counts.iter().sum::<usize>(), shards);
        let total: f64 = shares.iter().sum();
        for (count, share) in counts.iter().zip(&shares) {
            prop_assert!((*count as f64 - shards as f64 * share / total).abs() < 1.001);
        }
    }

    #[test]
    fn stealing_brings_the_end_forward(rates in proptest::collection::vec(positive(), 2..8), waiting in 0_usize..9, current in 0.0..9.0) {
        let workers: Vec<Worker> = rates.iter().map(|&rate| of_rate(rate)).collect();
        let view = View { step: 0, shape: Shape::default(), workers: &workers, shards: &[], load: 1.0 };
        let others: Vec<Late> = (1..workers.len()).map(|worker| Late { worker, waiting, current }).collect();
        let finish = |worker: usize, shards: usize| current + shards as f64 * 4.0 / rates[worker];
        if let Some((victim, taken)) = steal(&mut Throughput, &view, 0, 4, &others) {
            let before = finish(victim, waiting);
            prop_assert!(taken >= 1 && taken <= waiting);
            prop_assert!(finish(victim, waiting - taken) < before && taken as f64 * 4.0 / rates[0] < before);
        }
    }
}

fn of_rate(rate: f64) -> Worker {
    Worker {
        id: 0,
        device: DeviceKind::Gpu,
        live: true,
        weight: 1.0,
        stats: Stats {
            rate: Some(rate),
            response: Some(8.0 / rate),
            ..Stats::default()
        },
    }
}

fn counts(name: PolicyName, workers: &[Worker], shards: u32) -> Vec<usize> {
    let shards: Vec<Shard> = (0..shards)
        .map(|number| Shard { number, rows: 8 })
        .collect();
    let view = View {
        step: 3,
        shape: Shape::default(),
        workers,
        shards: &shards,
        load: 1.0,
    };
    let assigned = name
        .policy(Vec::new())
        .assign(&view)
        .expect("there is a worker");
    let count = |worker| assigned.iter().filter(|&&other| other == worker).count();
    (0..workers.len()).map(count).collect()
}

/// One whose lead is as long as so many of its shards of eight rows.
fn of_lead(rate: f64, shards: f64) -> Worker {
    let mut worker = of_rate(rate);
    worker.stats.lead = Some(shards * 8.0 / rate);
    worker
}

#[test]
fn shards_are_given_out_so_that_the_last_worker_is_done_first() {
    let counts = |workers: [Worker; 2]| counts(PolicyName::Throughput, &workers, 16);
    // 14 : 2 are four nodes and 13 : 3 five: where a sum costs little, those end earlier.
    assert_eq!(counts([of_lead(400.0, 0.3), of_lead(100.0, 0.3)]), [13, 3]);
    assert_eq!(counts([of_lead(400.0, 1.0), of_lead(100.0, 1.0)]), [14, 2]);
    // 8 : 8 are two nodes and 9 : 7 five.
    assert_eq!(counts([of_lead(400.0, 0.1), of_lead(340.0, 0.1)]), [9, 7]);
    assert_eq!(counts([of_lead(400.0, 1.0), of_lead(340.0, 1.0)]), [8, 8]);
    // One whose update takes long has less time for shards.
    assert_eq!(counts([of_lead(100.0, 0.0), of_lead(100.0, 8.0)]), [12, 4]);
}

#[test]
fn each_policy_divides_as_its_name_says() {
    let mut workers = [of_rate(100.0), of_rate(300.0), of_rate(400.0)];
    workers[0].weight = 6.0;
    assert_eq!(counts(PolicyName::RoundRobin, &workers, 15), [5, 5, 5]);
    assert_eq!(counts(PolicyName::Weighted, &workers, 16), [12, 2, 2]);
    for by_speed in [
        PolicyName::LeastResponseTime,
        PolicyName::Throughput,
        PolicyName::Learned,
    ] {
        assert_eq!(counts(by_speed, &workers, 16), [2, 6, 8], "{by_speed:?}");
    }
}

#[test]
fn a_worker_without_a_record_is_tried() {
    let mut workers = [of_rate(100.0), of_rate(100.0)];
    workers[1].stats = Stats::default();
    for name in PolicyName::ALL {
        assert_eq!(counts(name, &workers, 8), [4, 4], "{name:?}");
    }
}

#[test]
fn a_worker_that_takes_in_its_data_first_is_given_its_part_all_the_same() {
    let mut workers = [of_rate(100.0), of_rate(100.0)];
    for (worker, before) in workers.iter_mut().zip([0.01, 50.0]) {
        worker.stats = Stats::default();
        for lead in [before, 0.01] {
            worker.stats.add(&Ran {
                lead: Some(lead),
                ..took(0.08, 1.0)
            });
        }
    }
    assert_eq!(counts(PolicyName::Throughput, &workers, 8), [4, 4]);
}

fn took(seconds: f64, share: f64) -> Ran {
    Ran {
        rows: 8,
        computing: seconds,
        response: seconds,
        share,
        lead: None,
    }
}

#[test]
fn a_worker_that_slows_down_is_known_after_a_step_and_so_is_one_that_recovers() {
    let mut stats = Stats::default();
    let mut rate = |seconds: f64, share: f64| {
        stats.add(&took(seconds, share));
        stats.rate.expect("it has records")
    };
    (0..20).for_each(|_| assert!((rate(0.01, 1.0) - 800.0).abs() < 1e-6));
    // What is not far from the mean is smoothed: 0.3 of the way, in time.
    assert!((rate(0.014, 1.0) - 8.0 / 0.0112).abs() < 1e-6);
    for _ in 0..40 {
        rate(0.01, 1.0);
    }
    assert!((rate(0.04, 1.0) - 200.0).abs() < 1e-6);
    assert!((rate(0.01, 1.0) - 800.0).abs() < 1e-6);
    // Shards that are a part of a step count as such, and one that falters for one of them has not slowed down.
    let falters = rate(0.04, 0.25);
    assert!(
        (falters - 8.0 / (0.01 + 0.3 * 0.25 * 0.03)).abs() < 1e-6,
        "{falters}"
    );
    assert!(rate(0.01, 0.75) > falters);
    for _ in 0..40 {
        rate(0.01, 1.0);
    }
    assert!(rate(0.04, 0.5) > 400.0 && rate(0.04, 0.25) > 400.0);
    assert!((rate(0.04, 0.25) - 200.0).abs() < 1e-6);
}
