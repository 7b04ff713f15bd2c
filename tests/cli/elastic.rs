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
        let used = run["used"].as_u64().expect("a number");
        assert!(used >= 1 && Some(used) <= run["workers"].as_u64(), "{run}");
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
fn a_simulation_of_ten_thousand_workers_ends_and_follows_from_the_seed() {
    let place = Place::new();
    let words =
        "simulate --workers 10000 --steps 1 --shards-per-worker 2 --policy throughput --json";
    let json = place.json(words);
    let runs = json["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert_eq!(run["workers"], 10000);
        assert!(run["goodput"].as_f64() > Some(0.0) && run["failures"].as_u64() > Some(0));
    }
    assert_eq!(json, place.json(words));
}

#[test]
fn sizes_that_cannot_be_simulated_are_refused() {
    let place = Place::new();
    for (words, part) in [
        ("simulate --workers 0", "0"),
        ("simulate --workers 20000", "10000"),
        ("simulate --mtbf never", "a number from 0 on"),
        // The plot is looked at first: the run does not end, as nobody comes back in time.
        (
            "simulate --workers 1 --mtbf 1e-9 --repair 1e300 --plot no/fleet.svg",
            "--plot no/fleet.svg",
        ),
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
fn what_is_drawn_rounded_or_added_up_has_the_same_bits_on_three_workers_as_on_one() {
    let place = Place::new();
    let rows = (0..180).map(|row| {
        let (x, town) = (row * 37 % 101, row * 7 % 45);
        format!("{x},town{town},{}\n", 2 * x + town % 9)
    });
    let towns = "x,town,y\n".to_owned() + &rows.collect::<String>();
    place.file("data.csv", classes()).file("towns.csv", towns);
    let small = "--hidden 12,8 --epochs 3 --batch-size 16 --validation 0.2 --shards 5";
    for (data, words) in [
        ("data.csv", "--noise 0.2 --mask 0.1"),
        ("data.csv", "--mixup 0.4"),
        ("data.csv", "--precision f16"),
        ("data.csv", "--accumulate 3 --clip-norm 0.5"),
        ("data.csv", "--sampling balanced --numeric periodic"),
        (
            "digits",
            "--shift 1 --rotate 10 --cutout 2 --noise 0.1 --mixup 0.2 --precision f16 --accumulate 2",
        ),
        (
            "towns.csv",
            "--target y --one-hot-up-to 8 --embedding-dim 4",
        ),
        (
            "towns.csv",
            "--target y --one-hot-up-to 8 --norm layer --dropout 0.1",
        ),
    ] {
        let model = |name: &str, workers: &str| {
            place.ok(&format!(
                "train {data} {small} {words} --workers {workers} --out {name}"
            ));
            std::fs::read(place.path(name)).expect("the model is written")
        };
        let one = model("one", "cpu:1");
        for workers in ["cpu:1*3", "cpu:1*3 --scheduling distributed"] {
            assert!(one == model("three", workers), "{data} {words}: {workers}");
        }
    }
}

#[test]
fn adapters_that_verify_each_other_come_to_the_same_file() {
    let place = Place::new();
    place.file("data.csv", classes());
    let one = model(&place, "one", "--workers gpu");
    for scheduling in ["central", "distributed"] {
        let words = format!("--workers gpu*3 --verify 1 --scheduling {scheduling}");
        let told = place.json(&format!("{TRAIN} --out three --json {words}"));
        let three = std::fs::read(place.path("three")).expect("the model is written");
        assert!(one == three, "{scheduling}");
        // Each shard of nine steps.
        assert!(told["pool"]["verified"].as_u64() >= Some(27), "{told}");
        let workers = told["pool"]["workers"].as_array().expect("a list");
        assert!(
            workers.len() == 3 && workers.iter().all(|worker| worker["put_out"].is_null()),
            "{told}"
        );
    }
}

#[test]
fn adapters_are_workers_and_come_to_what_the_processor_comes_to() {
    let place = Place::new();
    place.file("data.csv", classes());
    let one = model(&place, "one", "--workers gpu");
    assert!(one == model(&place, "two", "--workers gpu*2"));
    // The losses of each epoch's training and validation rows.
    let curves = |words: &str| {
        let train = TRAIN.replace("--epochs 3", "--epochs 30 --patience 0");
        let told = place.json(&format!("{train} --json --workers {words}"));
        let history = told["history"].as_array().expect("a list").clone();
        assert_eq!(history.len(), 30);
        let loss = |epoch: &serde_json::Value, part: &str| epoch[part]["loss"].as_f64();
        let both = history.into_iter().flat_map(|epoch| {
            ["train", "validation"].map(|part| loss(&epoch, part).expect("a number"))
        });
        both.collect::<Vec<f64>>()
    };
    let cores = curves("cpu:1*2");
    for words in ["gpu*2", "gpu,cpu:1"] {
        for (place, (found, wanted)) in curves(words).into_iter().zip(&cores).enumerate() {
            let difference = (found / wanted - 1.0).abs();
            assert!(difference < 1e-4, "{words}, {place}: {found} for {wanted}");
        }
    }
}

#[test]
fn worker_processes_on_an_adapter_come_to_the_same_file() {
    let place = Place::new();
    place.file("data.csv", classes());
    let one = model(&place, "one", "--workers gpu");
    for (name, words) in [
        ("apart", "--workers gpu*2 --worker-processes"),
        (
            "peers",
            "--workers gpu*2 --worker-processes --scheduling distributed",
        ),
    ] {
        assert!(one == model(&place, name, words), "{name}");
    }
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

#[test]
fn a_run_goes_on_with_the_policy_that_it_began_with_unless_another_is_asked_for() {
    let place = Place::new();
    place.file("data.csv", classes());
    let begun = "--policy round-robin --scheduling distributed --verify 1 --worker-processes";
    place.ok(&format!(
        "{} --run run --workers cpu:1*2 {begun}",
        TRAIN.replace("--epochs 3", "--epochs 1")
    ));
    let goes_on = |words: &str| {
        let mut command = place.command(&format!("resume run --json {words}"));
        // Threads fail as they are asked to, processes do not.
        let output = command.env("GPU_MLP_FAULTS", "lose@0").output();
        let output = output.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}: {told}");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an object");
        told["pool"].clone()
    };
    let losses = |pool: &serde_json::Value| {
        let workers = pool["workers"].as_array().expect("a list").iter();
        workers
            .filter_map(|worker| worker["losses"].as_u64())
            .sum::<u64>()
    };
    let pool = goes_on("--epochs 2");
    assert_eq!(
        (&pool["policy"], &pool["scheduling"]),
        (&"round-robin".into(), &"distributed".into())
    );
    assert!(
        pool["verified"].as_u64() > Some(0) && losses(&pool) == 0,
        "{pool}"
    );
    let other = "--policy weighted --scheduling central --verify 0 --worker-processes=false";
    for words in [format!("--epochs 3 {other}"), "--epochs 4".into()] {
        let pool = goes_on(&words);
        assert_eq!(
            (&pool["policy"], &pool["scheduling"], &pool["verified"]),
            (&"weighted".into(), &"central".into(), &0.into())
        );
        assert_eq!(losses(&pool), 1, "{pool}");
    }
    place.ok("train data.csv --epochs 1 --run plain");
    let (code, line) = place.fails("resume plain --epochs 2 --policy weighted");
    assert!(
        code == 2 && line.contains("--policy: plain began without workers"),
        "{line}"
    );
}

#[test]
fn a_run_on_workers_goes_on_with_workers_and_no_device() {
    let place = Place::new();
    place.file("data.csv", classes());
    let words = TRAIN.replace("--epochs 3", "--epochs 1");
    place.ok(&format!("{words} --run run --workers cpu:1"));
    let description = || std::fs::read(place.path("run/run.json")).expect("it is there");
    let before = description();
    for words in ["--device cpu", "--device cpu --workers cpu:1*2"] {
        let (code, line) = place.fails(&format!("resume run --epochs 2 {words}"));
        assert!(
            code == 2 && line.contains("--device: run trains on workers"),
            "{line}"
        );
    }
    assert!(before == description());
}

#[test]
fn the_help_of_resume_tells_its_own_defaults() {
    let told = Place::new().ok("resume --help");
    let of = |option: &str| {
        let start = told.find(option).expect(option);
        let told = &told[start..];
        let end = told[2..]
            .find("\n      --")
            .map_or(told.len(), |end| end + 2);
        told[..end].split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for option in [
        "workers <",
        "policy",
        "scheduling",
        "worker-processes",
        "verify",
    ] {
        let told = of(&format!("--{option}"));
        assert!(told.contains("[default: the run's own]"), "{told}");
    }
}

/// Records that the policy `learned` has kept.
fn records(place: &Place) -> Vec<serde_json::Value> {
    let text = std::fs::read(place.path("cache/shard-times.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[test]
fn what_was_learned_of_shards_times_is_kept_for_the_next_run_in_the_cache_folder() {
    let place = Place::new();
    place.file("data.csv", classes());
    let words = format!("{TRAIN} --workers cpu:1*2 --policy learned");
    let user = |command: &mut std::process::Command| {
        let folder = place.path("user");
        for name in ["HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"] {
            command.env(name, &folder);
        }
        assert!(command.status().expect("it runs").success());
        folder.exists()
    };
    assert!(
        !user(&mut place.command(&words)),
        "an empty name is no cache"
    );
    let cached = || {
        let mut command = place.command(&words);
        command.env("GPU_MLP_CACHE", place.path("cache"));
        assert!(!user(&mut command), "the cache is elsewhere");
        records(&place)
    };
    let first = cached();
    // Of nine steps, each has a record at least: shards that are run together have one.
    assert!(first.len() >= 9, "{first:?}");
    let second = cached();
    assert!(second.len() >= first.len() + 9, "{second:?}");
    assert_eq!(first[..], second[..first.len()]);

    place.file("cache/shard-times.json", "[{");
    let mut command = place.command(&words);
    command.env("GPU_MLP_CACHE", place.path("cache"));
    let output = command.output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success()
            && told.contains("shard-times.json is ignored, and made anew: it is damaged"),
        "{told}"
    );
    assert!(records(&place).len() >= 9);
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
