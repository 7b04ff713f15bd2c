//! Data sets that stay in their files.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use gpu_mlp::model::{NamedTensors, load_tensors};
use serde_json::Value;

use super::Place;

/// Rows of three classes, the last of which has one row only, with a text among the inputs.
fn table(rows: usize) -> String {
    let mut table = "x,colour,y,kind\n".to_owned();
    for row in 0..rows {
        let (x, y) = ((row * 37) % 101, (row * 53) % 97);
        let colour = ["red", "blue", "green"][(row / 7) % 3];
        let kind = match () {
            () if row == rows - 1 => "rare",
            () if x + 20 * (row / 7 % 3) > y => "a",
            () => "b",
        };
        writeln!(table, "{x}.5,{colour},{y},{kind}").expect("memory");
    }
    table
}

const OPTIONS: &str = "--epochs 3 --hidden 12 --batch-size 16 --device cpu";

/// The weights of a model, whatever stands beside them.
fn weights(place: &Place, words: &str) -> NamedTensors {
    place.ok(&format!("train {words}"));
    load_tensors(&place.path("model.safetensors")).expect("a model")
}

#[test]
fn one_window_of_all_rows_has_the_bits_of_training_in_memory() {
    let place = Place::new();
    place.file("t.csv", table(300));
    for options in [
        "--dropout 0",
        "--dropout 0 --class-weight balanced --ensemble 2",
        "--dropout 0 --mixup 0.4 --shuffle false --accumulate 2",
        "--target y --loss huber --target-transform log",
    ] {
        let words = format!("t.csv --test 0 {OPTIONS} {options} --patience 0");
        let held = weights(&place, &format!("{words} --window none"));
        let streamed = weights(&place, &format!("{words} --window 300"));
        assert!(held == streamed, "{options}");
    }
}

#[test]
fn the_form_of_a_file_does_not_matter() {
    let place = Place::new();
    let table = table(2500);
    let rows = table.split_once('\n').expect("lines").1;
    place
        .file("t.csv", &table)
        .file(
            "windows.csv",
            format!("\u{feff}{}", table.replace('\n', "\r\n")),
        )
        .file("returns.csv", table.replace('\n', "\r"))
        .file("rows.csv", rows)
        .file("marked.csv", format!("\u{feff}{rows}"))
        .file("gaps.csv", table.replace('\n', "\n\n"))
        .file("tabs.tsv", table.replace(',', "\t"));
    let words = format!("{OPTIONS} --window 320");
    let known = weights(&place, &format!("t.csv {words}"));
    for name in [
        "windows.csv",
        "returns.csv",
        "rows.csv",
        "marked.csv",
        "gaps.csv",
        "tabs.tsv",
    ] {
        assert!(
            weights(&place, &format!("{name} {words}")) == known,
            "{name}"
        );
    }
    let other = weights(&place, &format!("t.csv {words} --seed 2"));
    assert!(other != known);
}

#[test]
fn windows_learn_what_is_learned_in_memory() {
    let place = Place::new();
    let table = table(2000);
    let mut lines: Vec<&str> = table.lines().collect();
    // Sorted by class, as a window of one class would show.
    lines[1..].sort_by_key(|line| line.rsplit(',').next().map(str::to_owned));
    place.file("t.csv", lines.join("\n"));
    let words = "train t.csv --epochs 40 --hidden 16 --device cpu --validation 0.1 --json";
    let held = place.json(words);
    let streamed = place.json(&format!("{words} --window 256"));
    let of = |json: &Value| json["test"]["accuracy"].as_f64().expect("a number");
    assert!(of(&held) > 0.9 && of(&streamed) > 0.85, "{held} {streamed}");
    let steps = |json: &Value| json["steps"].as_u64();
    assert_eq!(steps(&held), steps(&streamed));
}

