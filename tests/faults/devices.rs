//! Devices that fail in the middle of a run.

use std::ops::ControlFlow;
use std::time::Duration;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::faults::{Fault, Faults, Faulty};
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::backend::{Backend, BackendError};
use gpu_mlp::data::{ReadOptions, load};
use gpu_mlp::train::{
    Config, Event, FitError, Fitted, Guard, Interval, Plan, Spare, TrainError, fastest,
};

use super::Place;

pub(super) fn plan(options: &str) -> Plan {
    let config = Config::from_toml(options).expect(options);
    let loaded = load("digits", &ReadOptions::default()).expect("it is built in");
    Plan::new(&loaded, &config, None).expect(options)
}

pub(super) fn opened(gpu: bool) -> Box<dyn Backend> {
    if gpu {
        let opened = GpuBackend::open(&AdapterChoice::Best);
        Box::new(opened.expect("a Vulkan adapter: see scripts/test.sh"))
    } else {
        Box::new(CpuBackend::<f32>::new())
    }
}

/// Trains where these faults happen, with so many spares of the same kind, and returns what was told of them.
pub(super) fn fit(
    plan: &Plan,
    gpu: bool,
    faults: &Faults,
    spares: usize,
) -> (Result<Fitted, FitError>, Vec<String>) {
    let open = || -> Box<dyn Backend> { Box::new(Faulty::new(opened(gpu), faults.clone())) };
    let mut backend = open();
    let mut guard = Guard::default();
    guard.every = Some(Interval::Steps(10));
    let spare = |_| Spare {
        wait: Duration::ZERO,
        open: Box::new(|| Ok(open())),
    };
    guard.spares = (0..spares).map(spare).collect();
    let mut told = Vec::new();
    let fitted = plan.fit_guarded(&mut backend, &mut guard, &mut |event| {
        if let Event::Notice(text) = event {
            told.push(text.to_owned());
        }
        ControlFlow::Continue(())
    });
    (fitted, told)
}

pub(super) const OPTIONS: &str =
    "epochs = 3\nhidden = [24]\nvalidation = 0.1\naverage = 0.9\nbatch-size = 64";

#[test]
fn a_run_whose_device_fails_has_the_bits_of_one_whose_device_does_not() {
    let plan = plan(OPTIONS);
    for gpu in [false, true] {
        let (whole, _) = fit(&plan, gpu, &Faults::default(), 0);
        let whole = whole.expect("it trains");
        // Before the first snapshot, behind some, and twice at one place; in every way that leaves batches as they are.
        let faults: Faults = "lose@4,lose@17,slow@20:1ms,hang@30,lose@30,invalid@44,lose@51"
            .parse()
            .expect("faults");
        let (fitted, told) = fit(&plan, gpu, &faults, 3);
        let fitted = fitted.expect("it trains");
        assert_eq!((faults.left(), told.len()), (0, 6), "{told:?}");
        // An adapter's driver says what was wrong.
        let invalid = if gpu {
            "failed: Validation Error"
        } else {
            "failed: as it was asked to"
        };
        assert_eq!(fitted.model.members, whole.model.members);
        assert_eq!(fitted.outcome.members, whole.outcome.members);
        assert_eq!(fitted.outcome.samples, whole.outcome.samples);
        for (line, parts) in told.iter().zip([
            ["was lost", "behind step 0"],
            ["was lost", "behind step 10"],
            ["hangs", "behind step 30"],
            ["was lost", "behind step 30"],
            [invalid, "behind step 40"],
            ["was lost", "behind step 50"],
        ]) {
            assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        }
    }
}

#[test]
fn a_device_that_fails_within_a_window_is_given_its_rows_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = super::snapshots::rows_in_a_file(folder.path());
    let config = Config::from_toml("window = 64\nepochs = 3\nhidden = [12]\nbatch-size = 16");
    let plan = Plan::open(&data, &config.expect("it is valid"), None).expect("it is opened");
    for gpu in [false, true] {
        let (whole, _) = fit(&plan, gpu, &Faults::default(), 0);
        let faults: Faults = "lose@3,lose@22,lose@51".parse().expect("faults");
        let (fitted, told) = fit(&plan, gpu, &faults, 3);
        assert_eq!((faults.left(), told.len()), (0, 3), "{told:?}");
        let members = |fitted: Result<Fitted, FitError>| fitted.expect("it trains").model.members;
        assert_eq!(members(fitted), members(whole));
    }
}

