//! Quantiles, and a mean with its deviation.

use std::fs;

use serde_json::Value;

use super::Place;

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// Rows x, y = 100 + 10·x + noise that is wider the larger x is, and evenly spread.
fn noisy() -> String {
    noisy_in(1.0)
}

/// The same, y in units of so much.
fn noisy_in(unit: f64) -> String {
    let mut table = "x,y\n".to_owned();
    for row in 0_u32..400 {
        let x = f64::from(row % 20) / 20.0;
        let noise = f64::from(row.wrapping_mul(2_654_435_761) >> 12) / f64::from(1 << 20) - 0.5;
        let y = 100.0 + 10.0 * x + (1.0 + 8.0 * x) * noise;
        table += &format!("{x},{}\n", y * unit);
    }
    table
}

fn cells(text: &str) -> Vec<Vec<f64>> {
    let lines = text.lines().skip(1);
    let row = |line: &str| {
        let cells = line.split(',');
        cells.map(|cell| cell.parse().expect("a number")).collect()
    };
    lines.map(row).collect()
}

fn near(one: &Value, other: f64) {
    assert!((number(one) - other).abs() < 1e-4, "{one} {other}");
}

#[test]
fn quantiles_are_answered_in_order_and_met() {
    let place = Place::new();
    place.file("rows.csv", noisy());
    let truth: Vec<f64> = cells(&noisy()).iter().map(|row| row[1]).collect();
    let words = "train rows.csv --loss quantile --quantiles 0.9,0.1,0.5 --test 0 --epochs 300 --dropout 0 --json";
    for device in ["cpu --ensemble 2", "gpu --hidden 16 --batch-size 100"] {
        let trained = place.json(&format!("{words} --device {device}"));
        let evaluated = place.json("evaluate model.safetensors rows.csv --json");
        for name in ["loss", "pinball", "mae"] {
            near(&trained["train"][name], number(&evaluated[name]));
        }
        let answers = place.ok("predict model.safetensors rows.csv");
        assert_eq!(answers.lines().next(), Some("y_q0.1,y_q0.5,y_q0.9"));
        let answers = cells(&answers);
        assert!(answers.iter().all(|row| row.is_sorted()));
        let quantiles = evaluated["quantiles"].as_array().expect("a list");
        for (k, q) in [0.1, 0.5, 0.9].into_iter().enumerate() {
            let pairs = || answers.iter().zip(&truth);
            let error = |(row, y): (&Vec<f64>, &f64)| y - row[k];
            let losses = pairs().map(error).map(|e| (q * e).max((q - 1.0) * e));
            let below = pairs().map(error).filter(|&e| e <= 0.0).count() as f64;
            near(&quantiles[k]["pinball"], losses.sum::<f64>() / 400.0);
            near(&quantiles[k]["coverage"], below / 400.0);
            assert!((below / 400.0 - q).abs() < 0.08, "{device}: {evaluated}");
        }
        assert!((number(&evaluated["coverage"]) - 0.8).abs() < 0.1);
        assert!(evaluated["rmse"].is_null() && evaluated["r2"].is_null());
        let table = place.ok("evaluate model.safetensors rows.csv");
        assert!(
            table.contains("pinball") && table.contains("0.9"),
            "{table}"
        );
    }
    place.ok("predict model.safetensors rows.csv --out answers.npy");
    let npy = fs::read(place.path("answers.npy")).expect("it is there");
    assert!(String::from_utf8_lossy(&npy[..128]).contains("'shape': (400, 3)"));
    let told = place.ok("inspect model.safetensors");
    assert!(told.contains("quantiles 0.1,0.5,0.9"), "{told}");

    // Without the median there is no error of it; with a logarithm the quantiles are still in the target's units.
    let trained = place.json(
        "train rows.csv --quantiles 0.95 --target-transform log --folds 3 --epochs 100 --dropout 0 --out-of-fold held.csv --device cpu --json",
    );
    assert!(trained["mean"]["mae"].is_null() && trained["mean"]["pinball"].is_number());
    let held = cells(&fs::read_to_string(place.path("held.csv")).expect("it is there"));
    let below = held.iter().zip(&truth).filter(|(row, y)| row[2] >= **y);
    assert!((below.count() as f64 / 400.0 - 0.95).abs() < 0.07);
    let formula = place.ok("plan rows.csv --quantiles 0.1,0.9 --batch-size 10");
    assert!(
        formula.contains("[10×2]") && formula.contains("quantile("),
        "{formula}"
    );
}

