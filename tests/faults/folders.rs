//! What can be wrong with a run's folder, its checkpoints, its data and its disk.

use std::fs;
use std::process::Command;

use super::{Place, ended, errors};

/// A run that was stopped behind a few checkpoints, and its model as it would have been uninterrupted.
fn stopped(place: &Place) -> Vec<u8> {
    let train = "train rows.csv --device cpu --epochs 600 --hidden 64 --checkpoint-every 10 --keep-checkpoints 4 --run";
    let row = |row: usize| format!("{},{},{}\n", row % 7, row * row % 11, row % 3);
    let rows: String = (0..1000).map(row).collect();
    fs::write(place.path("rows.csv"), format!("a,b,c\n{rows}")).expect("it is written");
    place.ok(&format!("{train} whole"));
    let running = place.started(&format!("{train} run"), |_| {
        place.checkpoints("run").len() > 3
    });
    running.signal("-TERM");
    let (code, told) = running.end();
    assert_eq!(code, 143, "{told}");
    assert_eq!(place.checkpoints("run").len(), 4);
    place.bytes("whole/model.safetensors")
}

/// Refused in one line, with exit code 2.
fn refused(place: &Place, words: &str, parts: &[&str]) {
    let (code, told) = place.run(words);
    let errors = errors(&told);
    assert_eq!((code, errors.len()), (2, 1), "{words}: {told}");
    for part in parts {
        assert!(errors[0].contains(part), "{words}: {}", errors[0]);
    }
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before_and_none_is_a_clear_error() {
    let place = Place::new();
    let model = stopped(&place);
    let checkpoints = place.checkpoints("run");
    let newest = fs::read(&checkpoints[3]).expect("it is there");
    fs::write(&checkpoints[3], &newest[..newest.len() / 2]).expect("it is written");
    let mut older = fs::read(&checkpoints[2]).expect("it is there");
    let middle = older.len() / 2;
    older[middle] ^= 4;
    fs::write(&checkpoints[2], older).expect("it is written");
    // Copied, to be damaged altogether.
    fs::create_dir_all(place.path("none/checkpoints")).expect("a folder");
    fs::copy(place.path("run/run.json"), place.path("none/run.json")).expect("a copy");
    for name in [
        "step-000000000010.safetensors",
        "step-000000000020.safetensors",
    ] {
        fs::write(place.path("none/checkpoints").join(name), "no").expect("it is written");
    }
    let told = place.ok("resume run");
    let warned: Vec<_> = told
        .lines()
        .filter(|line| line.contains("the one before is taken"))
        .collect();
    assert_eq!(warned.len(), 2, "{told}");
    assert!(warned[1].contains("checksum"), "{told}");
    let going = told.lines().find(|line| line.contains("going on behind"));
    assert!(
        going.is_some_and(|line| line.contains("at most ") && line.contains("steps are lost")),
        "{told}"
    );
    assert!(place.bytes("run/model.safetensors") == model);
    refused(
        &place,
        "resume none",
        &["none of its 2 checkpoints", "train anew"],
    );
    // And it stays one.
    refused(
        &place,
        "resume none",
        &["none of its 2 checkpoints", "train anew"],
    );
}

#[test]
fn what_may_be_lost_is_told_however_far_checkpoints_are_apart() {
    let place = Place::new();
    let every = u64::MAX;
    place.ok(&format!(
        "train digits --device cpu --epochs 1 --hidden 8 --run run --checkpoint-every {every}"
    ));
    place.ok("resume run --epochs 2");
    fs::write(&place.checkpoints("run")[1], "no").expect("it is written");
    let told = place.ok("resume run --epochs 3");
    assert!(
        told.contains(&format!("at most {every} steps are lost")),
        "{told}"
    );
}

#[test]
fn a_run_without_a_checkpoint_begins_anew() {
    let place = Place::new();
    let model = stopped(&place);
    for path in place.checkpoints("run") {
        fs::remove_file(path).expect("it was there");
    }
    let told = place.ok("resume run");
    assert!(
        told.contains("no checkpoint was written yet; the run begins anew"),
        "{told}"
    );
    assert!(place.bytes("run/model.safetensors") == model);
}

#[test]
fn changed_data_changed_decisions_and_occupied_folders_are_refused() {
    let place = Place::new();
    let model = stopped(&place);
    refused(
        &place,
        "train rows.csv --run run",
        &["interrupted run", "gpu-mlp resume run"],
    );
    refused(
        &place,
        "train rows.csv --run whole",
        &["finished run", "another folder"],
    );
    refused(&place, "train rows.csv --run .", &["something else"]);
    refused(&place, "train rows.csv --run rows.csv", &["something else"]);
    refused(&place, "train - --run new", &["standard input", "file"]);
    refused(
        &place,
        "train rows.csv --checkpoint-every 5",
        &["--checkpoint-every needs --run"],
    );
    refused(
        &place,
        "train rows.csv --run new --checkpoint-every 5x",
        &["30s"],
    );
    refused(&place, "resume new", &["no run in it", "train"]);
    assert!(!place.path("new").exists());

    let rows = place.bytes("rows.csv");
    let text = String::from_utf8(rows.clone()).expect("text");
    fs::write(place.path("rows.csv"), text.replacen("3,9,0", "3,8,0", 1)).expect("it is written");
    assert!(text.contains("3,9,0"));
    refused(
        &place,
        "resume run",
        &["rows.csv has changed", "train anew"],
    );
    fs::write(place.path("rows.csv"), rows).expect("it is written");

    let description = String::from_utf8(place.bytes("run/run.json")).expect("text");
    let other = description.replace("\"batch-size\": 32", "\"batch-size\": 31");
    assert_ne!(description, other);
    fs::write(place.path("run/run.json"), other).expect("it is written");
    refused(&place, "resume run", &["batch-size", "31", "32"]);
    fs::write(place.path("run/run.json"), "{").expect("it is written");
    refused(&place, "resume run", &["run.json"]);
    fs::write(place.path("run/run.json"), description).expect("it is written");
    // All of this has left it as it was.
    place.ok("resume run");
    assert!(place.bytes("run/model.safetensors") == model);
}

#[test]
fn what_is_left_of_a_run_that_was_ended_as_it_began_is_in_nobodys_way() {
    let place = Place::new();
    let train = "train digits --device cpu --epochs 1 --hidden 8 --run";
    // A disk that takes no byte.
    let words = format!("trap '' XFSZ; ulimit -f 0; exec \"$0\" {train} full");
    let mut command = Command::new("sh");
    command
        .args(["-c", &words])
        .arg(assert_cmd::cargo::cargo_bin!("gpu-mlp"))
        .current_dir(place.folder.path());
    let (code, told) = ended(command.output().expect("it runs"));
    assert_eq!(code, 2, "{told}");
    assert!(place.path("full/lock").exists() && !place.path("full/run.json").exists());
    place.ok(&format!("{train} full"));
    // One that was killed while it wrote.
    fs::create_dir_all(place.path("killed/checkpoints")).expect("a folder");
    for name in ["lock", ".gpu-mlp-1", "checkpoints/.gpu-mlp-2"] {
        fs::write(place.path("killed").join(name), "").expect("it is written");
    }
    place.ok(&format!("{train} killed"));
    let left = || {
        let of = |folder| fs::read_dir(place.path(folder)).expect("a folder");
        let entries = of("killed").chain(of("killed/checkpoints")).flatten();
        let names = entries.map(|entry| entry.file_name().into_string().expect("text"));
        let mut left: Vec<_> = names.filter(|name| name.contains("gpu-mlp-")).collect();
        left.sort();
        left
    };
    assert_eq!(left(), [""; 0]);
    // One that was killed as it went on; what somebody else writes there, or has, stays.
    for name in [
        ".gpu-mlp-3",
        ".gpu-mlp-4",
        "gpu-mlp-5",
        "checkpoints/.gpu-mlp-6",
    ] {
        fs::write(place.path("killed").join(name), "").expect("it is written");
    }
    let written = fs::File::open(place.path("killed/.gpu-mlp-4")).expect("it is there");
    written.lock().expect("nobody has it");
    place.ok("resume killed --epochs 2");
    assert_eq!(left(), [".gpu-mlp-4", "gpu-mlp-5"]);
    for (folder, file) in [
        ("one", "checkpoints/mine"),
        ("two", "checkpoints/lock/mine"),
    ] {
        let file = place.path(folder).join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, "mine").expect("it is written");
        refused(&place, &format!("{train} {folder}"), &["something else"]);
    }
    // While another process begins, it is that one's.
    fs::create_dir_all(place.path("other/checkpoints")).expect("a folder");
    let lock = fs::File::create(place.path("other/lock")).expect("a file");
    lock.lock().expect("nobody has it");
    refused(&place, &format!("{train} other"), &["another process"]);
}

