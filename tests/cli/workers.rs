//! Runs whose workers come, go and are asked about while they train.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Place, classes};

/// The bytes of a checkpoint's tensor.
fn tensor(path: &Path, name: &str) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("a checkpoint");
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
    let (header, data) = rest.split_at(length as usize);
    let header: Value = serde_json::from_slice(header).expect("JSON");
    let place = |end: usize| {
        header[name]["data_offsets"][end]
            .as_u64()
            .expect("a number") as usize
    };
    data[place(0)..place(1)].to_vec()
}

/// A run that trains until it is ended.
struct Trainer<'a> {
    place: &'a Place,
    child: Child,
}

impl Drop for Trainer<'_> {
    fn drop(&mut self) {
        // It may have ended; a test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TRAIN: &str =
    "train data.csv --hidden 12 --batch-size 16 --epochs 1000000 --patience 0 --schedule constant";

const SCHEDULINGS: [&str; 2] = ["central", "distributed"];

/// Waits for something of another process.
fn until<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = so() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "not so: {what}");
    }
}

impl<'a> Trainer<'a> {
    /// Starts one in the folder `run`, and waits until it trains.
    fn start(place: &'a Place, words: &str) -> Self {
        let child = place
            .command(&format!("{TRAIN} --run run {words}"))
            .env("GPU_MLP_CACHE", place.path("cache"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(place.path("told")).expect("a file"))
            .spawn()
            .expect("it starts");
        let trainer = Trainer { place, child };
        until("it trains", || {
            let standing = trainer.status()?;
            (standing["state"] == "training" && standing["step"].as_u64() > Some(0)).then_some(())
        });
        trainer
    }

    fn status(&self) -> Option<Value> {
        let output = self.place.run("status run --json");
        serde_json::from_slice(&output.stdout).ok()
    }

    fn workers(&self) -> Option<Vec<Value>> {
        Some(self.status()?["workers"].as_array()?.clone())
    }

    /// Waits until so many workers are there.
    fn has(&self, wanted: usize) {
        until(&format!("{wanted} workers"), || {
            let workers = self.workers()?.into_iter();
            let live = workers.filter(|worker| worker["live"] == true).count();
            (live == wanted).then_some(())
        });
    }

    /// Processes that it has started.
    #[cfg(target_os = "linux")]
    fn processes(&self) -> Vec<String> {
        let of = format!("/proc/{0}/task", self.child.id());
        let tasks = std::fs::read_dir(of).expect("its threads").flatten();
        let children: String = tasks
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .collect();
        children.split_whitespace().map(str::to_owned).collect()
    }

    /// Ends it, and holds its weights against those of one worker that was left alone. Returns what it said.
    fn ends_as_one_worker(mut self) -> String {
        signal("-TERM", &self.child.id());
        let status = self.child.wait().expect("it ends");
        let told = std::fs::read_to_string(self.place.path("told")).expect("text");
        assert_eq!(status.code(), Some(143), "{told}");
        let log = std::fs::read_to_string(self.place.path("run/log.jsonl")).expect("a log");
        let last: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
        assert_eq!(last["event"], "stopped");
        let step = last["step"].as_u64().expect("a number");
        self.place.ok(&format!(
            "{TRAIN} --max-steps {step} --run one --workers cpu:1"
        ));
        for name in ["parameters", "moment1", "moment2"] {
            let [ours, theirs] = ["run", "one"].map(|run| {
                let file = format!("{run}/checkpoints/step-{step:012}.safetensors");
                tensor(&self.place.path(&file), name)
            });
            assert!(ours == theirs, "{name} behind {step} steps");
        }
        told
    }
}

fn signal(name: &str, process: &impl ToString) {
    let words = [name.to_owned(), process.to_string()];
    let sent = std::process::Command::new("kill").args(words).status();
    assert!(sent.expect("it runs").success());
}

#[test]
fn a_run_is_scaled_while_it_trains_and_its_weights_are_the_same() {
    for scheduling in SCHEDULINGS {
        let place = Place::new();
        place.file("data.csv", classes());
        let words = format!("--workers cpu:1 --scheduling {scheduling}");
        let trainer = Trainer::start(&place, &words);
        trainer.has(1);
        place.ok("scale run --workers cpu:1*3");
        trainer.has(3);
        for worker in until("all have a rate", || {
            let workers = trainer.workers()?;
            let known = |worker: &Value| worker["rows_per_second"].as_f64() > Some(0.0);
            workers.iter().all(known).then_some(workers)
        }) {
            let (waiting, shards) = (worker["waiting"].as_f64(), worker["shards"].as_u64());
            let waiting = waiting.expect("a number");
            assert!(
                (0.0..1.0).contains(&waiting) && shards > Some(0),
                "{worker}"
            );
        }
        let told = place.ok("status run");
        assert_eq!(told.matches(" rows/s, ").count(), 3, "{told}");
        assert_eq!(told.matches(" % waiting").count(), 3, "{told}");
        // Who reads it has seen enough.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = place.command("status run").stdout(writer).status();
        assert!(status.expect("it runs").success());
        place.ok("scale run --workers cpu:1*2");
        trainer.has(2);
        trainer.ends_as_one_worker();
        let told = place.ok("status run");
        assert!(
            told.starts_with("stopped: step ") && told.lines().count() == 1,
            "{told}"
        );
    }
}

#[test]
fn another_kind_of_worker_takes_the_place_of_one() {
    let place = Place::new();
    place.file("data.csv", classes());
    let trainer = Trainer::start(&place, "--workers cpu:1");
    place.ok("scale run --workers cpu:2");
    // The other goes when this one has come.
    until("it comes", || {
        let told = place.ok("status run");
        told.contains("cpu (2 threads)").then_some(())
    });
    trainer.has(1);
}

#[test]
fn a_list_that_cannot_be_is_refused_and_changes_nothing() {
    let place = Place::new();
    place.file("data.csv", classes());
    let trainer = Trainer::start(&place, "--workers cpu:1*3");
    trainer.has(3);
    for (list, part) in [
        ("gpu:99", "--workers gpu:99: there is no such adapter"),
        ("cpu:1,no-such-card", "--workers no-such-card: there is no"),
    ] {
        let (code, line) = place.fails(&format!("scale run --workers {list}"));
        assert!(code == 2 && line.contains(part), "{list}: {line}");
    }
    // What is asked for behind that is seen to, and of those nothing was.
    place.ok("scale run --workers cpu:1*4");
    until("it comes", || (trainer.workers()?.len() > 3).then_some(()));
    trainer.has(4);
    assert_eq!(trainer.workers().map(|workers| workers.len()), Some(4));
}

#[cfg(target_os = "linux")]
#[test]
fn workers_that_come_to_a_run_of_processes_are_processes() {
    let place = Place::new();
    place.file("data.csv", classes());
    let trainer = Trainer::start(&place, "--workers cpu:1 --worker-processes");
    trainer.has(1);
    assert_eq!(trainer.processes().len(), 1);
    place.ok("scale run --workers cpu:1*3");
    trainer.has(3);
    assert_eq!(trainer.processes().len(), 3);
    trainer.ends_as_one_worker();
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_process_that_is_killed_is_replaced_and_the_model_is_the_same() {
    for scheduling in SCHEDULINGS {
        let place = Place::new();
        place.file("data.csv", classes());
        let trainer = Trainer::start(
            &place,
            &format!("--workers cpu:1*3 --worker-processes --scheduling {scheduling}"),
        );
        signal("-KILL", &trainer.processes()[0]);
        until("it is lost", || {
            let mut workers = trainer.workers()?.into_iter();
            workers.find(|worker| worker["losses"] == 1)
        });
        trainer.has(3);
        let told = trainer.ends_as_one_worker();
        assert!(
            told.contains("is lost") && !told.contains("every worker failed"),
            "{told}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn when_all_are_killed_at_once_those_come_again_that_the_run_was_scaled_to() {
    let place = Place::new();
    place.file("data.csv", classes());
    let trainer = Trainer::start(&place, "--workers cpu:1 --worker-processes");
    place.ok("scale run --workers cpu:1*3");
    trainer.has(3);
    let before = trainer.processes();
    let killed = std::process::Command::new("kill")
        .arg("-KILL")
        .args(&before)
        .status();
    assert!(killed.expect("it runs").success());
    until("three others are there", || {
        let now = trainer.processes();
        let others = now.iter().all(|process| !before.contains(process));
        let told = std::fs::read_to_string(place.path("told")).ok()?;
        let again = told.contains("training goes on behind step");
        (others && now.len() == 3 && again).then_some(())
    });
    trainer.has(3);
    trainer.ends_as_one_worker();
}

#[test]
fn a_worker_joins_a_run_and_leaves_it_and_the_model_is_the_same() {
    for scheduling in SCHEDULINGS {
        let place = Place::new();
        place.file("data.csv", classes());
        let trainer = Trainer::start(
            &place,
            &format!("--workers cpu:1 --scheduling {scheduling}"),
        );
        let mut worker = place
            .command("worker --join run --device cpu:1")
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let joined = || trainer.workers()?.get(1).cloned();
        until("it works", || {
            (joined()?["shards"].as_u64()? > 0).then_some(())
        });
        place.ok("scale run --workers cpu:1*2");
        trainer.has(3);
        place.ok("scale run --workers cpu:1");
        // It is no part of what is scaled.
        trainer.has(2);
        let before = joined().expect("it is there");
        assert_eq!(before["live"], true);
        // On a machine with much to do it may have been given up for a while.
        let losses = before["losses"].as_u64().expect("a number") + 1;
        signal("-TERM", &worker.id());
        worker.wait().expect("it ends");
        until("it goes", || {
            let worker = joined()?;
            (worker["live"] == false && worker["losses"] == losses).then_some(())
        });
        trainer.ends_as_one_worker();
        let (code, line) = place.fails("worker --join run --device cpu:1");
        assert!(
            code == 2 && line.contains("not training with --workers"),
            "{line}"
        );
    }
}

#[test]
fn status_tells_how_far_a_run_is_whoever_trains_it() {
    let place = Place::new();
    place.file("data.csv", classes());
    let (code, line) = place.fails("status run");
    assert!(code == 2 && line.contains("no run in it"), "{line}");
    place.ok("train data.csv --epochs 3 --batch-size 16 --validation 0.2 --run done");
    let log = std::fs::read_to_string(place.path("done/log.jsonl")).expect("a log");
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let lines: Vec<Value> = lines.collect();
    let of = |event: &str| lines.iter().rfind(|line| line["event"] == event);
    let (epoch, end) = (of("epoch").expect("a line"), of("end").expect("a line"));
    let told = place.json("status done --json");
    for (key, wanted) in [
        ("state", &"done".into()),
        ("step", &end["step"]),
        ("epoch", &3.into()),
        ("epochs", &3.into()),
        ("train", &epoch["train"]),
        ("validation", &epoch["validation"]),
        ("samples_per_second", &end["samples_per_second"]),
    ] {
        assert_eq!(&told[key], wanted, "{key}: {told}");
    }
    assert!(told.get("workers").is_none() && end["step"].as_u64() > Some(3));
    let loss = epoch["train"]["loss"].as_f64().expect("a number");
    let line = place.ok("status done");
    let part = format!("epoch 3 of 3, loss {loss:.4}, validation loss ");
    assert!(
        line.starts_with("done: step ") && line.contains(&part),
        "{line}"
    );

    for (words, workers) in [("", false), ("--workers cpu:1", true)] {
        let trainer = Trainer::start(&place, words);
        let standing = until("all is known", || {
            let standing = trainer.status()?;
            let known = |key: &str| standing[key].as_f64() > Some(0.0);
            let all = ["step", "steps", "epoch", "samples_per_second"]
                .into_iter()
                .all(known);
            (all && standing["train"]["loss"].is_f64()).then_some(standing)
        });
        assert_eq!(standing["state"], "training");
        assert_eq!(standing.get("workers").is_some(), workers, "{standing}");
        until("it goes on", || {
            (trainer.status()?["step"].as_u64() > standing["step"].as_u64()).then_some(())
        });
        let line = place.ok("status run");
        assert!(
            line.starts_with("training: step ") && line.contains(" samples/s"),
            "{line}"
        );
        if !workers {
            let (code, line) = place.fails("scale run --workers cpu:1");
            assert!(
                code == 2 && line.contains("trains without workers"),
                "{line}"
            );
        }
        drop(trainer);
        let left = place.json("status run --json");
        assert_eq!(left["state"], "interrupted");
        // Of three steps each; several may be made before the first of them is told.
        let [epoch, step] = ["epoch", "step"].map(|key| left[key].as_u64().expect("a number"));
        assert!(epoch > 0 && step >= 3 * epoch, "{left}");
        std::fs::remove_dir_all(place.path("run")).expect("it is there");
    }
}

#[cfg(unix)]
#[test]
fn status_tells_that_a_run_is_starting_while_its_data_are_read() {
    let place = Place::new();
    place.file("data.csv", classes());
    let ended = Trainer::start(&place, "");
    drop(ended);
    let state = || place.json("status run --json")["state"].clone();
    assert_eq!(state(), "interrupted");
    // Data that do not come.
    std::fs::remove_file(place.path("data.csv")).expect("it was there");
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("data.csv"))
        .status();
    assert!(made.expect("it runs").success());
    let child = place.command("resume run").stderr(Stdio::null()).spawn();
    let reading = Trainer {
        place: &place,
        child: child.expect("it starts"),
    };
    until("it starts", || (state() == "starting").then_some(()));
    let line = place.ok("status run");
    assert!(line.starts_with("starting: step "), "{line}");
    drop(reading);
    assert_eq!(state(), "interrupted");
}

#[cfg(unix)]
#[test]
fn a_trainer_that_does_not_answer_is_told_of_in_a_line() {
    let place = Place::new();
    place.file("data.csv", classes());
    let trainer = Trainer::start(&place, "--workers cpu:1");
    signal("-STOP", &trainer.child.id());
    let (code, line) = place.fails("scale run --workers cpu:1*2");
    assert!(
        code == 1 && line.contains("run: its trainer does not answer; it may be stopped"),
        "{line}"
    );
    signal("-CONT", &trainer.child.id());
    drop(trainer);
    // One that ends before it has answered.
    std::fs::remove_file(place.path("run/control")).expect("it was killed");
    let socket = std::os::unix::net::UnixListener::bind(place.path("run/control"));
    let socket = socket.expect("it listens");
    let ends = std::thread::spawn(move || socket.accept().map(drop));
    let (code, line) = place.fails("scale run --workers cpu:1*2");
    assert!(
        code == 2 && line.contains("run is not training with --workers"),
        "{line}"
    );
    ends.join().expect("it ends").expect("it was asked");
    // A path that no socket can have.
    let long = "r".repeat(120);
    let words = TRAIN.replace("--epochs 1000000", "--epochs 1");
    let mut command = place.command(&format!("{words} --workers cpu:1 --run {long}"));
    let output = command.output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    let (code, line) = place.fails(&format!("scale {long} --workers cpu:1*2"));
    let reason = "a socket's path may not be as long as 128 bytes";
    assert!(
        code == 2 && line.contains(reason) && told.contains(reason),
        "{line} {told}"
    );
    let output = place.run(&format!("status {long}"));
    let [line, told] = [output.stdout, output.stderr].map(String::from_utf8);
    assert!(line.expect("text").starts_with("done: step ") && told.expect("text").contains(reason));
}

#[test]
fn a_worker_that_joins_and_fails_says_why() {
    let place = Place::new();
    place.file("data.csv", classes());
    let trainer = Trainer::start(&place, "--workers cpu:1");
    let mut command = place.command("worker --join run --device cpu:1");
    let output = command.env("GPU_MLP_FAULTS", "lose@0").output();
    let output = output.expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    let errors = told.lines().filter(|line| line.starts_with("error: "));
    let errors: Vec<_> = errors.collect();
    assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{told}");
    assert!(
        errors[0].contains("run: this worker works for it no longer: ")
            && errors[0].contains("as it was asked to"),
        "{told}"
    );
    trainer.has(1);
}

#[cfg(unix)]
#[test]
fn a_worker_that_joins_and_hears_nonsense_says_so() {
    use std::io::{BufRead, BufReader, Read, Write};

    let place = Place::new();
    std::fs::create_dir(place.path("run")).expect("a folder");
    let socket = std::os::unix::net::UnixListener::bind(place.path("run/control"));
    let socket = socket.expect("it listens");
    let trainer = std::thread::spawn(move || {
        let (mut stream, _) = socket.accept()?;
        let mut worker = BufReader::new(stream.try_clone()?);
        worker.read_line(&mut String::new())?;
        stream.write_all(b"\"done\"\nno order at all")?;
        // As long as the worker is there.
        worker.read_to_end(&mut Vec::new())
    });
    let (code, line) = place.fails("worker --join run --device cpu:1");
    let part =
        "run: this worker works for it no longer: what came (\"no order\" and more) is no message";
    assert!(code == 1 && line.contains(part), "{line}");
    trainer.join().expect("it ends").expect("it was asked");
}

#[cfg(unix)]
#[test]
fn a_worker_of_another_version_is_refused() {
    use std::io::{BufRead, BufReader, Write};

    let place = Place::new();
    place.file("data.csv", classes());
    let trainer = Trainer::start(&place, "--workers cpu:1");
    let socket = place.path("run/control");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("it listens");
    let request = r#"{"join": {"device": "cpu:1", "version": "0.0.1"}}"#;
    writeln!(stream, "{request}").expect("it is read");
    let mut line = String::new();
    let mut reader = BufReader::new(stream);
    reader.read_line(&mut line).expect("an answer");
    let answer: Value = serde_json::from_str(&line).expect("JSON");
    let reason = answer["failed"].as_str().expect("a reason");
    assert!(
        reason.contains(env!("CARGO_PKG_VERSION")) && reason.contains("this is 0.0.1"),
        "{reason}"
    );
    assert_eq!(trainer.workers().map(|workers| workers.len()), Some(1));
}

#[test]
fn what_was_learned_of_shards_times_is_there_when_a_run_is_killed() {
    let place = Place::new();
    place.file("data.csv", classes());
    let words = "--workers cpu:1*2 --policy learned --checkpoint-every 100";
    let mut trainer = Trainer::start(&place, words);
    let records = || {
        let text = std::fs::read(place.path("cache/shard-times.json")).ok()?;
        let records: Vec<Value> = serde_json::from_slice(&text).expect("it is whole");
        Some(records.len())
    };
    until("they are kept", records);
    trainer.child.kill().expect("it is killed");
    trainer.child.wait().expect("it ends");
    assert!(records() > Some(0));
}
