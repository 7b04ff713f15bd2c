//! Training: devices, options, figures.

use std::fs;

use serde_json::Value;

use super::{Place, TABLE, entries};

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
    let answer = place.json("train digits --validation 0.1 --epochs 3 --device cpu --json");
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
    place.ok("plan --inputs 784 --hidden 128:gelu --outputs 10 --emit-wgsl kernels");
    let kernels = entries(&place.path("kernels"));
    assert!(kernels.len() > 10, "{kernels:?}");
    for kernel in &kernels {
        let text = fs::read_to_string(place.path("kernels").join(kernel)).expect("it is there");
        let unfilled = text
            .lines()
            .find(|line| line.starts_with("override LANES") || line.starts_with("#import"));
        assert_eq!(
            (unfilled, text.contains("@compute")),
            (None, true),
            "{kernel}"
        );
    }
    assert!(
        place.json("devices --json")["adapters"]
            .as_array()
            .is_some_and(|adapters| !adapters.is_empty())
    );
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
    assert_eq!(configuration["optimizer"], "adamw");
    // What is decided where nothing is said: narrow layers keep all of their outputs.
    assert_eq!(configuration["schedule"], "cosine");
    assert_eq!(configuration["dropout"], 0.0);
    assert_eq!(inspected["network"]["dropout"], "none");
}

#[test]
fn the_schedule_sets_the_rate_that_steps_are_made_with() {
    let place = Place::new();
    let losses = |options: &str| -> Vec<f64> {
        let answer = place.json(&format!(
            "train digits --optimizer adam --validation 0.1 --epochs 30 --patience 0 --lr 0.01 --device cpu --json {options}"
        ));
        let history = answer["history"].as_array().cloned().unwrap_or_default();
        let loss = |epoch: &Value| epoch["validation"]["loss"].as_f64();
        history.iter().filter_map(loss).collect()
    };
    let moved = |losses: &[f64]| {
        losses
            .windows(2)
            .any(|pair| (pair[0] - pair[1]).abs() > 1e-5)
    };
    assert!(moved(&losses("")[25..]));
    // From the second epoch on there is no rate to speak of; with a plateau, from the first that brings nothing.
    // An option without a value before the data takes none of it.
    place.ok("train --optimizer sgd --nesterov digits --epochs 1 --device cpu");
    assert!(!moved(
        &losses("--schedule exponential --schedule-factor 0.000001")[1..]
    ));
    let plateau = losses("--schedule plateau --schedule-every 1 --schedule-factor 0.000001");
    assert!(
        moved(&plateau[..5]) && !moved(&plateau[25..]),
        "{plateau:?}"
    );
    // As long as all of a run, a warm-up keeps the first epoch from going far.
    assert!(losses("--warmup 1000000")[0] > 2.0 * losses("")[0]);
}

#[test]
fn every_scaling_is_kept_in_the_model() {
    let place = Place::new();
    let row = |row: i32| format!("{},{},{}\n", row * row, ["a", "b"][row as usize % 2], row);
    place.file(
        "rows.csv",
        format!("x,c,y\n{}", (0..80).map(row).collect::<String>()),
    );
    for mode in ["auto", "min-max", "robust", "quantile"] {
        let trained = place.json(&format!(
            "train rows.csv --task regression --preprocess {mode} --epochs 300 --dropout 0 --test 0 --device cpu --json"
        ));
        let evaluated = place.json("evaluate model.safetensors rows.csv --json");
        for metric in ["loss", "r2"] {
            let (one, other) = (&trained["train"][metric], &evaluated[metric]);
            let apart = one
                .as_f64()
                .zip(other.as_f64())
                .map(|(one, other)| (one - other).abs());
            assert!(apart < Some(1e-4), "{mode}: {one} {other}");
        }
        assert!(evaluated["r2"].as_f64() > Some(0.9), "{mode}: {evaluated}");
    }
    let told = place.ok("inspect model.safetensors");
    assert!(
        told.contains("to a normal distribution by 80 quantiles"),
        "{told}"
    );
}

