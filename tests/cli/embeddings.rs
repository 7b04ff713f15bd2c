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
