//! What training does to its rows: sampling and augmentation.

use std::fmt::Write;

use super::Place;

/// Two hundred rows whose one input tells nothing of their class; one of twenty is of the rare class.
fn uneven() -> String {
    let mut table = "x,kind\n".to_owned();
    for row in 0..200 {
        let kind = if row % 20 == 0 { "rare" } else { "usual" };
        let _ = writeln!(table, "{},{kind}", row / 20 % 2);
    }
    table
}

fn loss(place: &Place, options: &str) -> f64 {
    place.ok(&format!(
        "train uneven.csv --hidden 0 --test 0 --epochs 60 --lr 0.01 --optimizer adam {options}"
    ));
    let told = place.json("evaluate model.safetensors uneven.csv --json");
    told["loss"].as_f64().expect("a number")
}

#[test]
fn balanced_sampling_makes_classes_equally_likely() {
    let place = Place::new();
    place.file("uneven.csv", uneven());
    // The entropy of one row in twenty, and the loss of an even chance.
    let share: f64 = 0.05;
    let entropy = -share * share.ln() - (1.0 - share) * (1.0 - share).ln();
    for device in ["cpu", "gpu"] {
        let plain = loss(&place, &format!("--device {device}"));
        assert!((plain - entropy).abs() < 0.02, "{device}: {plain}");
        let balanced = loss(&place, &format!("--device {device} --sampling balanced"));
        let even = std::f64::consts::LN_2;
        assert!((balanced - even).abs() < 0.07, "{device}: {balanced}");
    }
    // Each fold and each network by rows of its own.
    let told = place.json(
        "train uneven.csv --hidden 0 --folds 2 --ensemble 2 --epochs 2 --sampling balanced --device cpu --json",
    );
    assert!(told["mean"]["loss"].as_f64().is_some_and(f64::is_finite));
}

#[test]
fn images_are_learned_from_what_is_drawn_of_them() {
    let place = Place::new();
    for device in ["cpu", "gpu"] {
        let told = place.json(&format!(
            "train digits --shift 1 --rotate 10 --cutout 2 --noise 0.1 --mask 0.05 --mixup 0.2 --sampling balanced \
             --epochs 30 --device {device} --json"
        ));
        let accuracy = told["test"]["accuracy"].as_f64();
        assert!(
            accuracy.is_some_and(|share| share > 0.9),
            "{device}: {accuracy:?}"
        );
        let kept = place.ok("inspect model.safetensors --json");
        let kept: serde_json::Value = serde_json::from_str(&kept).expect("an object");
        let said = kept.to_string();
        for option in [
            "\"rotate\":10",
            "\"mixup\":0.2",
            "\"sampling\":\"balanced\"",
        ] {
            assert!(said.contains(option), "{option} in {said}");
        }
    }
    // The search for a rate and a pack of folds draw, too.
    place.ok("train digits --shift 1 --mixup 0.2 --find-lr --device cpu");
    place.ok("train digits --noise 0.1 --mixup 0.2 --folds 2 --epochs 1 --device gpu");
}

#[test]
fn a_plan_tells_what_is_drawn() {
    let place = Place::new();
    let plan = place.ok("plan digits --shift 1 --noise 0.1 --mixup 0.2");
    let ops: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    for op in ["warp", "mix", "perturb"] {
        assert!(ops.contains(&op), "{plan}");
    }
    let plan = place.ok("plan digits --flip=false --noise 0");
    assert!(
        !plan.contains("warp") && !plan.contains("perturb"),
        "{plan}"
    );
}