#[test]
fn two_processes_never_train_one_run_and_a_lock_ends_with_its_process() {
    let place = Place::new();
    let train =
        "train digits --device cpu --epochs 1000000 --patience 0 --checkpoint-every 50 --run run";
    let mut running = place.until(train, 2000);
    refused(&place, "resume run", &["another process"]);
    refused(&place, "train digits --run run", &["another process"]);
    assert!(running.kill());
    let running = place.until("resume run", 2000);
    running.signal("-TERM");
    let (code, told) = running.end();
    assert_eq!(code, 143, "{told}");
}

#[test]
fn a_disk_that_takes_no_checkpoint_ends_no_run_but_is_told_of_each_time() {
    let place = Place::new();
    // No file larger than 30 KiB: the model has 20 KiB, its checkpoint three times as much.
    let train =
        "train digits --device cpu --epochs 10 --hidden 64 --checkpoint-every 100 --run full";
    let words = format!("trap '' XFSZ; ulimit -f 60; exec \"$0\" {train}");
    let binary = assert_cmd::cargo::cargo_bin!("gpu-mlp");
    let mut command = Command::new("sh");
    command
        .args(["-c", &words])
        .arg(binary)
        .current_dir(place.folder.path());
    let (code, told) = ended(command.output().expect("it runs"));
    assert_eq!(code, 0, "{told}");
    let warned = told
        .lines()
        .filter(|line| line.starts_with("warn: the checkpoint of step"));
    let warned = warned.count();
    assert!((1..=5).contains(&warned), "{told}");
    assert!(
        told.contains("the last checkpoint could not be written"),
        "{told}"
    );
    let failed = place
        .log("full")
        .iter()
        .filter(|line| line["event"] == "checkpoint-failed")
        .count();
    assert_eq!((failed, place.checkpoints("full").len()), (warned, 0));
    place.ok("train digits --device cpu --epochs 10 --hidden 64 --out plain.safetensors");
    assert!(place.bytes("full/model.safetensors") == place.bytes("plain.safetensors"));
}

#[test]
fn a_folder_that_takes_no_file_and_a_log_without_room_end_no_run() {
    let place = Place::new();
    let model = stopped(&place);
    // A folder that nothing can be created in, for root too; and a log that is always full.
    fs::remove_dir_all(place.path("run/checkpoints")).expect("a folder");
    fs::write(place.path("run/checkpoints"), "a file").expect("it is written");
    fs::remove_file(place.path("run/log.jsonl")).expect("it was there");
    std::os::unix::fs::symlink("/dev/full", place.path("run/log.jsonl")).expect("a link");
    let told = place.ok("resume run");
    assert!(
        told.contains("the checkpoint of step") && told.contains("training goes on"),
        "{told}"
    );
    assert_eq!(
        told.lines()
            .filter(|line| line.contains("the log has gaps"))
            .count(),
        1,
        "{told}"
    );
    assert!(
        told.contains("the last checkpoint could not be written"),
        "{told}"
    );
    assert!(place.bytes("run/model.safetensors") == model);
}
