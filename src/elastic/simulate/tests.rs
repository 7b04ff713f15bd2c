use super::*;

/// A fleet that costs nothing to run and whose members do not fail.
const IDEAL: Setup = Setup {
    steps: 20,
    shards_per_worker: 4,
    shard_time: 0.05,
    spread: 0.0,
    noise: 0.0,
    slowed: 0.0,
    joining: 0.0,
    mtbf: 0.0,
    repair: 5.0,
    notice: 0.5,
    delay: 0.0,
    bandwidth: 1e18,
    message: 0.0,
    gradient: 0.0,
    summing: 1e18,
    update: 0.0,
    seed: 1,
};

/// Two or more are in each other's way: whose sums are added up makes the others wait.
const CROWDED: Setup = Setup {
    steps: 90,
    shards_per_worker: 1,
    shard_time: 1e-3,
    gradient: 1e6,
    summing: 1e8,
    ..IDEAL
};

#[test]
fn an_ideal_fleet_computes_all_the_time() {
    // As long as it is looked at with all.
    let setup = Setup { steps: 16, ..IDEAL };
    for scheduling in Scheduling::ALL {
        for policy in PolicyName::ALL {
            for workers in [1, 2, 7, 32] {
                let outcome = simulate(&setup, workers, scheduling, policy);
                let outcome = outcome.expect("nothing fails");
                // Each step is four shards of 0.05 s.
                assert!((outcome.seconds - 3.2).abs() < 1e-6, "{outcome:?}");
                assert!((outcome.goodput - 1.0).abs() < 1e-6, "{outcome:?}");
                assert!(
                    outcome.lost.abs() < 1e-9 && outcome.failures == 0,
                    "{outcome:?}"
                );
            }
        }
    }
}

#[test]
fn of_two_workers_one_slow_the_clever_policies_lose_little() {
    let setup = Setup {
        steps: 200,
        slowed: 0.5,
        shards_per_worker: 16,
        ..IDEAL
    };
    let goodput = |policy| {
        let outcome = simulate(&setup, 2, Scheduling::Central, policy);
        outcome.expect("nothing fails").goodput
    };
    let [plain, clever, learned] = [
        PolicyName::RoundRobin,
        PolicyName::Throughput,
        PolicyName::Learned,
    ]
    .map(goodput);
    assert!(clever > 0.9 && learned > 0.9, "{clever} {learned}");
    assert!(plain < 0.8, "{plain}");
}

#[test]
fn failures_cost_work_and_the_run_ends_all_the_same() {
    let setup = Setup {
        mtbf: 20.0,
        repair: 0.5,
        notice: 0.1,
        spread: 0.3,
        joining: 0.2,
        delay: 1e-4,
        message: 1e-5,
        ..IDEAL
    };
    for scheduling in Scheduling::ALL {
        for policy in PolicyName::ALL {
            let outcome = simulate(&setup, 40, scheduling, policy);
            let outcome = outcome.expect("workers come back");
            assert!(outcome.failures > 3 && outcome.lost > 0.0, "{outcome:?}");
            assert!(
                outcome.goodput > 0.1 && outcome.goodput < 1.0,
                "{outcome:?}"
            );
            assert_eq!(Some(outcome), simulate(&setup, 40, scheduling, policy));
        }
    }
}

#[test]
fn a_coordinator_is_the_bottleneck_of_a_large_fleet_and_peers_are_not() {
    let setup = Setup {
        steps: 5,
        message: 2e-4,
        ..IDEAL
    };
    let run = |workers, scheduling| {
        simulate(&setup, workers, scheduling, PolicyName::Throughput).expect("nothing fails")
    };
    let all: Vec<Outcome> = [4, 40, 400, 1600]
        .into_iter()
        .flat_map(|workers| Scheduling::ALL.map(|scheduling| run(workers, scheduling)))
        .collect();
    // 400 workers make for 2400 messages of 0.2 ms in a step of 0.2 s.
    assert_eq!(bottleneck(&all).map(|outcome| outcome.workers), Some(400));
    // Each member is told once what it does in a slice, which is one step here: that is all that peers wait for.
    let [central, distributed] = [all[6], all[7]];
    assert!(
        central.goodput < 0.25 && distributed.goodput > 2.0 * central.goodput,
        "{central:?} {distributed:?}"
    );
}

