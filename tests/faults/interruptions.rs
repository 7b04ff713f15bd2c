//! Processes that are ended in the middle of a run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use gpu_mlp::random::{Purpose, key, threefry2x32};

use super::Place;

/// Runs whose numbers follow from much that a checkpoint has to hold, and how often they are killed: fifty times in all.
const RUNS: [(&str, u32); 7] = [
    (
        "digits --device cpu --epochs 40 --hidden 70 --validation 0.1 --patience 30 --average 0.9 --checkpoint-every 23",
        9,
    ),
    (
        "digits --device cpu --epochs 30 --hidden 32 --folds 2 --accumulate 2 --schedule plateau --out-of-fold rows.csv --checkpoint-every 50ms",
        7,
    ),
    (
        "xor --device cpu --epochs 60000 --hidden 4 --optimizer amsgrad --checkpoint-every 20ms",
        8,
    ),
    (
        "digits --device gpu --epochs 6 --hidden 16 --batch-size 64 --checkpoint-every 7",
        4,
    ),
    (
        "digits --device cpu --epochs 20 --hidden 32 --batch-size 100 --noise 0.1 --mask 0.1 --mixup 0.4 --shift 1 --rotate 10 --flip \
         --cutout 2 --sampling balanced --checkpoint-every 7",
        8,
    ),
    (
        "digits --workers cpu:1*3 --epochs 15 --hidden 32 --validation 0.1 --dropout 0.1 --verify 0.2 --checkpoint-every 11",
        8,
    ),
    (
        "digits --workers cpu:1*2 --worker-processes --scheduling distributed --epochs 10 --hidden 32 --checkpoint-every 11",
        6,
    ),
];

#[test]
fn runs_that_are_killed_at_random_moments_end_on_the_bits_of_those_that_are_not() {
    let place = Place::new();
    for (number, (options, times)) in RUNS.iter().enumerate() {
        let whole = format!("whole-{number}");
        place.ok(&format!("train {options} --run {whole}"));
        let model = place.bytes(format!("{whole}/model.safetensors"));
        let size = fs::metadata(place.path(&whole).join("log.jsonl"))
            .expect("a log")
            .len();
        let same = |run: &str| {
            assert!(
                place.bytes(format!("{run}/model.safetensors")) == model,
                "{options}"
            );
            let left = place.checkpoints(run);
            assert!(left.len() <= 3, "{left:?}");
        };
        let (mut run, mut killed, mut draws) = (format!("run-{number}-0"), 0, 0);
        let begin = |run: &str| format!("train {options} --run {run}");
        let mut words = begin(&run);
        while killed < *times {
            // In all, less than the whole log: a run is killed many times before its end.
            let [draw, _] = threefry2x32(key(7, Purpose::Split), [number as u32, draws]);
            draws += 1;
            let share = f64::from(draw) / f64::from(u32::MAX) / f64::from(*times);
            let mut running = place.until(&words, (share * size as f64) as usize);
            if running.kill() {
                killed += 1;
                // It may have been killed before there was a run.
                if place.path(&run).join("run.json").exists() {
                    words = format!("resume {run}");
                }
            } else {
                // It was faster than its end could be told.
                same(&run);
                run = format!("run-{number}-{draws}");
                words = begin(&run);
            }
        }
        let (code, told) = place.run(&words);
        let finished = told.contains("the run is finished");
        assert!(code == 0 || (code == 2 && finished), "{words}: {told}");
        same(&run);
    }
}

/// Starts it, and ends it after so long, if it has not ended by itself.
fn killed_after(place: &Place, words: &str, time: Duration) {
    let mut child = place.command(words).spawn().expect("it runs");
    let mut told = child.stderr.take().expect("a pipe");
    let (open, ended) = channel::<()>();
    let reading = thread::spawn(move || {
        // Who is not read from may wait for it.
        std::io::copy(&mut told, &mut std::io::sink()).expect("it is read");
        drop(open);
    });
    // Nothing is ever sent: what comes is the end, or the time.
    ended.recv_timeout(time).expect_err("nothing is sent");
    child.kill().expect("it runs, or ran");
    child.wait().expect("it ends");
    reading.join().expect("the pipe has ended");
}

#[test]
fn runs_that_are_killed_whatever_they_are_at_end_on_the_bits_of_those_that_are_not() {
    let (place, mut resumed) = (Place::new(), 0);
    for (number, options) in [
        "--device cpu --hidden 70 --checkpoint-every 20ms",
        "--workers cpu:1*3 --hidden 32 --verify 0.2 --checkpoint-every 5",
        "--workers cpu:1*2 --worker-processes --scheduling distributed --hidden 32 --checkpoint-every 11",
    ]
    .iter()
    .enumerate()
    {
        let train = format!("train digits --epochs 15 {options} --run");
        let start = Instant::now();
        place.ok(&format!("{train} whole-{number}"));
        let (time, run) = (start.elapsed(), format!("run-{number}"));
        let mut words = format!("{train} {run}");
        for draw in 0..8 {
            let [draw, _] = threefry2x32(key(11, Purpose::Split), [number as u32, draw]);
            let share = f64::from(draw) / f64::from(u32::MAX) / 3.0;
            killed_after(&place, &words, time.mul_f64(share));
            if place.path(&run).join("run.json").exists() {
                words = format!("resume {run}");
            }
        }
        let (code, told) = place.run(&words);
        let finished = told.contains("the run is finished");
        assert!(code == 0 || (code == 2 && finished), "{words}: {told}");
        let model = |run: &str| place.bytes(format!("{run}/model.safetensors"));
        assert!(model(&run) == model(&format!("whole-{number}")), "{options}");
        let log = place.log(&run).into_iter();
        resumed += log.filter(|line| line["event"] == "resume").count();
    }
    assert!(resumed > 0, "each was killed before its first checkpoint");
}

