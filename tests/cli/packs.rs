//! Cross-validation and ensembles.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{Place, classes};

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn folds_answer_for_rows_that_they_have_not_seen() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    for device in ["cpu", "gpu"] {
        let answer = place.json(&format!(
            "train kinds.csv --folds 4 --epochs 40 --lr 0.02 --device {device} --out-of-fold answers.csv --json"
        ));
        let folds = answer["folds"].as_array().expect("a list");
        assert_eq!(folds.len(), 4);
        for metric in ["loss", "accuracy"] {
            let mean: f64 = folds.iter().map(|fold| number(&fold[metric])).sum::<f64>() / 4.0;
            assert!((number(&answer["mean"][metric]) - mean).abs() < 1e-12);
        }
        let text = fs::read_to_string(place.path("answers.csv")).expect("it is written");
        let mut rows = BTreeSet::new();
        let mut losses = vec![Vec::new(); 4];
        let mut right = 0.0;
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let row: usize = cells[0].parse().expect("a number");
            let fold: usize = cells[1].parse().expect("a number");
            let kind = (row - 1) % 3;
            let likely: f64 = cells[3 + kind].parse().expect("a number");
            rows.insert(row);
            losses[fold - 1].push(-likely.ln());
            if cells[2] == ["a", "b", "c"][kind] {
                right += 1.0;
            }
        }
        assert_eq!(rows, (1..=60).collect());
        for (losses, fold) in losses.iter().zip(folds) {
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            assert!((number(&fold["loss"]) - mean).abs() < 1e-4, "{device}");
        }
        let accuracy = number(&answer["out_of_fold"]["accuracy"]);
        assert!((accuracy - right / 60.0).abs() < 1e-12);
        assert!(accuracy > 0.9);
    }
}

#[test]
fn labels_that_follow_from_nothing_are_not_foretold_out_of_fold() {
    // A row tells of no other's class, so that a network knows a class only if it has seen the row.
    let place = Place::new();
    let mut table = "x,y,kind\n".to_owned();
    for row in 0_u32..200 {
        let drawn = row.wrapping_mul(2_654_435_761) >> 7;
        table += &format!("{},{},{}\n", drawn % 1009, drawn % 787, (drawn >> 11) % 2);
    }
    place.file("noise.csv", table);
    let words =
        "train noise.csv --folds 5 --epochs 300 --patience 0 --hidden 128 --device cpu --json";
    let accuracy = number(&place.json(words)["out_of_fold"]["accuracy"]);
    assert!((0.35..0.65).contains(&accuracy), "{accuracy}");
}

#[test]
fn an_ensembles_answers_are_the_mean_of_its_members() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    let common = "--epochs 3 --test 0 --validation 0 --device cpu";
    place.ok(&format!(
        "train kinds.csv --ensemble 3 --seed 5 {common} --out whole.safetensors"
    ));
    let probabilities = |model: &str| -> Vec<f64> {
        let text = place.ok(&format!("predict {model} kinds.csv --proba"));
        let cells = text.lines().skip(1).flat_map(|line| line.split(','));
        cells.map(|cell| cell.parse().expect("a number")).collect()
    };
    let mut mean = vec![0.0; 180];
    for seed in [5, 6, 7] {
        // The division of the rows follows from the seed too: there is none here.
        place.ok(&format!(
            "train kinds.csv --seed {seed} {common} --out one.safetensors"
        ));
        for (mean, value) in mean.iter_mut().zip(probabilities("one.safetensors")) {
            *mean += value / 3.0;
        }
    }
    for (found, expected) in probabilities("whole.safetensors").iter().zip(&mean) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    let told = place.ok("inspect whole.safetensors");
    assert!(told.starts_with("3 members"), "{told}");
    let evaluated = place.json("evaluate whole.safetensors kinds.csv --device gpu --json");
    assert_eq!(evaluated["rows"], 60);
}

#[test]
fn a_regressions_folds_answer_in_its_units() {
    let place = Place::new();
    let mut table = "x,price\n".to_owned();
    for row in 0..80 {
        table += &format!("{row},{}\n", 1000 + 50 * row);
    }
    place.file("prices.csv", table);
    let words = "train prices.csv --folds 4 --ensemble 2 --test 0.2 --device cpu --json --out-of-fold answers.csv";
    let answer = place.json(words);
    assert!(number(&answer["mean"]["r2"]) > 0.9, "{answer}");
    assert!(number(&answer["test"]["r2"]) > 0.9, "{answer}");
    assert!(answer["train"].is_null());
    let text = fs::read_to_string(place.path("answers.csv")).expect("it is written");
    assert_eq!(text.lines().next(), Some("row,fold,prediction"));
    assert_eq!(text.lines().count(), 1 + 64);
}
