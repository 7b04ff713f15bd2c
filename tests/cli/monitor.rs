//! What early stopping may look at.

use gpu_mlp::train::split;
use serde_json::Value;

use super::Place;

/// Rows of two numbers and a target that follows from them, but for some.
fn rows(target: impl Fn(usize) -> String) -> Vec<String> {
    let row = |row: usize| format!("{},{},{}\n", row * 37 % 101, row * 53 % 89, target(row));
    (0..120).map(row).collect()
}

/// Trains for a few epochs on half of the rows, and says what the last epoch's history tells beside what `evaluate` tells of the
/// other half.
fn told(rows: &[String], classes: &[u32], monitor: &str) -> (f64, Value) {
    let place = Place::new();
    place.file("all.csv", format!("x,y,target\n{}", rows.concat()));
    let validation = split(classes, 0.5, 0.0, 1).validation;
    let kept: String = validation.iter().map(|&row| &*rows[row as usize]).collect();
    place.file("kept.csv", format!("x,y,target\n{kept}"));
    let trained = place.json(&format!(
        "train all.csv --monitor {monitor} --validation 0.5 --test 0 --patience 0 --epochs 8 --device cpu --json"
    ));
    let history = trained["history"].as_array().expect("a list");
    let last = &history[history.len() - 1]["validation"][monitor];
    (
        last.as_f64().expect("a number"),
        place.json("evaluate model.safetensors kept.csv --json"),
    )
}

#[test]
fn any_metric_of_classes_can_be_monitored() {
    for classes in [2_usize, 3] {
        let class = |row: usize| {
            let wrong = row.is_multiple_of(5);
            (row * 37 % 101 * classes / 101 + usize::from(wrong)) % classes
        };
        let rows = rows(|row| ["a", "b", "c"][class(row)].to_owned());
        let numbers: Vec<u32> = (0..rows.len()).map(|row| class(row) as u32).collect();
        for (monitor, path) in [
            ("accuracy", "/accuracy"),
            ("balanced-accuracy", "/balanced-accuracy"),
            ("f1", "/macro/f1"),
            ("matthews", "/matthews"),
            ("roc-auc", "/roc-auc"),
            ("average-precision", "/average-precision"),
            ("log-loss", "/log-loss"),
        ] {
            let (found, evaluated) = told(&rows, &numbers, monitor);
            let expected = evaluated.pointer(path).and_then(Value::as_f64);
            let expected = expected.unwrap_or_else(|| panic!("{path} of {evaluated}"));
            assert!(
                (found - expected).abs() < 1e-4,
                "{monitor}: {found} {expected}"
            );
            assert!(found > 0.01 && found != 1.0, "{monitor}: {found}");
        }
    }
}

#[test]
fn any_metric_of_labels_can_be_monitored() {
    let labels = |row: usize| {
        let wrong = row.is_multiple_of(5);
        let low = (row * 37 % 101 < 50) != wrong;
        [low, row * 53 % 89 > 30].map(|there| u8::from(there).to_string())
    };
    let rows = rows(|row| labels(row).join(","));
    let place = Place::new();
    place.file("all.csv", format!("x,y,low,high\n{}", rows.concat()));
    let validation = split(&[0; 120], 0.5, 0.0, 1).validation;
    let kept: String = validation.iter().map(|&row| &*rows[row as usize]).collect();
    place.file("kept.csv", format!("x,y,low,high\n{kept}"));
    let common =
        "train all.csv --target low,high --validation 0.5 --test 0 --patience 0 --epochs 8 --json";
    for device in ["cpu", "gpu"] {
        for (monitor, path) in [
            ("accuracy", "/accuracy"),
            ("f1", "/macro/f1"),
            ("roc-auc", "/roc-auc"),
            ("average-precision", "/average-precision"),
            ("log-loss", "/log-loss"),
        ] {
            let trained = place.json(&format!("{common} --monitor {monitor} --device {device}"));
            let history = trained["history"].as_array().expect("a list");
            let last = history[history.len() - 1]["validation"][monitor].as_f64();
            let found = last.unwrap_or_else(|| panic!("{monitor} of {trained}"));
            let evaluated = place.json("evaluate model.safetensors kept.csv --json");
            let expected = evaluated.pointer(path).and_then(Value::as_f64);
            let expected = expected.unwrap_or_else(|| panic!("{path} of {evaluated}"));
            assert!(
                (found - expected).abs() < 1e-4,
                "{monitor} on {device}: {found} {expected}"
            );
            assert!(found > 0.01 && found < 1.0, "{monitor}: {found}");
        }
        for monitor in ["balanced-accuracy", "matthews"] {
            let (code, line) = place.fails(&format!("{common} --monitor {monitor}"));
            assert!(code == 2 && line.contains("several labels"), "{line}");
        }
    }
}

#[test]
fn any_metric_of_values_can_be_monitored() {
    let rows = rows(|row| format!("{}", 1000 + 3 * (row * 37 % 101) + row % 7));
    let zeros = vec![0; rows.len()];
    for monitor in ["rmse", "mae", "r2", "mape", "explained-variance"] {
        let (found, evaluated) = told(&rows, &zeros, monitor);
        let expected = evaluated[monitor].as_f64();
        let expected = expected.unwrap_or_else(|| panic!("{monitor} of {evaluated}"));
        let near = (found - expected).abs() < 1e-4 * expected.abs().max(1.0);
        assert!(near, "{monitor}: {found} {expected}");
    }
}