#[test]
fn a_deviation_follows_the_noise() {
    let place = Place::new();
    place.file("rows.csv", noisy());
    let truth = cells(&noisy());
    let words = "train rows.csv --loss gaussian --test 0 --epochs 300 --dropout 0 --json";
    for device in ["cpu --ensemble 2", "gpu --hidden 16 --batch-size 100"] {
        let trained = place.json(&format!("{words} --device {device}"));
        let evaluated = place.json("evaluate model.safetensors rows.csv --json");
        for name in ["loss", "rmse", "mae", "r2"] {
            near(&trained["train"][name], number(&evaluated[name]));
        }
        let answers = place.ok("predict model.safetensors rows.csv");
        assert_eq!(answers.lines().next(), Some("y,y_deviation"));
        let answers = cells(&answers);
        let losses = answers.iter().zip(&truth).map(|(row, truth)| {
            let (error, variance) = (truth[1] - row[0], row[1] * row[1]);
            0.5 * (variance.ln() + error * error / variance)
        });
        near(&evaluated["nll"], losses.sum::<f64>() / 400.0);
        let squares = answers
            .iter()
            .zip(&truth)
            .map(|(row, truth)| (truth[1] - row[0]).powi(2));
        near(&evaluated["rmse"], (squares.sum::<f64>() / 400.0).sqrt());
        // The deviation of the noise, by x: (1 + 8·x)/√12.
        for (row, truth) in answers.iter().zip(&truth) {
            let expected = (1.0 + 8.0 * truth[0]) / 12.0_f64.sqrt();
            let off = row[1] / expected;
            assert!((0.6..1.7).contains(&off), "{device}: {row:?} {truth:?}");
        }
    }
    let told = place.ok("inspect model.safetensors");
    assert!(told.contains("mean and deviation"), "{told}");
}

#[test]
fn a_likelihood_is_right_where_squares_leave_the_numbers() {
    let place = Place::new();
    for (unit, device) in [(1e-27, "cpu"), (1e27, "cpu"), (1e-27, "gpu"), (1e27, "gpu")] {
        let rows = noisy_in(unit);
        place.file("rows.csv", &rows);
        place.ok(&format!(
            "train rows.csv --loss gaussian --test 0 --epochs 20 --device {device}"
        ));
        let evaluated = place.json(&format!(
            "evaluate model.safetensors rows.csv --device {device} --json"
        ));
        let answers = cells(&place.ok("predict model.safetensors rows.csv"));
        let losses = answers.iter().zip(cells(&rows)).map(|(row, truth)| {
            let away = (truth[1] - row[0]) / row[1];
            row[1].ln() + 0.5 * away * away
        });
        near(&evaluated["nll"], losses.sum::<f64>() / 400.0);
    }
}

#[test]
fn members_deviations_and_their_distance_are_one_deviation() {
    let place = Place::new();
    place.file("rows.csv", noisy());
    let common = "--loss gaussian --epochs 3 --test 0 --device cpu";
    place.ok(&format!(
        "train rows.csv --ensemble 2 --seed 4 {common} --out both"
    ));
    let answers = |model: &str| cells(&place.ok(&format!("predict {model} rows.csv")));
    let both = answers("both");
    let each: Vec<_> = [4, 5]
        .iter()
        .map(|seed| {
            place.ok(&format!("train rows.csv --seed {seed} {common} --out one"));
            answers("one")
        })
        .collect();
    for (row, both) in both.iter().enumerate() {
        let ([a, s], [b, t]) = (
            [each[0][row][0], each[0][row][1]],
            [each[1][row][0], each[1][row][1]],
        );
        let mean = f64::midpoint(a, b);
        let second = f64::midpoint(a * a + s * s, b * b + t * t);
        assert!((both[0] - mean).abs() < 1e-3);
        assert!(
            (both[1] - (second - mean * mean).sqrt()).abs() < 1e-2,
            "{both:?}"
        );
    }
}
