//! Ctrl-C, and readers that have seen enough.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::{Place, classes, entries};

#[cfg(unix)]
#[test]
fn ctrl_c_saves_the_best_model_so_far_and_exits_130() {
    use std::io::{BufRead, BufReader};

    let place = Place::new();
    let mut child = place
        .command("train digits --epochs 1000000 --patience 0 --device cpu")
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    // The first line of progress comes some seconds into training.
    let told = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("steps, "));
    assert!(told.is_some(), "it trains");
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .expect("it runs")
            .success()
    );
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{rest:?}");
    assert!(
        rest.iter()
            .any(|line| line.contains("stopped") && line.contains("model.safetensors")),
        "{rest:?}"
    );
    assert!(
        place.json("evaluate model.safetensors digits --json")["accuracy"].as_f64() > Some(0.9)
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_predicting_leaves_no_file_behind() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    place.ok("train kinds.csv --epochs 1 --device cpu");
    let pipe = place.path("rows.csv");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("it runs")
            .success()
    );
    let mut child = place
        .command("predict model.safetensors rows.csv --out answers.npy")
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut rows = fs::OpenOptions::new()
        .write(true)
        .open(&pipe)
        .expect("it is read");
    rows.write_all(b"x,y\n").expect("it is read");
    let begun = || {
        entries(place.folder.path())
            .iter()
            .any(|name| name.starts_with(".gpu-mlp-"))
    };
    let mut asked = false;
    // Rows without end, until nobody reads them.
    while rows.write_all(&b"1,2\n".repeat(1000)).is_ok() {
        if !asked && begun() {
            let pid = child.id().to_string();
            let sent = Command::new("kill").args(["-INT", &pid]).status();
            asked = sent.expect("it runs").success();
        }
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(!begun() && !place.path("answers.npy").exists());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let place = Place::new();
    place.file(
        "kinds.csv",
        classes().repeat(200).replace("\nx,y,kind\n", "\n"),
    );
    // Standard output and standard error are closed at once.
    for words in [
        "train kinds.csv --epochs 2",
        "predict model.safetensors kinds.csv",
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = place.command(words);
        command
            .stderr(writer.try_clone().expect("it is open"))
            .stdout(writer);
        drop(reader);
        assert!(command.status().expect("it runs").success(), "{words}");
    }
    assert!(place.path("model.safetensors").exists());
}
