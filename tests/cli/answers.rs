//! Evaluation and prediction.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::{Place, classes};

#[test]
fn evaluate_agrees_with_what_training_reported() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    let trained =
        place.json("train kinds.csv --validation 0 --test 0 --epochs 40 --device cpu --json");
    let evaluated = place.json("evaluate model.safetensors kinds.csv --json");
    assert_eq!(trained["train"]["accuracy"], evaluated["accuracy"]);
    assert_eq!(evaluated["confusion"][0].as_array().map(Vec::len), Some(3));
    let (one, other) = (
        trained["train"]["loss"].as_f64(),
        evaluated["loss"].as_f64(),
    );
    assert!(
        (one.unwrap_or(f64::NAN) - other.unwrap_or(f64::NAN)).abs() < 1e-4,
        "{one:?} {other:?}"
    );
    assert_eq!(evaluated["balanced-accuracy"], evaluated["macro"]["recall"]);
    let loss = |name: &str| evaluated[name].as_f64().unwrap_or(f64::NAN);
    assert!(
        (loss("log-loss") - loss("loss")).abs() < 1e-6,
        "{evaluated}"
    );
    assert!((0.9..=1.0).contains(&loss("roc-auc")), "{evaluated}");
    assert!(evaluated["top-5-accuracy"].is_null() && evaluated["mape"].is_null());
    // The same rows on the adapter.
    let adapter = place.json("evaluate model.safetensors kinds.csv --device gpu --json");
    assert_eq!(adapter["confusion"], evaluated["confusion"]);
}

#[test]
fn a_count_beyond_all_numbers_is_told_and_not_answered() {
    let place = Place::new();
    place.file("counts.csv", "x,count\n0,1\n1,3\n2,7\n3,20\n4,55\n");
    place.ok("train counts.csv --task regression --loss poisson --hidden 0 --preprocess none --epochs 300 --device cpu");
    place.file("far.csv", "x\n1\n5000\n");
    for words in [
        "predict model.safetensors far.csv",
        "predict model.safetensors far.csv --out answers.csv",
    ] {
        let (code, line) = place.fails(words);
        assert!(
            code == 2 && line.contains("far.csv: line 3"),
            "{code} {line}"
        );
    }
    place.file("farther.csv", "x,count\n1,3\n5000,9\n");
    let (code, line) = place.fails("evaluate model.safetensors farther.csv");
    assert!(
        code == 2 && line.contains("farther.csv: line 3"),
        "{code} {line}"
    );
}

#[test]
fn a_rare_class_is_found_when_classes_are_balanced() {
    // Ten rows of one class among a hundred, which lie amid the others: by share alone they are never the more probable.
    let rows: String = (0..110)
        .map(|row| match row % 11 {
            0 => format!("{},rare\n", row % 5),
            _ => format!("{},common\n", row % 10),
        })
        .collect();
    let place = Place::new();
    place.file("rare.csv", format!("x,kind\n{rows}"));
    let recall = |options: &str| {
        place.ok(&format!(
            "train rare.csv --validation 0 --test 0 --epochs 60 --device cpu {options}"
        ));
        let evaluated = place.json("evaluate model.safetensors rare.csv --json");
        let classes = evaluated["classes"].as_array().cloned().unwrap_or_default();
        let rare = classes.into_iter().find(|class| class["label"] == "rare");
        rare.and_then(|class| class["recall"].as_f64())
    };
    assert_eq!(recall(""), Some(0.0));
    assert_eq!(recall("--class-weight balanced"), Some(1.0));
    assert_eq!(recall("--class-weight rare=20"), Some(1.0));
}