#[test]
fn as_many_virtual_workers_are_used_as_help() {
    for scheduling in Scheduling::ALL {
        let used = |setup: &Setup, workers| {
            let run = || simulate(setup, workers, scheduling, PolicyName::RoundRobin);
            assert_eq!(run(), run());
            run().expect("nothing fails").used
        };
        let steps = CROWDED.steps;
        for workers in [1, 2, 8] {
            assert_eq!(used(&Setup { steps, ..IDEAL }, workers), workers);
            assert_eq!(used(&CROWDED, workers), 1, "{scheduling} {workers}");
        }
        // It is found anew when the second comes, in the first half of the time.
        for seed in 1..=20 {
            let setup = Setup {
                seed,
                steps,
                joining: 0.5,
                ..IDEAL
            };
            assert_eq!(used(&setup, 2), 2, "{scheduling} {seed}");
        }
    }
}

#[test]
fn virtual_workers_that_come_take_part_from_the_next_step_on() {
    for scheduling in Scheduling::ALL {
        for seed in 1..=20 {
            let setup = Setup {
                seed,
                steps: 16,
                joining: 0.34,
                ..IDEAL
            };
            let outcome = simulate(&setup, 3, scheduling, PolicyName::Throughput);
            let outcome = outcome.expect("nothing fails");
            // Twelve shards of 0.05 s are run by two workers or by three.
            let tenths = outcome.seconds / 0.1;
            assert!((tenths - tenths.round()).abs() < 1e-6, "{outcome:?}");
            assert!((33.0..48.0).contains(&tenths.round()), "{outcome:?}");
        }
    }
}

#[test]
fn virtual_workers_that_stand_by_update_their_weights() {
    // From early on the slow one takes 40 ms for it, and all else of a step a few.
    let setup = Setup {
        slowed: 0.5,
        update: 0.01,
        ..CROWDED
    };
    for scheduling in Scheduling::ALL {
        let outcome = simulate(&setup, 2, scheduling, PolicyName::RoundRobin);
        let outcome = outcome.expect("nothing fails");
        assert_eq!(outcome.used, 1, "{scheduling}");
        let least = 0.9 * 0.04 * setup.steps as f64;
        assert!(outcome.seconds > least, "{outcome:?}");
    }
}

#[test]
fn virtual_workers_that_stand_by_are_called_in_where_none_else_is_left() {
    let setup = Setup {
        mtbf: 2.0,
        repair: 1e9,
        notice: 0.1,
        ..CROWDED
    };
    for scheduling in Scheduling::ALL {
        let runs = (1..=20).map(|seed| {
            let setup = Setup { seed, ..setup };
            let outcome = simulate(&setup, 8, scheduling, PolicyName::RoundRobin);
            outcome.expect("they come back at last")
        });
        // Nobody waits for who is away, as long as not all are.
        let runs = runs.filter(|outcome| outcome.failures < 8);
        let mut times = runs.map(|outcome| outcome.seconds);
        assert!(times.by_ref().take(10).all(|seconds| seconds < 100.0));
    }
}

#[test]
fn lives_and_repairs_are_of_the_distributions_that_were_found() {
    let setup = Setup {
        mtbf: 100.0,
        ..IDEAL
    };
    let mut fleet = Fleet::new(&setup, 1);
    let count = 20_000;
    let lives = (0..count).map(|_| fleet.comes(&setup, 0, 0.0).expect("it fails"));
    let lives: Vec<f64> = lives.collect();
    let repairs: Vec<f64> = (0..count).map(|_| fleet.fails(&setup, 0, 0.0)).collect();
    let moments = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / f64::from(count);
        let squares = values.iter().map(|value| (value - mean).powi(2));
        (mean, (squares.sum::<f64>() / f64::from(count)).sqrt())
    };
    let logarithms = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
    let (mean, _) = moments(&lives);
    assert!((mean / 100.0 - 1.0).abs() < 0.05, "{mean}");
    // The logarithm of a Weibull variable of shape k has the deviation π/(k√6).
    let (_, deviation) = moments(&logarithms(&lives));
    let wanted = std::f64::consts::PI / (0.7 * 6_f64.sqrt());
    assert!((deviation / wanted - 1.0).abs() < 0.05, "{deviation}");
    let (middle, deviation) = moments(&logarithms(&repairs));
    assert!((middle - 5_f64.ln()).abs() < 0.05, "{middle}");
    assert!((deviation / 1.94 - 1.0).abs() < 0.05, "{deviation}");
}

#[test]
fn the_only_worker_waits_for_no_message_between_short_steps() {
    let setup = Setup {
        steps: 200,
        shard_time: 2.5e-4,
        delay: 1e-3,
        message: 1e-5,
        ..IDEAL
    };
    let run = |workers| {
        let outcome = simulate(&setup, workers, Scheduling::Central, PolicyName::Throughput);
        outcome.expect("nothing fails").goodput
    };
    // A step takes a millisecond, and so does each message.
    let [one, two] = [1, 2].map(run);
    assert!(one > 0.88 && two < 0.5, "{one} {two}");
}
