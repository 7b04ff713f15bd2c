//! The real binary, as a user has it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a binary that runs in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Place {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), contents).expect("it is written");
        self
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("gpu-mlp"));
        command
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &str) -> Output {
        self.command(words).output().expect("it runs")
    }

    fn ok(&self, words: &str) -> String {
        let output = self.run(words);
        assert!(
            output.status.success(),
            "{words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ok(words)).expect("one JSON object")
    }

    /// Exit code and the line of the error.
    fn fails(&self, words: &str) -> (i32, String) {
        let output = self.run(words);
        let stderr = String::from_utf8(output.stderr).expect("text");
        let told = |line: &&str| !line.starts_with("info: ") && !line.starts_with("warn: ");
        let errors: Vec<&str> = stderr.lines().filter(told).collect();
        assert_eq!(errors.len(), 1, "{words}: {stderr}");
        assert!(errors[0].starts_with("error: "), "{words}: {stderr}");
        (output.status.code().unwrap_or(-1), errors[0].to_owned())
    }
}

const TABLE: &str = "size,colour,price\n1,red,10\n2,blue,19\n3,red,31\n4,blue,42\n5,red,50\n6,green,61\n7,red,69\n8,blue,81\n";

/// Twenty rows of each of three classes, told apart by their first number.
fn classes() -> String {
    let mut table = "x,y,kind\n".to_owned();
    for row in 0..60 {
        let kind = row % 3;
        table += &format!(
            "{},{},{}\n",
            kind * 10 + row % 7,
            row % 5,
            ["a", "b", "c"][kind]
        );
    }
    table
}