#[test]
fn a_device_that_fails_at_one_place_for_ever_is_given_up() {
    let plan = plan(OPTIONS);
    let faults: Faults = ["lose@20"; 9].join(",").parse().expect("faults");
    let (fitted, told) = fit(&plan, false, &faults, 3);
    let Err(FitError::Train(TrainError::Backend(BackendError::Lost { .. }), _)) = fitted else {
        panic!("{told:?}");
    };
    assert_eq!((faults.left(), told.len()), (5, 3));
}

#[test]
fn a_submission_that_takes_too_long_is_a_device_that_hangs() {
    let plan = plan("epochs = 3\nhidden = [2048, 2048]\nbatch-size = 1024");
    let opened = GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter");
    let mut backend: Box<dyn Backend> = Box::new(opened.with_patience(Duration::ZERO, 0.0));
    let mut guard = Guard::default();
    let fitted = plan.fit_guarded(&mut backend, &mut guard, &mut |_| ControlFlow::Continue(()));
    let Err(FitError::Train(TrainError::Backend(error), _)) = fitted else {
        panic!("it has come back at once");
    };
    assert!(
        error.is_failure() && error.to_string().contains("hangs"),
        "{error}"
    );
}

#[test]
fn a_loss_that_is_no_number_goes_back_with_half_the_rate_three_times_at_most() {
    let plan = |what: &str| plan(&format!("{OPTIONS}\nseed = 3\non-divergence = \"{what}\""));
    let nan = |times: usize| -> Faults { vec!["nan@25"; times].join(",").parse().expect("faults") };
    let (whole, _) = fit(&plan("stop"), false, &Faults::default(), 1);
    let whole = whole.expect("it trains").model.members;
    // Five have it before the next snapshot, one when they are made again: so it is of the model.
    let (fitted, told) = fit(&plan("rollback"), false, &nan(6), 0);
    let fitted = fitted.expect("it goes on");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("back to step 20")
            && told[0].contains("0.5 of the learning rate (1 of 3 times)"),
        "{told:?}"
    );
    assert!(fitted.outcome.members[0].scores[2].is_some_and(|scores| scores.accuracy > 0.5));
    // The rate is another from there on.
    assert_ne!(whole, fitted.model.members);

    let (fitted, told) = fit(&plan("rollback"), false, &nan(100), 0);
    let error = fitted
        .map(|_| ())
        .expect_err(&format!("it is given up: {told:?}"))
        .to_string();
    assert!(
        told.len() == 3 && error.contains("halved 3 times already"),
        "{error} {told:?}"
    );
    let (fitted, told) = fit(&plan("stop"), false, &nan(6), 1);
    let error = fitted.expect_err("it stops").to_string();
    assert!(
        told.is_empty() && error.contains("--on-divergence rollback"),
        "{error}"
    );
}

#[test]
fn a_device_that_errs_once_is_told_of_and_changes_no_bits() {
    for what in ["stop", "rollback"] {
        // In the middle of an epoch, in the first step behind a snapshot, and in the last step of all.
        for step in [25, 20, 59] {
            let plan = plan(&format!("{OPTIONS}\nseed = 3\non-divergence = \"{what}\""));
            let (whole, _) = fit(&plan, false, &Faults::default(), 1);
            let faults = Faults::new(vec![(step, Fault::Corrupt)]);
            let (fitted, told) = fit(&plan, false, &faults, 1);
            let [whole, fitted] = [whole, fitted].map(|fitted| fitted.expect("it trains"));
            assert_eq!(faults.left(), 0);
            assert!(
                told.len() == 1 && told[0].contains("had erred"),
                "{step}: {told:?}"
            );
            assert_eq!(whole.model.members, fitted.model.members, "{step}");
            assert_eq!(whole.outcome.members, fitted.outcome.members, "{step}");
        }
    }
}