#[test]
fn a_run_that_is_killed_within_a_window_goes_on_with_its_rows() {
    let place = Place::new();
    super::snapshots::rows_in_a_file(place.folder.path());
    let options = "rows.csv --device cpu --epochs 30 --hidden 12 --batch-size 16 --window 64 --checkpoint-every 7";
    place.ok(&format!("train {options} --run whole"));
    let mut running = place.until(&format!("train {options} --run run"), 2000);
    assert!(running.kill(), "it has not ended");
    // However much memory there is.
    let (code, told) = place.run("resume run");
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("rows are streamed in 7 windows of 64 rows"),
        "{told}"
    );
    let model = |run: &str| place.bytes(format!("{run}/model.safetensors"));
    assert!(model("run") == model("whole"));
}

#[test]
fn a_termination_and_ctrl_c_leave_a_checkpoint_and_the_best_model_and_lose_nothing() {
    for device in [
        "--device cpu --epochs 150",
        "--workers cpu:1*2 --epochs 150",
        "--workers cpu:1*2 --worker-processes --epochs 150",
    ] {
        stopped_twice(device);
    }
}

fn stopped_twice(device: &str) {
    let place = Place::new();
    // Steps so many that no checkpoint is due.
    let train = format!("train digits {device} --checkpoint-every 1000000 --run");
    place.ok(&format!("{train} whole"));
    let mut words = format!("{train} run");
    for (name, code, bytes) in [("-TERM", 143, 800), ("-INT", 130, 3000)] {
        let running = place.until(&words, bytes);
        running.signal(name);
        let (ended, told) = running.end();
        assert_eq!(ended, code, "{told}");
        assert!(told.contains("stopped: the best model so far"), "{told}");
        assert!(told.contains("gpu-mlp resume run goes on"), "{told}");
        place.ok("evaluate run/model.safetensors digits");
        let log = place.log("run");
        let [.., checkpoint, stopped] = &log[..] else {
            panic!("{log:?}")
        };
        assert_eq!(
            (&checkpoint["event"], &stopped["event"]),
            (&"checkpoint".into(), &"stopped".into())
        );
        assert_eq!(checkpoint["step"], stopped["step"]);
        words = String::from("resume run");
    }
    let told = place.ok("resume run");
    assert!(
        told.contains("going on behind step") && told.contains("nothing is lost"),
        "{told}"
    );
    assert!(place.bytes("run/model.safetensors") == place.bytes("whole/model.safetensors"));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let place = Place::new();
    // Its first step takes ten minutes, and nothing looks at a signal before that is over.
    let mut child = place
        .command("train digits --device cpu --epochs 2 --run run")
        .env("RUST_LOG", "off,gpu_mlp=debug")
        .env("GPU_MLP_FAULTS", "slow@0:600000ms")
        .spawn()
        .expect("it runs");
    let told = BufReader::new(child.stderr.take().expect("a pipe"));
    let begun = told.lines().map_while(Result::ok).find(|line| {
        let logged = line.strip_prefix("debug: ");
        logged.is_some_and(|line| line.contains("\"start\""))
    });
    assert!(begun.is_some(), "it begins");
    let start = Instant::now();
    // Signals that come before the first was seen count as that.
    let status = loop {
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("it runs").success());
        if let Some(status) = child.try_wait().expect("it can be asked") {
            break status;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not end at once"
        );
    };
    assert_eq!(status.code(), Some(143));
    assert!(place.checkpoints("run").is_empty());
}

#[test]
fn a_finished_run_says_so_and_goes_on_for_more_epochs_as_if_they_had_been_asked_for() {
    let place = Place::new();
    let train = "train digits --device cpu --optimizer adam --hidden 20 --checkpoint-every 100";
    place.ok(&format!("{train} --epochs 7 --run long"));
    place.ok(&format!("{train} --epochs 3 --run short"));
    let (code, told) = place.run("resume short");
    assert_eq!(code, 2);
    assert!(
        told.contains("the run is finished") && told.contains("--epochs with more than 3"),
        "{told}"
    );
    let (code, told) = place.run("resume short --epochs 2");
    assert!(code == 2 && told.contains("give as many or more"), "{told}");
    // The same options from a file.
    let options = "data = \"digits\"\ndevice = \"cpu\"\noptimizer = \"adam\"\nhidden = [20]\nepochs = 7\nrun = \"from-file\"\ncheckpoint-every = 100\nkeep-checkpoints = 2\n";
    fs::write(place.path("run.toml"), options).expect("it is written");
    place.ok("train --config run.toml");
    assert_eq!(place.checkpoints("from-file").len(), 2);
    assert!(place.bytes("from-file/model.safetensors") == place.bytes("long/model.safetensors"));
    place.ok("resume short --epochs 7");
    assert!(place.bytes("short/model.safetensors") == place.bytes("long/model.safetensors"));
    let steps = |run: &str| {
        place
            .log(run)
            .iter()
            .filter(|line| line["event"] == "epoch")
            .count()
    };
    assert_eq!((steps("short"), steps("long")), (7, 7));
}