#[test]
fn arrays_and_images_are_streamed_and_the_rows_are_told_of() {
    let place = Place::new();
    let rows = 400_usize;
    let array = |shape: String, bytes: Vec<u8>| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        file.extend(format!("{header:117}\n").bytes());
        file.extend(bytes);
        file
    };
    let pixel = |index: usize| ((index * 7919 / 13) % 251) as u8;
    let values: Vec<u8> = (0..rows * 16).map(pixel).collect();
    let labels: Vec<u8> = values
        .chunks(16)
        .map(|row| (row[0] > row[5]).into())
        .collect();
    let idx = |sides: &[usize], bytes: &[u8]| {
        let mut file = vec![0, 0, 8, sides.len() as u8];
        let sides = sides.iter().flat_map(|&side| (side as u32).to_be_bytes());
        file.extend(sides);
        file.extend(bytes);
        file
    };
    place
        .file("X.npy", array(format!("({rows}, 4, 4)"), values.clone()))
        .file("y.npy", array(format!("({rows},)"), labels.clone()))
        .file("train-images-idx3-ubyte", idx(&[rows, 4, 4], &values))
        .file("train-labels-idx1-ubyte", idx(&[rows], &labels))
        .file("t10k-images-idx3-ubyte", idx(&[50, 4, 4], &values[..800]))
        .file("t10k-labels-idx1-ubyte", idx(&[50], &labels[..50]));
    let words = format!("{OPTIONS} --epochs 20 --window 64");
    let words = words.replace("--epochs 3 ", "");
    let of_arrays = weights(&place, &format!("X.npy {words}"));
    assert!(of_arrays == weights(&place, &format!("train-images-idx3-ubyte {words}")));
    let told = place.run(&format!("train . {words} --json"));
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(
        told.contains("400 rows to train on, 0 for validation, 50 for test"),
        "{told}"
    );
    assert!(
        told.contains(
            "rows are streamed in 7 windows of 64 rows, shuffled by window and within each"
        ),
        "{told}"
    );
    let json = place.json(&format!("train X.npy {words} --json"));
    assert!(json["train"]["accuracy"].as_f64() > Some(0.8), "{json}");
}

#[test]
fn workers_come_to_the_same_bits_however_many_there_are() {
    let place = Place::new();
    place.file("t.csv", table(400));
    let words =
        "t.csv --epochs 2 --hidden 12 --batch-size 16 --window 64 --validation 0.1 --shards 4";
    let one = weights(&place, &format!("{words} --workers cpu:1"));
    for workers in [
        "cpu:1*3",
        "cpu:1*3 --scheduling distributed",
        "cpu:1*2 --worker-processes",
    ] {
        assert!(
            one == weights(&place, &format!("{words} --workers {workers}")),
            "{workers}"
        );
    }
    // One that is lost in the middle makes no difference.
    let mut command = place.command(&format!("train {words} --workers cpu:1*3"));
    let output = command.env("GPU_MLP_FAULTS", "lose@23").output();
    let told = output.expect("it runs").stderr;
    assert!(String::from_utf8_lossy(&told).contains("is lost"));
    let model = load_tensors(&place.path("model.safetensors"));
    assert!(model.expect("a model") == one);
}

#[test]
fn rows_stay_in_their_file_where_memory_does_not_suffice() {
    let place = Place::new();
    place.file("t.csv", table(60_000));
    let told = |memory: &str, words: &str| {
        let words = format!("train t.csv --epochs 1 --hidden 4 --device cpu {words}");
        let output = place.command(&words).env("GPU_MLP_MEMORY", memory).output();
        let output = output.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        told
    };
    let short = told("1", "");
    assert!(short.contains("rows are streamed in "), "{short}");
    assert!(short.contains("t.csv: all rows would take "), "{short}");
    for (memory, words) in [
        ("1000", ""),
        ("1", "--window none"),
        ("1", "--folds 2"),
        ("1", "--batch-size all"),
    ] {
        let told = told(memory, words);
        assert!(!told.contains("streamed"), "{told}");
    }
}