#[test]
fn workers_fail_as_they_are_asked_to_and_the_model_is_the_same() {
    let place = Place::new();
    for scheduling in ["central", "distributed"] {
        let train = |out: &str, faults: &str| {
            let words = format!(
                "train digits --workers cpu:1*3 --scheduling {scheduling} --hidden 16 --epochs 4 --batch-size 64 --out {out}"
            );
            let mut command = place.command(&words);
            if !faults.is_empty() {
                command.env("GPU_MLP_FAULTS", faults);
            }
            super::ended(command.output().expect("it runs"))
        };
        assert_eq!(train("whole", "").0, 0);
        for (faults, part) in [
            ("nan@9", "is no number: it is made again"),
            ("lose@20", "was lost"),
            ("memory@9", "has no memory left"),
        ] {
            let (code, told) = train("failed", faults);
            assert_eq!(code, 0, "{told}");
            assert!(told.contains(part), "{part}: {told}");
            assert!(
                place.bytes("whole") == place.bytes("failed"),
                "{scheduling} {faults}"
            );
        }
    }
    for scheduling in ["central", "distributed"] {
        let mut command = place.command(&format!(
            "train digits --workers cpu:1*3 --scheduling {scheduling} --hidden 16 --epochs 4 --batch-size 64 --run {scheduling}"
        ));
        let output = command.env("GPU_MLP_FAULTS", "nan@9").output();
        let (code, told) = super::ended(output.expect("it runs"));
        assert_eq!(code, 0, "{told}");
        let checked = "its kernels agree with their twins: put out";
        let noted = |line: &serde_json::Value| {
            line["event"] == "notice"
                && line["text"]
                    .as_str()
                    .is_some_and(|text| text.ends_with(checked))
        };
        assert!(place.log(scheduling).iter().any(noted), "{told}");
        let reports = [
            "put out: found no number as gradient of step 1",
            "put out: disagrees on shard ",
        ];
        assert!(reports.iter().any(|report| told.contains(report)), "{told}");
    }
}

#[test]
fn of_two_workers_the_one_whose_kernels_are_off_is_put_out_and_the_model_is_the_same() {
    let place = Place::new();
    for scheduling in ["central", "distributed"] {
        let train = |out: &str, faults: Option<&str>| {
            let words = format!(
                "train digits --workers cpu:1*2 --verify 1 --scheduling {scheduling} --hidden 16 --epochs 4 --batch-size 64 --out {out}"
            );
            let mut command = place.command(&words);
            command.envs(faults.map(|faults| ("GPU_MLP_FAULTS", faults)));
            let (code, told) = super::ended(command.output().expect("it runs"));
            assert_eq!(code, 0, "{told}");
            told
        };
        train("whole", None);
        let told = train("failed", Some("wrong@9"));
        let mut lines = told.lines();
        assert!(
            lines.any(|line| line.ends_with(" is off by 5.0e-1: put out")),
            "{told}"
        );
        assert!(
            place.bytes("whole") == place.bytes("failed"),
            "{scheduling}"
        );
    }
}

#[test]
fn workers_on_an_adapter_lose_their_devices_and_the_model_is_the_same() {
    let place = Place::new();
    let train = |out: &str, scheduling: &str, faults: Option<&str>| {
        let words = format!(
            "train digits --workers gpu*2 --scheduling {scheduling} --hidden 16 --epochs 2 --batch-size 64 --out {out}"
        );
        let mut command = place.command(&words);
        command.envs(faults.map(|faults| ("GPU_MLP_FAULTS", faults)));
        let (code, told) = super::ended(command.output().expect("it runs"));
        assert_eq!(code, 0, "{told}");
        told
    };
    train("whole", "central", None);
    // A real end of the device, and a real error of its validation.
    for scheduling in ["central", "distributed"] {
        for faults in ["lose@9", "invalid@9"] {
            let told = train("failed", scheduling, Some(faults));
            assert!(told.contains("is lost: "), "{told}");
            assert!(
                place.bytes("whole") == place.bytes("failed"),
                "{scheduling} {faults}"
            );
        }
    }
}

