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