#[test]
fn what_cannot_be_streamed_is_refused_in_one_line() {
    let place = Place::new();
    place
        .file("t.csv", table(100))
        .file(
            "t.csv.gz",
            [
                0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
        )
        .file("run.toml", "window = 50\nbatch-size = \"all\"");
    for (words, part) in [
        (
            "t.csv --window 50 --folds 3",
            "--folds needs all rows in memory",
        ),
        (
            "t.csv --window 50 --optimizer lbfgs",
            "--optimizer lbfgs looks at all rows",
        ),
        ("t.csv --config run.toml", "--batch-size all needs all rows"),
        (
            "t.csv --window 50 --sampling balanced",
            "--class-weight balanced",
        ),
        (
            "t.csv --window 50 --sample-weight y",
            "--sample-weight is scaled",
        ),
        ("t.csv --window 10 --batch-size 16", "a step takes 16 rows"),
        ("t.csv.gz --window 50", "compressed"),
        ("digits --window 50", "built in"),
        ("- --window 50", "standard input is read once"),
        ("t.csv --window 0", "a number of rows, a size as 512MiB"),
        ("t.csv --window 5MB", "a number of rows, a size as 512MiB"),
    ] {
        let (code, line) = place.fails(&format!("train {words}"));
        assert!(code == 2 && line.contains(part), "{words}: {line}");
    }
}

#[test]
fn a_broken_row_far_behind_is_told_with_its_place() {
    let place = Place::new();
    let good = table(3000);
    let broken = |row: usize, by: &str| {
        let mut lines: Vec<&str> = good.lines().collect();
        lines[row] = by;
        lines.join("\n")
    };
    place
        .file("ragged.csv", broken(2500, "1,red,3"))
        .file("infinite.csv", broken(2500, "1,red,inf,a"))
        .file("open.csv", broken(2500, "1,red,3,"))
        .file("word.csv", broken(2500, "1,red,much,a"));
    let options = "--epochs 1 --hidden 4 --device cpu --window 64 --batch-size 32";
    for (words, parts) in [
        ("ragged.csv", ["line 2501", "3 fields"]),
        ("infinite.csv", ["line 2501", "column 'y'"]),
        ("open.csv", ["line 2501", "column 'kind'"]),
        // It is found when its window is read: what was drawn does not have it.
        (
            "word.csv --target y --task regression --seed 3",
            ["line 2501", "'much' is not a number"],
        ),
    ] {
        let (code, line) = place.fails(&format!("train {words} {options}"));
        assert_eq!(code, 2, "{line}");
        for part in parts
            .into_iter()
            .chain([words.split(' ').next().unwrap_or_default()])
        {
            assert!(line.contains(part), "{words}: {line}");
        }
        assert!(!place.path("model.safetensors").exists());
    }
}

#[test]
fn rows_that_are_held_out_are_never_trained_on() {
    let place = Place::new();
    // A target that nothing tells: only rows that were trained on can be known.
    let mut table = "x,y,kind\n".to_owned();
    let mut seen = BTreeSet::new();
    for row in 0..240_u64 {
        // The finalizer of SplitMix64: multiples alone have a pattern that can be learned.
        let mut bits = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        seen.insert(bits);
        writeln!(
            table,
            "{},{},{}",
            row % 16,
            row / 16,
            ["a", "b"][(bits % 2) as usize]
        )
        .expect("memory");
    }
    assert_eq!(seen.len(), 240);
    place.file("t.csv", table);
    let json = place.json(
        "train t.csv --epochs 600 --hidden 128,128,128 --batch-size 20 --window 40 --test 0.3 --dropout 0 --lr 0.003 --weight-decay 0 \
         --device cpu --json",
    );
    let of = |part: &str| json[part]["accuracy"].as_f64().expect("a number");
    let [train, test] = ["train", "test"].map(of);
    assert!(train > 0.8 && test < 0.7, "{train} {test}");
    fs::metadata(place.path("model.safetensors")).expect("it is written");
}
