//! Numbers and texts that become several inputs each.

use serde_json::Value;

use super::Place;

/// A wave over many numbers, which one input each is a poor view of; one column never changes.
fn wave() -> String {
    let row = |i: u32| {
        let x = f64::from(i * 7919 % 2003) / 200.0;
        format!("{x},5,{:.4}\n", (3.0 * x).sin())
    };
    "x,same,y\n".to_owned() + &(0..400).map(row).collect::<String>()
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn bins_let_a_small_network_follow_a_wave() {
    let place = Place::new();
    place.file("wave.csv", wave());
    let r2 = |options: &str| {
        let words = format!("train wave.csv --epochs 60 --hidden 32 --device cpu --json {options}");
        number(&place.json(&words)["test"]["r2"])
    };
    let (plain, bins) = (r2(""), r2("--numeric piecewise --bins 40"));
    assert!(plain < 0.7 && bins > 0.9, "{plain} {bins}");
    let told = place.ok("inspect model.safetensors");
    assert!(
        told.contains("piecewise linear: 40 bins by quantiles"),
        "{told}"
    );
    // A missing number is the median of the training rows.
    let model = place.json("inspect model.safetensors --json");
    let column = &model["description"]["preprocessing"]["columns"][0]["encoding"];
    let median = number(&column["median"]);
    place.file("new.csv", format!("x,same\n,5\n{median},5\n1000,5\n"));
    let answers = place.ok("predict model.safetensors new.csv");
    let answers: Vec<&str> = answers.lines().skip(1).collect();
    assert_eq!((answers.len(), answers[0]), (3, answers[1]));
    place.ok("evaluate model.safetensors wave.csv");
    place.ok("train wave.csv --epochs 2 --numeric piecewise --folds 3 --ensemble 2 --device cpu");
    place.ok("train wave.csv --numeric piecewise --find-lr --device cpu");
}

/// A price that follows from one of 300 towns, a size and a colour; the first cells of some rows are missing.
fn towns(with_town: bool) -> String {
    let mut table = if with_town {
        "town,size,colour,price\n".to_owned()
    } else {
        "size,colour,price\n".to_owned()
    };
    for row in 0_u32..3000 {
        let (town, size) = (row * 7919 % 300, row * 104_729 % 97);
        let worth = (town * 2_654_435 + 12_345) % 1000;
        let price = f64::from(worth) + f64::from(size);
        if with_town && row % 500 == 7 {
            table.push(',');
        } else if with_town {
            table += &format!("town{town},");
        }
        let size = if row % 500 == 9 {
            String::new()
        } else {
            size.to_string()
        };
        table += &format!("{size},{},{price}\n", ["red", "blue"][row as usize % 2]);
    }
    table
}

#[test]
fn a_column_of_many_texts_is_learned_by_its_embedding() {
    let place = Place::new();
    place
        .file("towns.csv", towns(true))
        .file("without.csv", towns(false));
    let train = "--target price --lr 0.01 --hidden 64 --device cpu --json";
    let r2 = |answer: &Value| number(&answer["test"]["r2"]);
    let without = r2(&place.json(&format!("train without.csv {train} --epochs 20")));
    let with = r2(&place.json(&format!("train towns.csv {train} --epochs 20")));
    assert!(without < 0.1 && with > 0.9, "{without} {with}");
    let told = place.ok("inspect model.safetensors");
    for part in ["5→12-64-1", "embedding", "1 → 8", "301 rows", "2408"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // A text that training has not seen, and cells that are missing.
    place.file(
        "new.csv",
        "town,size,colour\nAtlantis,50,red\nEl Dorado,50,red\ntown3,,red\n,50,red\n",
    );
    let answers = place.ok("predict model.safetensors new.csv");
    let answers: Vec<f64> = answers
        .lines()
        .skip(1)
        .map(|line| line.parse().expect("a number"))
        .collect();
    assert_eq!(answers.len(), 4);
    assert!(
        (answers[0] - answers[1]).abs() < f64::EPSILON,
        "{answers:?}"
    );
    // The towns' mean worth is 500.
    assert!((300.0..800.0).contains(&answers[0]), "{answers:?}");
    assert!(
        (answers[3] - answers[0]).abs() > f64::EPSILON,
        "{answers:?}"
    );
    let [cpu, gpu] = ["cpu", "gpu"].map(|device| {
        let words = format!("evaluate model.safetensors towns.csv --device {device} --json");
        number(&place.json(&words)["rmse"])
    });
    assert!((cpu - gpu).abs() < 1e-3 * cpu, "{cpu} {gpu}");
    // It is taken up where it was, and not by a network of other columns.
    place.file(
        "weights.safetensors",
        std::fs::read(place.path("model.safetensors")).expect("it is there"),
    );
    let again = place.json(&format!(
        "train towns.csv {train} --epochs 1 --init-from weights.safetensors"
    ));
    assert!(r2(&again) > with - 0.1, "{again}");
    let (code, line) =
        place.fails("train without.csv --target price --init-from weights.safetensors");
    assert!(
        code == 2 && line.contains("embedding.weight"),
        "{code} {line}"
    );
}

#[test]
fn waves_and_texts_train_in_packs_on_each_device() {
    let place = Place::new();
    place
        .file("towns.csv", towns(true))
        .file("without.csv", towns(false));
    let options = "--target price --numeric periodic --one-hot-up-to 1 --embedding-dim 3";
    let plan = place.ok(&format!("plan towns.csv {options}"));
    for part in [
        "waves[32×6] = waves(x[32×3], periodic[1×83])",
        "embedded[32×10] = embedding.weight[304×3][waves[32×6]]",
        "d periodic[1×83] = Σ d embedded[32×10] ⊙ waves′(x[32×3])",
        "d embedding.weight[304×3][x[32×3]] = Σ d embedded[32×10]",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    for device in ["cpu", "gpu"] {
        let answer = place.json(&format!(
            "train towns.csv {options} --folds 3 --ensemble 2 --epochs 8 --lr 0.01 --hidden 32 --device {device} --json"
        ));
        let r2 = number(&answer["out_of_fold"]["r2"]);
        assert!(r2 > 0.1, "{device}: {answer}");
        place.ok("evaluate model.safetensors towns.csv");
    }
    let told = place.ok("inspect model.safetensors");
    for part in [
        "3→10-32-1",
        "periodic",
        "1 → 4",
        "16 waves",
        "2 → 6",
        "304 rows",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    place.ok(&format!("train towns.csv {options} --find-lr --device cpu"));
    let (code, line) = place.fails(&format!("train towns.csv {options} --mask 0.1"));
    assert!(code == 2 && line.contains("--mask"), "{code} {line}");
    place
        .ok("train without.csv --numeric periodic --noise 0.1 --mixup 0.2 --epochs 2 --device cpu");
    place.ok(&format!(
        "train towns.csv {options} --optimizer lbfgs --epochs 2 --device cpu"
    ));
    place.ok(&format!(
        "train towns.csv {options} --optimizer muon --epochs 1 --device cpu"
    ));
}

#[test]
fn a_narrow_network_follows_a_wave_by_waves() {
    let place = Place::new();
    place.file("wave.csv", wave());
    let r2 = |options: &str| {
        let words = format!(
            "train wave.csv --epochs 150 --hidden 16 --lr 0.01 --device cpu --json {options}"
        );
        number(&place.json(&words)["test"]["r2"])
    };
    let (plain, waves) = (r2(""), r2("--numeric periodic"));
    assert!(waves > plain, "{plain} {waves}");
    place.ok("plan --inputs 4 --outputs 1 --numeric periodic");
}