#[test]
fn a_target_of_many_magnitudes_is_learned_as_its_logarithm() {
    let place = Place::new();
    let row = |row: i32| format!("{row},{}\n", f64::from(row).mul_add(0.15, 0.1).exp());
    place.file(
        "rows.csv",
        format!("x,y\n{}", (0..80).map(row).collect::<String>()),
    );
    let train = |options: &str| {
        place.json(&format!(
            "train rows.csv --epochs 500 --dropout 0 --device cpu --json {options}"
        ))
    };
    let trained = train("--target-transform log");
    let relative = |metrics: &Value| metrics["mape"].as_f64().unwrap_or(f64::NAN);
    let evaluated = place.json("evaluate model.safetensors rows.csv --json");
    assert!(relative(&evaluated) < 0.1, "{evaluated}");
    // In the target's own units, which go up to 155,000.
    assert!(trained["test"]["mae"].as_f64() > Some(1.0), "{trained}");
    assert!(trained["test"]["r2"].as_f64() > Some(0.8), "{trained}");
    train("");
    let plain = place.json("evaluate model.safetensors rows.csv --json");
    assert!(relative(&plain) > 0.3, "{plain}");
    // A target that has no logarithm is told of, not answered for.
    train("--target-transform log");
    place.file("negative.csv", "x,y\n1,5\n2,-1\n");
    let (code, line) = place.fails("evaluate model.safetensors negative.csv");
    assert!(
        code == 2 && line.contains("line 3") && line.contains("-1"),
        "{line}"
    );
}

#[test]
fn a_range_test_suggests_a_rate_that_trains_and_writes_nothing() {
    let place = Place::new();
    let mut suggestions = Vec::new();
    for device in ["cpu", "gpu"] {
        let test = place.json(&format!("train digits --find-lr --device {device} --json"));
        let losses = test["losses"].as_array().expect("a list");
        assert!(losses.len() > 100 && losses.len() == test["rates"].as_array().map_or(0, Vec::len));
        suggestions.push(test["suggestion"].as_f64().expect("a rate"));
    }
    assert!(
        suggestions.iter().all(|rate| (1e-4..0.1).contains(rate)),
        "{suggestions:?}"
    );
    let told = place.ok("train digits --find-lr --ensemble 3 --device auto");
    assert!(told.contains("▇▇▇") && told.contains("at --lr "), "{told}");
    assert!(entries(place.folder.path()).is_empty());
}

#[test]
fn rows_count_by_a_column_that_is_no_input() {
    let place = Place::new();
    let table = |weights: [&str; 2]| -> String {
        let row = |row: usize| {
            let wrong = row.is_multiple_of(2);
            let value = if wrong { 1000 } else { 3 * row };
            format!("{row},{},{value}\n", weights[usize::from(wrong)])
        };
        format!("x,count,y\n{}", (0..60).map(row).collect::<String>())
    };
    let error = |weights, options: &str| {
        place.file("rows.csv", table(weights));
        place.ok(&format!(
            "train rows.csv --task regression --test 0 --epochs 500 --dropout 0 --device cpu {options}"
        ));
        place.file("right.csv", "count,x\n7,51\n7,21\n");
        let answers = place.ok("predict model.safetensors right.csv");
        let answers = answers.lines().skip(1);
        let answers: Vec<f64> = answers
            .map(|value| value.parse().expect("a number"))
            .collect();
        (answers[0] - 153.0).abs().max((answers[1] - 63.0).abs())
    };
    assert!(error(["2.5", "0"], "--sample-weight count") < 30.0);
    assert!(error(["1", "1"], "--sample-weight count") > 100.0);
    let inspected = place.json("inspect model.safetensors --json");
    assert_eq!(inspected["network"]["inputs"], 1);
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
fn a_long_history_is_thinned() {
    let place = Place::new();
    let answer = place.json("train xor --hidden 2 --epochs 25000 --device cpu --json");
    let history = answer["history"].as_array().expect("a list");
    assert_eq!((&answer["epochs"], history.len()), (&25_000.into(), 8334));
    assert_eq!(history[0]["epoch"], 3);
    assert_eq!(history[8333]["epoch"], 25_000);
}

#[test]
fn kernels_are_tuned_once_and_again_on_request() {
    let place = Place::new();
    let words =
        "train digits --hidden 512 --batch-size 256 --epochs 1 --device gpu --out m.safetensors";
    let told = |words: &str| {
        let mut command = place.command(words);
        let output = command.env("GPU_MLP_CACHE", place.path("cache")).output();
        let output = output.expect("it runs");
        assert!(output.status.success());
        String::from_utf8(output.stderr).expect("text")
    };
    let tuned = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with("info: tuned "))
            .count()
    };
    let first = told(words);
    assert!(tuned(&first) > 0, "{first}");
    assert_eq!(tuned(&told(words)), 0);
    assert!(tuned(&told(&format!("{words} --retune"))) > 0);
    for name in entries(&place.path("cache")) {
        place.file(&format!("cache/{name}"), "no table");
    }
    let damaged = told(words);
    assert!(
        damaged.contains("is ignored, and made anew: it is damaged"),
        "{damaged}"
    );
    assert!(tuned(&damaged) > 0, "{damaged}");
}