#[test]
fn every_loss_trains_and_evaluates_to_what_training_reported() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    let counts: String = (0..60)
        .map(|row| {
            let x = f64::from(row) / 20.0;
            format!("{x},{}\n", x.exp().round())
        })
        .collect();
    place.file("counts.csv", format!("x,count\n{counts}"));
    for (data, loss, metric) in [
        (
            "kinds.csv",
            "cross-entropy --label-smoothing 0.1",
            "accuracy",
        ),
        ("kinds.csv", "cross-entropy --focal-gamma 2", "accuracy"),
        ("kinds.csv", "hinge", "accuracy"),
        ("counts.csv", "mse", "r2"),
        ("counts.csv", "mae", "r2"),
        ("counts.csv", "huber --huber-delta 0.5", "r2"),
        ("counts.csv", "log-cosh", "r2"),
        ("counts.csv", "poisson", "r2"),
    ] {
        let options = "--task regression ".repeat(usize::from(data == "counts.csv"));
        let trained = place.json(&format!(
            "train {data} --loss {loss} {options}--epochs 300 --dropout 0 --test 0 --device cpu --json"
        ));
        let evaluated = place.json(&format!("evaluate model.safetensors {data} --json"));
        for name in ["loss", metric] {
            let (one, other) = (trained["train"][name].as_f64(), evaluated[name].as_f64());
            let difference = (one.unwrap_or(f64::NAN) - other.unwrap_or(f64::NAN)).abs();
            assert!(difference < 1e-4, "{loss}: {name} {one:?} {other:?}");
        }
        assert!(
            evaluated[metric].as_f64() > Some(0.9),
            "{loss}: {evaluated}"
        );
    }
    let (code, line) = {
        place.ok("train kinds.csv --loss hinge --epochs 2 --device cpu");
        place.fails("predict model.safetensors kinds.csv --proba")
    };
    assert!(code == 2 && line.contains("hinge"), "{code} {line}");
}

#[test]
fn predictions_keep_the_order_of_the_rows_and_take_raw_tables() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    place.ok("train kinds.csv --validation 0 --test 0 --epochs 60 --device cpu");
    let answers = place.ok("predict model.safetensors kinds.csv");
    let told: Vec<&str> = answers.lines().collect();
    assert_eq!((told[0], told.len()), ("kind", 61));
    let table = classes();
    let truth: Vec<&str> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.rsplit(',').next())
        .collect();
    assert!(
        told[1..]
            .iter()
            .zip(&truth)
            .filter(|(told, truth)| told == truth)
            .count()
            >= 57
    );

    // Columns in another order, one more, no target, through standard input.
    let reordered: String = table
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{},extra,{}\n", cells[1], cells[0])
        })
        .collect();
    let mut child = place
        .command("predict model.safetensors -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(reordered.as_bytes())
        .expect("it is read");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), answers);

    let chances = place.ok("predict model.safetensors kinds.csv --proba");
    let mut lines = chances.lines();
    assert_eq!(lines.next(), Some("a,b,c"));
    for line in lines {
        let sum: f64 = line
            .split(',')
            .filter_map(|cell| cell.parse::<f64>().ok())
            .sum();
        assert!((sum - 1.0).abs() < 1e-5, "{line}");
    }
    place.ok("predict model.safetensors kinds.csv --out answers.csv");
    assert_eq!(
        fs::read_to_string(place.path("answers.csv")).expect("it is there"),
        answers
    );
    place.ok("predict model.safetensors kinds.csv --proba --out chances.npy");
    let npy = fs::read(place.path("chances.npy")).expect("it is there");
    assert!(npy.starts_with(b"\x93NUMPY\x01\x00") && npy.len() % 64 == (60 * 3 * 4) % 64);
    assert!(String::from_utf8_lossy(&npy[..128]).contains("'shape': (60, 3)"));
}

#[cfg(unix)]
#[test]
fn answers_go_through_links_and_devices() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    place.ok("train kinds.csv --epochs 2 --device cpu");
    let answers = place.ok("predict model.safetensors kinds.csv");
    assert_eq!(
        place.ok("predict model.safetensors kinds.csv --out /dev/stdout"),
        answers
    );
    place.file("answers.csv", "old");
    std::os::unix::fs::symlink("answers.csv", place.path("link.csv")).expect("a link");
    place.ok("predict model.safetensors kinds.csv --out link.csv");
    assert!(
        fs::symlink_metadata(place.path("link.csv"))
            .expect("it is there")
            .is_symlink()
    );
    assert_eq!(
        fs::read_to_string(place.path("answers.csv")).expect("it is there"),
        answers
    );
}
