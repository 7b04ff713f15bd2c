use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Place, classes};

#[test]
fn a_simulation_tells_of_each_policy_and_draws_it() {
    let place = Place::new();
    let words = "simulate --workers 3,9 --steps 6 --mtbf 30 --repair 0.5 --plot fleet.svg";
    let json = place.json(&format!("{words} --json"));
    let runs = json["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 2 * 2 * 5);
    for run in runs {
        let goodput = run["goodput"].as_f64().expect("a number");
        assert!(goodput > 0.0 && goodput <= 1.0, "{run}");
    }
    assert_eq!(
        json,
        place.json(&format!("{words} --json")),
        "it follows from the seed"
    );
    let svg = std::fs::read_to_string(place.path("fleet.svg")).expect("it is drawn");
    assert_eq!(svg.matches("<polyline").count(), 2 * 2 * 5);
    let table = place.ok(words);
    assert_eq!(
        table
            .lines()
            .filter(|line| line.contains(" throughput "))
            .count(),
        4
    );
}

#[test]
fn sizes_that_cannot_be_simulated_are_refused() {
    let place = Place::new();
    for (words, part) in [
        ("simulate --workers 0", "0"),
        ("simulate --workers 20000", "10000"),
        ("simulate --mtbf never", "a number from 0 on"),
    ] {
        let (code, line) = place.fails(words);
        assert!(code == 2 && line.contains(part), "{words}: {line}");
    }
}

const TRAIN: &str = "train data.csv --hidden 12,8 --epochs 3 --batch-size 16 --dropout 0.1 --validation 0.2 --shards 5";

fn model(place: &Place, name: &str, words: &str) -> Vec<u8> {
    place.ok(&format!("{TRAIN} --out {name} {words}"));
    std::fs::read(place.path(name)).expect("the model is written")
}

#[test]
fn a_model_is_the_same_file_whoever_trains_it() {
    let place = Place::new();
    place.file("data.csv", classes());
    let one = model(&place, "one", "--workers cpu:1");
    for (name, words) in [
        ("three", "--workers cpu:1*3 --policy round-robin"),
        ("learned", "--workers cpu:1*2 --policy learned"),
        (
            "weighted",
            "--workers cpu:1*2@3,cpu:1 --policy weighted --verify 0.5",
        ),
        ("peers", "--workers cpu:1*7 --scheduling distributed"),
        (
            "checked",
            "--workers cpu:1*3 --scheduling distributed --verify 0.5",
        ),
        ("processes", "--workers cpu:1*2 --worker-processes"),
        (
            "apart",
            "--workers cpu:1*3 --worker-processes --scheduling distributed",
        ),
    ] {
        assert!(one == model(&place, name, words), "{name}");
    }
    let keys = [
        "workers = \"cpu:1*2\"",
        "policy = \"least-response-time\"",
        "scheduling = \"central\"",
        "verify = 0.25",
        "worker-processes = true",
        "shards = 5",
    ];
    place.file("run.toml", keys.join("\n"));
    assert!(one == model(&place, "file", "--config run.toml"));
    let told = place.json(&format!("{TRAIN} --config run.toml --json"));
    assert_eq!(told["pool"]["policy"], "least-response-time");
    assert!(told["pool"]["verified"].as_u64() > Some(0), "{told}");
    place.file("run.toml", "workers = \"cpu:1\"\nworker-processes = 3");
    let (code, line) = place.fails("train data.csv --config run.toml");
    assert!(
        code == 2 && line.contains("worker-processes: true or false"),
        "{line}"
    );
    let told = place.json(&format!("{TRAIN} --workers cpu:1*2 --json"));
    let workers = told["pool"]["workers"].as_array().expect("a list");
    assert_eq!((workers.len(), &told["pool"]["shards"]), (2, &5.into()));
    let shards: u64 = workers
        .iter()
        .filter_map(|worker| worker["shards"].as_u64())
        .sum();
    // 36 rows are batches of 4, 4 and 1 shards of 4 rows.
    assert!(shards >= 3 * 9, "{told}");
}

#[test]
fn adapters_are_workers_and_come_to_what_the_processor_comes_to() {
    let place = Place::new();
    place.file("data.csv", classes());
    let one = model(&place, "one", "--workers gpu");
    assert!(one == model(&place, "two", "--workers gpu*2"));
    let loss = |words: &str| {
        let told = place.json(&format!("{TRAIN} --json --workers {words}"));
        told["validation"]["loss"].as_f64().expect("a number")
    };
    let (cards, both, cores) = (loss("gpu*2"), loss("gpu,cpu:1"), loss("cpu:1*2"));
    assert!(
        (cards - cores).abs() < 1e-3 && (both - cores).abs() < 1e-3,
        "{cards} {both} {cores}"
    );
}

#[test]
fn a_run_goes_on_with_other_workers() {
    let place = Place::new();
    place.file("data.csv", classes());
    let words = "--optimizer adam --run";
    place.ok(&format!("{TRAIN} {words} whole --workers cpu:1"));
    place.ok(&format!(
        "{} {words} parts --workers cpu:1*2",
        TRAIN.replace("--epochs 3", "--epochs 1")
    ));
    place.ok("resume parts --epochs 3 --workers cpu:1*3 --scheduling distributed");
    let answers = |run: &str| place.ok(&format!("predict {run}/model.safetensors data.csv"));
    assert_eq!(answers("whole"), answers("parts"));
    place.ok(&format!(
        "{words} plain",
        words = "train data.csv --epochs 1 --optimizer adam --run"
    ));
    let (code, line) = place.fails("resume plain --epochs 2 --workers cpu:1");
    assert!(
        code == 2 && line.contains("began without workers"),
        "{line}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_process_that_is_killed_is_replaced_and_the_model_is_the_same() {
    let place = Place::new();
    place.file("data.csv", classes());
    let words = "train data.csv --hidden 12 --batch-size 16 --epochs 4000 --patience 0 --run";
    place.ok(&format!("{words} whole --workers cpu:1"));
    let child = place
        .command(&format!(
            "{words} killed --workers cpu:1*3 --worker-processes"
        ))
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let start = Instant::now();
    while !place.run("status killed").status.success() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not train"
        );
    }
    let of = format!("/proc/{0}/task", child.id());
    let tasks = std::fs::read_dir(of).expect("its threads").flatten();
    let workers: String = tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .collect();
    let worker = workers.split_whitespace().next().expect("a worker process");
    let killed = std::process::Command::new("kill")
        .args(["-9", worker])
        .status();
    assert!(killed.expect("it runs").success());
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && told.contains("is lost"),
        "{told}"
    );
    let model =
        |run: &str| std::fs::read(place.path(run).join("model.safetensors")).expect("a model");
    assert!(model("whole") == model("killed"));
}