/// An array of zeros, or the beginning of one.
fn npy(dtype: &str, shape: &str, bytes: usize) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{header:117}\n").bytes());
    file.resize(file.len() + bytes, 0);
    file
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn bad_input_is_one_line_with_exit_code_2_and_nothing_is_written() {
    let place = Place::new();
    let (good, kinds) = (TABLE, classes());
    place.file("good.csv", good).file("kinds.csv", &kinds);
    place.ok("train good.csv --epochs 2 --device cpu --out price.safetensors");
    place.ok("train kinds.csv --epochs 2 --device cpu --out kind.safetensors");
    place.file("tiny.csv", "x,kind\n1e-30,a\n2e-30,b\n3e-30,a\n4e-30,b\n");
    place.ok("train tiny.csv --epochs 2 --device cpu --out tiny.safetensors");
    place
        .file("ragged.csv", "a,b\n1,2\n3\n")
        .file("infinite.csv", "a,b\n1,2\ninf,3\n2,4\n")
        .file("empty.csv", "")
        .file("header.csv", "a,b\n")
        .file("word.csv", "size,colour,price\n1,red,10\nbig,red,20\n")
        .file("narrow.csv", "size,price\n1,10\n")
        .file("unseen.csv", "x,y,kind\n1,2,a\n1,2,zebra\n")
        .file("one.csv", "a,b\n1,x\n2,x\n")
        .file("short-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 9, 1])
        .file("cut.csv.gz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 75, 212])
        .file("text.npy", b"\x93NUMPY\x01\x00\x46\x00{'descr': '<U5', 'fortran_order': False, 'shape': (2, 2), }         \n")
        .file("no.safetensors", "this is no model")
        .file("long.safetensors", [255; 64])
        .file("run.toml", "epochs = 3\nepoch = 5\n")
        .file("zero.toml", "hidden = [0]\n")
        .file("device.toml", "device = \"gpu:x\"\n")
        .file("out.toml", "out = 3\n")
        .file("huge.csv", "x\n1e-30\n3e38\n")
        .file("infinite-row.csv", "x,y\n1,2\n2,inf\n")
        .file("three.npy", npy("<f4", "(2, 3)", 24))
        .file("complex.npy", npy("<c8", "(2, 2)", 32))
        .file("short.npy", npy("<f4", "(2, 2)", 10));
    let images = place.path("images");
    fs::create_dir(&images).expect("a folder");
    fs::write(
        images.join("train-images-idx3-ubyte"),
        [0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 2, 1],
    )
    .expect("written");
    fs::write(
        images.join("train-labels-idx1-ubyte"),
        [0, 0, 8, 1, 0, 0, 0, 9, 1],
    )
    .expect("written");
    let before = entries(place.folder.path());
    for (words, parts) in [
        ("train ragged.csv", &["ragged.csv", "line 3", "1 field"][..]),
        ("train infinite.csv", &["infinite.csv", "line 3", "a"]),
        ("train empty.csv", &["empty.csv", "empty"]),
        ("train header.csv", &["header.csv", "no rows"]),
        ("train missing.csv", &["missing.csv", "no such file"]),
        ("train one.csv", &["one.csv"]),
        ("train images", &["train-", "truncated"]),
        ("train cut.csv.gz", &["cut.csv.gz", "truncated"]),
        ("train text.npy", &["text.npy"]),
        (
            "train good.csv --target prize",
            &["good.csv", "prize", "price"],
        ),
        (
            "train good.csv --loss cross-entropy",
            &["--loss cross-entropy", "mse"],
        ),
        ("train good.csv --epochs 0", &["--epochs", "0"]),
        ("train good.csv --epochs -3", &["--epochs", "-3"]),
        ("train good.csv --max-steps 0", &["--max-steps", "0"]),
        ("train good.csv --patience -1", &["--patience", "-1"]),
        ("train good.csv --seed -1", &["--seed", "-1"]),
        ("train good.csv --momentum 1", &["--momentum", "below 1"]),
        ("train good.csv --l2 inf", &["--l2", "from 0"]),
        ("train good.csv --test -0.1", &["--test", "fraction"]),
        ("train good.csv --shuffle maybe", &["--shuffle", "maybe"]),
        ("train good.csv --lr -1", &["--lr", "positive"]),
        ("train good.csv --lr=-1", &["--lr", "positive"]),
        ("train good.csv --lr nan", &["--lr", "positive"]),
        ("train good.csv --batch-size 0", &["--batch-size"]),
        ("train good.csv --hidden 0,5", &["--hidden", "widths"]),
        (
            "train good.csv --hidden 65536,65536,65536",
            &["--hidden", "memory"],
        ),
        (
            "train good.csv --hidden 99999999999",
            &["--hidden", "widths"],
        ),
        (
            "train good.csv --validation 1.5",
            &["--validation", "fraction"],
        ),
        (
            "train good.csv --validation 0.6 --test 0.6",
            &["--validation", "--test"],
        ),
        (
            "train good.csv --optimizer newton",
            &["--optimizer", "newton", "adam"],
        ),
        (
            "train good.csv --output-activation tanh --loss binary-cross-entropy --target colour",
            &["--loss"],
        ),
        ("train good.csv --config run.toml", &["run.toml", "line 2"]),
        (
            "train good.csv --config zero.toml",
            &["zero.toml", "hidden"],
        ),
        ("train good.csv --config none.toml", &["none.toml"]),
        (
            "train good.csv --config device.toml",
            &["device.toml", "gpu:x"],
        ),
        ("train good.csv --config out.toml", &["out.toml", "text"]),
        (
            "train good.csv --init-from no.safetensors",
            &["no.safetensors"],
        ),
        (
            "train good.csv --init-from price.safetensors --hidden 128,32",
            &["initial weights", "layers.1.weight has 4096 values"],
        ),
        (
            "train good.csv --init-from price.safetensors --hidden 3",
            &["initial weights", "4 parameters"],
        ),
        (
            "train good.csv --out /nowhere/model.safetensors",
            &["/nowhere/model.safetensors"],
        ),
        ("train good.csv --out /dev/full", &["/dev/full"]),
        ("train good.csv --preprocess none", &["good.csv", "colour"]),
        ("train good.csv --device gpu:77", &["gpu:77"]),
        ("train good.csv --device nonesuch", &["nonesuch"]),
        (
            "evaluate price.safetensors narrow.csv",
            &["narrow.csv", "colour"],
        ),
        (
            "evaluate kind.safetensors unseen.csv",
            &["unseen.csv", "line 3", "zebra"],
        ),
        (
            "predict price.safetensors word.csv",
            &["word.csv", "line 3", "size", "big"],
        ),
        ("predict price.safetensors missing.csv", &["missing.csv"]),
        (
            "predict tiny.safetensors huge.csv",
            &["huge.csv", "line 3", "no number"],
        ),
        (
            "predict kind.safetensors infinite-row.csv",
            &["infinite-row.csv", "line 3", "y"],
        ),
        (
            "predict kind.safetensors three.npy",
            &["three.npy", "3 features", "2"],
        ),
        (
            "predict kind.safetensors complex.npy",
            &["complex.npy", "<c8"],
        ),
        (
            "predict kind.safetensors short.npy",
            &["short.npy", "truncated"],
        ),
        ("predict price.safetensors good.csv --proba", &["--proba"]),
        (
            "predict price.safetensors good.csv --out a.xlsx",
            &["--out", ".xlsx"],
        ),
        (
            "predict price.safetensors good.csv --out /dev/full",
            &["/dev/full", "space"],
        ),
        ("predict price.safetensors digits", &["digits"]),
        ("predict no.safetensors good.csv", &["no.safetensors"]),
        ("predict long.safetensors good.csv", &["long.safetensors"]),
        ("inspect missing.safetensors", &["missing.safetensors"]),
        ("inspect good.csv", &["good.csv"]),
        ("plan missing.csv", &["missing.csv"]),
        ("plan --inputs 3", &["--outputs"]),
        ("plan --inputs 0 --outputs 1", &["--inputs", "0"]),
        (
            "plan --inputs 65536 --outputs 65536 --members 65535 --batch-size 2000000000",
            &["--batch-size"],
        ),
        ("fly", &["fly"]),
    ] {
        let (code, line) = place.fails(words);
        assert_eq!(code, 2, "{words}: {line}");
        for part in parts {
            assert!(
                line.contains(part),
                "{words}: {line:?} does not say {part:?}"
            );
        }
        assert_eq!(
            entries(place.folder.path()),
            before,
            "{words} left something behind"
        );
    }
}

#[test]
fn without_an_adapter_the_cpu_trains_and_gpu_is_refused_with_advice() {
    let place = Place::new();
    let none = |words: &str| {
        let mut command = place.command(words);
        command
            .env("VK_DRIVER_FILES", "/nonexistent")
            .env("VK_ICD_FILENAMES", "/nonexistent");
        command.output().expect("it runs")
    };
    let output = none("train xor --json");
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(
        answer["device"]
            .as_str()
            .is_some_and(|device| device.starts_with("cpu"))
    );
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        stderr
            .lines()
            .filter(|line| line.contains("no GPU adapter was found"))
            .count(),
        1,
        "{stderr}"
    );

    let output = none("train xor --device gpu");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("error"))
        .collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert!(
        errors[0].contains("Vulkan") && errors[0].contains("mesa-vulkan-drivers"),
        "{stderr}"
    );
}