#[test]
fn workers_whose_only_card_is_lost_again_and_again_go_on_on_the_processor() {
    let place = Place::new();
    for (workers, losses) in [("gpu", 3), ("gpu*2", 6)] {
        let words = format!("train digits --workers {workers} --hidden 16 --epochs 4 --out model");
        let mut command = place.command(&words);
        command.env("GPU_MLP_FAULTS", vec!["lose@30"; losses].join(","));
        let (code, told) = super::ended(command.output().expect("it runs"));
        assert_eq!(code, 0, "{workers}: {told}");
        let moved = " goes on as cpu:";
        assert!(told.lines().any(|line| line.contains(moved)), "{told}");
        let on = |line: &str| line.contains("; training goes on behind step 0, on ");
        let last = told.lines().rfind(|line| on(line));
        assert!(last.is_some_and(|line| line.contains(" × cpu (")), "{told}");
    }
}

#[test]
fn workers_that_diverge_go_back_with_half_the_rate_and_come_to_the_same_weights() {
    let place = Place::new();
    let mut rows = String::from("a,b,y\n");
    for row in 0..200 {
        let [a, b] = [0.37, 0.81].map(|step| (f64::from(row) * step).sin());
        rows += &format!("{a},{b},{}\n", 2.0 * a - b + a * b);
    }
    std::fs::write(place.path("rows.csv"), rows).expect("it is written");
    let train = |out: &str, workers: &str| {
        place.ok(&format!(
            "train rows.csv --target y --hidden 8 --activation relu --optimizer sgd --lr 0.5 --schedule constant --epochs 30 \
             --patience 0 --batch-size 50 --on-divergence rollback --out {out} --workers {workers}"
        ))
    };
    train("one", "cpu:1");
    for workers in ["cpu:1*3", "cpu:1*2 --scheduling distributed"] {
        let told = train("several", workers);
        let parts = [
            "is no number, whoever computes it",
            "back to step 0, and on with 0.5 of the learning rate (1 of 3 times)",
        ];
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        assert!(place.bytes("one") == place.bytes("several"), "{workers}");
    }
}

#[test]
fn what_was_timed_on_a_device_leaves_no_moments_to_its_run() {
    let plan = plan(&format!("{OPTIONS}\noptimizer = \"adam\""));
    for gpu in [false, true] {
        let mut timed = [opened(gpu), opened(gpu)];
        let chosen = fastest(&mut timed, &plan).expect("both can");
        let mut go_on = |_: Event<'_>| ControlFlow::Continue(());
        let fitted = plan.fit(&mut *timed[chosen], &mut go_on);
        let (fresh, _) = fit(&plan, gpu, &Faults::default(), 0);
        assert_eq!(
            fitted.expect("it trains").model.members,
            fresh.expect("it trains").model.members
        );
    }
}

#[test]
fn the_binary_goes_on_where_its_device_fails() {
    let place = Place::new();
    for device in ["cpu", "gpu"] {
        let train = |out: &str, faults: &str| {
            let words = format!(
                "train digits --device {device} --hidden 16 --epochs 4 --batch-size 64 --out {out}"
            );
            let mut command = place.command(&words);
            if !faults.is_empty() {
                command.env("GPU_MLP_FAULTS", faults);
            }
            super::ended(command.output().expect("it runs"))
        };
        assert_eq!(train("whole", "").0, 0);
        let (code, told) = train("failed", "lose@30");
        assert_eq!(code, 0, "{told}");
        let lines: Vec<_> = told
            .lines()
            .filter(|line| line.contains("was lost"))
            .collect();
        assert!(
            lines.len() == 1 && lines[0].contains("training goes on behind step 0, on"),
            "{told}"
        );
        assert!(place.bytes("whole") == place.bytes("failed"), "{device}");
    }
    // Three times the same adapter, then no other, then the CPU, whose bits are other ones.
    let words = "train digits --device gpu --hidden 16 --epochs 4 --run moved";
    let mut command = place.command(words);
    command.env("GPU_MLP_FAULTS", ["lose@30"; 4].join(","));
    let (code, told) = super::ended(command.output().expect("it runs"));
    assert_eq!(code, 0, "{told}");
    assert!(
        told.lines()
            .any(|line| line.contains("was lost") && line.contains("on cpu (")),
        "{told}"
    );
    let notices = place
        .log("moved")
        .iter()
        .filter(|line| line["event"] == "notice")
        .count();
    assert_eq!(notices, 5, "{told}");
}