#[cfg(unix)]
#[test]
fn a_worker_joins_a_run_and_leaves_it_and_the_model_is_the_same() {
    let place = Place::new();
    place.file("data.csv", classes());
    let words = "train data.csv --hidden 12 --batch-size 16 --epochs 8000 --patience 0 --run";
    place.ok(&format!("{words} whole --workers cpu:1"));
    let mut trainer = place
        .command(&format!("{words} run --workers cpu:1"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let start = Instant::now();
    while !place.run("status run").status.success() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not train"
        );
    }
    let mut worker = place
        .command("worker --join run --device cpu:1")
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let told = || {
        let output = place.run("status run --json");
        let told = serde_json::from_slice::<serde_json::Value>(&output.stdout).ok()?;
        Some(told["workers"].as_array()?.clone())
    };
    let joined = || told().and_then(|workers| workers.get(1).cloned());
    let mut shards = 0;
    while shards == 0 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not come"
        );
        shards = joined().map_or(0, |worker| worker["shards"].as_u64().unwrap_or(0));
    }
    let pid = worker.id().to_string();
    let left = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(left.expect("it runs").success());
    worker.wait().expect("it ends");
    while joined().is_some_and(|worker| worker["live"] == true) {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not go");
    }
    assert!(joined().is_none_or(|worker| worker["losses"] == 1));
    assert!(trainer.wait().expect("it ends").success());
    let model =
        |run: &str| std::fs::read(place.path(run).join("model.safetensors")).expect("a model");
    assert!(model("whole") == model("run"));
    let (code, line) = place.fails("worker --join run --device cpu:1");
    assert!(
        code == 2 && line.contains("not training with --workers"),
        "{line}"
    );
}

#[cfg(unix)]
#[test]
fn a_run_is_scaled_while_it_trains() {
    let place = Place::new();
    place.file("data.csv", classes());
    let words =
        "train data.csv --hidden 12 --batch-size 16 --epochs 1000000 --run run --workers cpu:1";
    let mut child = place
        .command(words)
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let live = || {
        let output = place.run("status run --json");
        let told = serde_json::from_slice::<serde_json::Value>(&output.stdout).ok()?;
        let workers = told["workers"].as_array()?.clone();
        Some(
            workers
                .iter()
                .filter(|worker| worker["live"] == true)
                .count(),
        )
    };
    let until = |wanted: usize| {
        let start = Instant::now();
        while live() != Some(wanted) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{wanted} workers do not come"
            );
        }
    };
    until(1);
    place.ok("scale run --workers cpu:1*3");
    until(3);
    place.ok("scale run --workers cpu:2");
    // The last of the others goes when this one has come.
    let start = Instant::now();
    while !place.ok("status run").contains("cpu (2 threads)") {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not come"
        );
    }
    until(1);
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    let (code, line) = place.fails("status run");
    assert!(
        code == 2 && line.contains("not training with --workers"),
        "{line}"
    );
}

#[test]
fn workers_that_cannot_be_are_refused() {
    let place = Place::new();
    place.file("data.csv", classes());
    for (words, part) in [
        ("--workers cpu*0", "number of workers behind *"),
        ("--workers gpu:99", "gpu:99"),
        ("--policy weighted", "--policy needs --workers"),
        ("--shards 4", "--shards needs --workers"),
        ("--workers cpu --optimizer lbfgs", "--optimizer lbfgs"),
        ("--workers cpu --find-lr", "--find-lr"),
        ("--workers cpu --device cpu", "--device and --workers"),
    ] {
        let (code, line) = place.fails(&format!("train data.csv {words}"));
        assert!(code == 2 && line.contains(part), "{words}: {line}");
    }
}