#[test]
fn json_has_the_documented_fields_and_nothing_else_is_on_standard_output() {
    let place = Place::new();
    let answer = place.json("train digits --epochs 3 --device cpu --json");
    for field in [
        "steps",
        "epochs",
        "seconds",
        "steps_per_second",
        "samples_per_second",
    ] {
        assert!(
            answer[field].as_f64().is_some_and(|value| value > 0.0),
            "{field}: {}",
            answer[field]
        );
    }
    for part in ["train", "validation", "test"] {
        assert!(
            answer[part]["loss"].is_number() && answer[part]["accuracy"].is_number(),
            "{part}"
        );
    }
    assert_eq!(answer["history"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        (&answer["model"], &answer["end"]),
        (&"model.safetensors".into(), &"done".into())
    );

    place.file("table.csv", TABLE);
    let answer = place.json("train table.csv --epochs 30 --device cpu --json");
    for field in ["loss", "rmse", "mae", "r2"] {
        assert!(answer["train"][field].is_number(), "{field}");
    }
    assert!(answer["test"].is_null());
    let evaluated = place.json("evaluate model.safetensors table.csv --json");
    for field in ["loss", "rmse", "mae", "r2"] {
        let (trained, found) = (answer["train"][field].as_f64(), evaluated[field].as_f64());
        let (trained, found) = (trained.unwrap_or(f64::NAN), found.unwrap_or(f64::NAN));
        assert!(
            (trained - found).abs() <= 1e-4 * trained.abs().max(1.0),
            "{field}: {trained} and {found}"
        );
    }
    assert_eq!(
        place.json("inspect model.safetensors --json")["network"]["inputs"],
        5
    );
    assert!(
        place.json("plan --json")["ops"]
            .as_array()
            .is_some_and(|ops| ops.len() > 10)
    );
    let plan = place.json("plan --inputs 784 --hidden 128 --outputs 10 --batch-size 100 --json");
    assert_eq!((&plan["batch"], &plan["members"]), (&100.into(), &1.into()));
    assert!(
        place.json("devices --json")["adapters"]
            .as_array()
            .is_some_and(|adapters| !adapters.is_empty())
    );
}

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
    // The same rows on the adapter.
    let adapter = place.json("evaluate model.safetensors kinds.csv --device gpu --json");
    assert_eq!(adapter["confusion"], evaluated["confusion"]);
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

#[test]
fn options_come_from_a_file_too_and_the_command_line_wins() {
    let place = Place::new();
    place.file(
        "run.toml",
        "data = \"digits\"\ndevice = \"cpu\"\nout = \"named.safetensors\"\nhidden = [7]\nepochs = 2\nbatch-size = 50\nseed = 9\n",
    );
    place.ok("train --config run.toml --epochs 1");
    let inspected = place.json("inspect named.safetensors --json");
    let configuration = &inspected["description"]["configuration"];
    assert_eq!(inspected["network"]["layers"][0]["units"], 7);
    assert_eq!(
        (&configuration["epochs"], &configuration["seed"]),
        (&1.into(), &9.into())
    );
    assert_eq!(configuration["batch-size"], 50);
    assert_eq!(configuration["optimizer"], "adam");
}

#[test]
fn training_goes_on_from_given_weights() {
    let place = Place::new();
    place.ok("train digits --epochs 5 --device cpu --out first.safetensors");
    let again = place.json(
        "train digits --epochs 1 --lr 1e-9 --init-from first.safetensors --device cpu --json",
    );
    let fresh = place.json("train digits --epochs 1 --lr 1e-9 --device cpu --json");
    assert!(
        again["test"]["accuracy"].as_f64() > Some(0.9)
            && fresh["test"]["accuracy"].as_f64() < Some(0.5)
    );
}

#[test]
fn the_same_command_writes_the_same_bytes_on_either_device() {
    let place = Place::new();
    for device in ["cpu", "gpu"] {
        for name in ["one", "two"] {
            place.ok(&format!(
                "train digits --epochs 2 --device {device} --out {name}"
            ));
        }
        let read = |name: &str| fs::read(place.path(name)).expect("it is there");
        assert!(read("one") == read("two"), "{device}");
    }
}

#[test]
fn a_diverging_run_exits_1_with_advice_and_keeps_the_last_good_weights() {
    let place = Place::new();
    place.file("good.csv", TABLE);
    for words in [
        "train digits --lr 1e30 --epochs 3 --device cpu",
        // What the last step has done is seen behind it.
        "train xor --lr 1e38 --max-steps 1",
        "train xor --lr 1e38 --epochs 5",
    ] {
        let (code, line) = place.fails(words);
        assert_eq!(code, 1, "{words}: {line}");
        assert!(line.contains("learning rate"), "{words}: {line}");
        assert!(!place.path("model.safetensors").exists(), "{words}");
    }
    // Gradient descent on a linear model swings further with every step: the first are good, the last are not.
    let (code, line) = place.fails(
        "train good.csv --hidden 0 --optimizer sgd --lr 3 --epochs 9999 --patience 9999 --device cpu",
    );
    assert_eq!(code, 1, "{line}");
    assert!(
        line.contains("learning rate") && line.contains("model.safetensors"),
        "{line}"
    );
    let kept = place.json("evaluate model.safetensors good.csv --json");
    assert!(kept["loss"].as_f64() < Some(100.0), "{kept}");
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

#[test]
fn a_damaged_model_is_refused_or_used_but_never_a_panic() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    place.ok("train kinds.csv --hidden 3 --epochs 1 --device cpu");
    let bytes = fs::read(place.path("model.safetensors")).expect("it is there");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for (good, bad) in [
        (r#"\"units\":3"#, r#"\"units\":0"#),
        (r#"\"inputs\":2"#, r#"\"inputs\":9"#),
        (r#"\"version\":1"#, r#"\"version\":7"#),
        ("cross-entropy", "cross-entropi"),
        (r#"\"c\""#, r#"\"\"\""#),
        ("layers.0.weight", "layers.9.weight"),
    ] {
        assert!(text.contains(good), "{good} is in the file");
        let at = bytes
            .windows(good.len())
            .position(|window| window == good.as_bytes())
            .expect("it is there");
        let mut damaged = bytes.clone();
        damaged[at..at + bad.len()].copy_from_slice(bad.as_bytes());
        place.file("bad.safetensors", &damaged);
        let (code, line) = place.fails("predict bad.safetensors kinds.csv");
        assert_eq!(code, 2, "{bad}: {line}");
        assert!(line.contains("bad.safetensors"), "{bad}: {line}");
    }
}

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
