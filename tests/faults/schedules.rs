//! Whole schedules, all drawn: who works on what and by which policy, what fails, and when the run is interrupted.

use clap::ValueEnum;
use gpu_mlp::elastic::policy::PolicyName;
use gpu_mlp::elastic::simulate::Scheduling;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Place, Running};

const OPTIONS: &str = "digits --epochs 5 --hidden 12 --batch-size 128 --dropout 0.1 --validation 0.1 --checkpoint-every 7";

/// A part of a run: what one process does.
#[derive(Clone, Debug)]
struct Drawn {
    workers: usize,
    processes: bool,
    policy: PolicyName,
    scheduling: Scheduling,
    verify: f64,
    /// As `GPU_MLP_FAULTS` names them.
    faults: Vec<String>,
    /// How it is ended, once there is as much more in the log as this share of a whole run's.
    signal: &'static str,
    share: f64,
}

fn fault() -> impl Strategy<Value = String> {
    const NAMES: [&str; 5] = ["lose", "hang", "memory", "invalid", "slow"];
    (select(&NAMES[..]), 0_u32..60).prop_map(|(name, step)| match name {
        "slow" => format!("slow@{step}:5ms"),
        name => format!("{name}@{step}"),
    })
}

prop_compose! {
    fn drawn()(
        workers in 1_usize..4,
        processes in proptest::bool::weighted(0.25),
        policy in select(&PolicyName::ALL[..]),
        scheduling in select(&Scheduling::ALL[..]),
        verify in select(&[0.0, 0.2][..]),
        faults in proptest::collection::vec(fault(), 0..4),
        signal in select(&["-KILL", "-TERM"][..]),
        share in 0.0..0.6,
    ) -> Drawn {
        Drawn { workers, processes, policy, scheduling, verify, faults, signal, share }
    }
}

impl Drawn {
    /// The options of `train` and `resume` that it is.
    fn words(&self, device: &str) -> String {
        format!(
            "--workers {device}*{} --worker-processes={} --policy {} --scheduling {} --verify {}",
            self.workers,
            self.processes,
            name(&self.policy),
            name(&self.scheduling),
            self.verify
        )
    }
}

/// As options name it.
fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("none is hidden");
    value.get_name().to_owned()
}

/// Trains in these parts, the last of which goes on to the end. The model is that of a run by one worker that nothing happened to.
fn is_the_model_of_one(device: &str, parts: &[Drawn]) {
    let place = Place::new();
    place.ok(&format!("train {OPTIONS} --workers {device} --run whole"));
    let size = place.bytes("whole/log.jsonl").len() as f64;
    let (mut begun, mut told) = (false, String::new());
    for (number, part) in parts.iter().enumerate() {
        let options = part.words(device);
        let words = if begun {
            format!("resume run {options}")
        } else {
            format!("train {OPTIONS} {options} --run run")
        };
        let mut command = place.command(&words);
        command.env("GPU_MLP_FAULTS", part.faults.join(","));
        let last = number + 1 == parts.len();
        let bytes = if last { f64::MAX } else { part.share * size };
        let running = Running::until(command, bytes as usize);
        if !last {
            running.signal(part.signal);
        }
        let (code, text) = running.end();
        told += &format!("{words}, {:?}: {code}\n{text}\n", part.faults);
        // It may have been ended between its model and its end, or before it listened to signals.
        let finished = code == 0 || (code == 2 && text.contains("the run is finished"));
        let ended = code == -1 || (part.signal == "-TERM" && code == 143);
        assert!(finished || (!last && ended), "{told}");
        if finished {
            break;
        }
        // It may have been ended before there was a run.
        begun = place.path("run/run.json").exists();
    }
    let model = |run: &str| place.bytes(format!("{run}/model.safetensors"));
    assert!(model("run") == model("whole"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn whatever_fails_and_whoever_goes_on_the_model_is_that_of_one_worker(
        parts in proptest::collection::vec(drawn(), 1..5),
    ) {
        is_the_model_of_one("cpu:1", &parts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn so_it_is_of_workers_on_an_adapter(parts in proptest::collection::vec(drawn(), 1..4)) {
        is_the_model_of_one("gpu", &parts);
    }
}
