//! Several targets at once: values, and labels.

use std::fs;

use serde_json::Value;

use super::Place;

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn near(one: f64, other: f64) {
    assert!(
        (one - other).abs() <= 1e-4 * other.abs().max(1.0),
        "{one} {other}"
    );
}

/// The same of what is made of values of some size, which have been rounded to `f32`.
fn near_rounded(one: f64, other: f64, size: f64) {
    let rounding = size * f64::from(f32::EPSILON);
    assert!(
        (one - other).abs() <= 1e-4 * other.abs().max(1.0) + rounding,
        "{one} {other}"
    );
}

/// Two values of very different sizes, and one that never changes.
fn values() -> String {
    let mut table = "x,small,y,large,same\n".to_owned();
    for row in 0..80 {
        let (x, y) = (f64::from(row % 9), f64::from(row % 7));
        table += &format!(
            "{x},{},{y},{},5\n",
            0.01 * x - 0.02 * y,
            10_000.0 + 300.0 * x * y
        );
    }
    table
}

/// Three labels that follow from two numbers, the last of them rare.
fn labels() -> String {
    let mut table = "x,y,low,warm,rare\n".to_owned();
    for row in 0..150 {
        let (x, y) = (row % 10, row % 15);
        let warm = if x + y > 9 { "yes" } else { "no" };
        table += &format!(
            "{x},{y},{},{warm},{}\n",
            u8::from(x < 4),
            u8::from(row % 30 == 29)
        );
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

#[test]
fn each_of_several_values_is_answered_in_its_own_units() {
    let place = Place::new();
    place.file("rows.csv", values());
    let truth = cells(&values());
    for options in [
        "--loss mse --device cpu",
        "--loss huber --ensemble 2 --device cpu",
        "--loss log-cosh --hidden 32 --batch-size 40 --device gpu",
        "--loss mae --target-transform log --task regression --device cpu",
    ] {
        let trained = place.json(&format!(
            "train rows.csv --target large,small,same --test 0 --epochs 400 --dropout 0 --lr 0.01 {options} --json"
        ));
        let evaluated = place.json("evaluate model.safetensors rows.csv --json");
        let answers = place.ok("predict model.safetensors rows.csv");
        assert_eq!(answers.lines().next(), Some("large,small,same"));
        let answers = cells(&answers);
        let of_targets = evaluated["targets"].as_array().expect("a list");
        let mut means = [0.0; 3];
        for (place, (name, column)) in [("large", 3), ("small", 1), ("same", 4)]
            .into_iter()
            .enumerate()
        {
            let scores = &of_targets[place];
            assert_eq!(scores["target"], name);
            let wanted: Vec<f64> = truth.iter().map(|row| row[column]).collect();
            let errors: Vec<f64> = answers
                .iter()
                .zip(&wanted)
                .map(|(row, y)| row[place] - y)
                .collect();
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let squares = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
            let size = wanted.iter().fold(0.0, |most: f64, y| most.max(y.abs()));
            near_rounded(
                number(&scores["rmse"]),
                (squares(&errors) / 80.0).sqrt(),
                size,
            );
            near_rounded(
                number(&scores["mae"]),
                mean(&errors.iter().map(|e| e.abs()).collect::<Vec<_>>()),
                size,
            );
            if name == "same" {
                // A constant has an R² of 1 or 0.
                assert!([0.0, 1.0].contains(&number(&scores["r2"])), "{scores}");
            } else {
                let centre = mean(&wanted);
                let spread: Vec<f64> = wanted.iter().map(|y| y - centre).collect();
                near(
                    number(&scores["r2"]),
                    1.0 - squares(&errors) / squares(&spread),
                );
                assert!(number(&scores["r2"]) > 0.8, "{options}: {scores}");
            }
            for (mean, metric) in means.iter_mut().zip(["rmse", "mae", "r2"]) {
                *mean += number(&scores[metric]) / 3.0;
                let trained = &trained["targets"][place]["train"][metric];
                near(number(trained), number(&scores[metric]));
            }
        }
        for (mean, metric) in means.iter().zip(["rmse", "mae", "r2"]) {
            near(number(&evaluated[metric]), *mean);
            near(number(&trained["train"][metric]), *mean);
        }
        near(
            number(&trained["train"]["loss"]),
            number(&evaluated["loss"]),
        );
    }
    place.ok("predict model.safetensors rows.csv --out answers.npy");
    let npy = fs::read(place.path("answers.npy")).expect("it is there");
    assert!(String::from_utf8_lossy(&npy[..128]).contains("'shape': (80, 3)"));
    let told = place.ok("inspect model.safetensors");
    assert!(
        told.contains("answers large, small, same: 3 values"),
        "{told}"
    );
    let table = place.ok("evaluate model.safetensors rows.csv");
    assert!(
        table.contains("target") && table.contains("small"),
        "{table}"
    );

    // Columns of a file in another order, without their targets; and a file with some of them.
    place
        .file("few.csv", "y,x\n1,2\n")
        .file("some.csv", "y,x,large\n1,2,3\n");
    assert_eq!(
        place
            .ok("predict model.safetensors few.csv")
            .lines()
            .count(),
        2
    );
    let (code, line) = place.fails("evaluate model.safetensors some.csv");
    assert!(code == 2 && line.contains("small"), "{line}");
}

#[test]
fn several_values_have_folds_counts_quantiles_and_deviations() {
    let place = Place::new();
    let mut table = "x,a,b\n".to_owned();
    for row in 0..120 {
        let x = row % 12;
        table += &format!("{x},{},{}\n", x / 2 + row % 3, 2 * x + row % 5);
    }
    place.file("rows.csv", table);
    let common = "train rows.csv --target a,b --task regression --epochs 100 --dropout 0 --device cpu --json";
    for (loss, columns) in [
        ("poisson", "a,b"),
        (
            "quantile --quantiles 0.1,0.9",
            "a_q0.1,a_q0.9,b_q0.1,b_q0.9",
        ),
        ("gaussian", "a,a_deviation,b,b_deviation"),
    ] {
        let trained = place.json(&format!(
            "{common} --loss {loss} --folds 3 --test 0.1 --out-of-fold held.csv"
        ));
        let held = fs::read_to_string(place.path("held.csv")).expect("it is there");
        assert_eq!(held.lines().next(), Some(&*format!("row,fold,{columns}")));
        assert!(trained["out_of_fold"]["loss"].is_number() && trained["mean"]["loss"].is_number());
        let answers = place.ok("predict model.safetensors rows.csv");
        assert_eq!(answers.lines().next(), Some(columns));
        // Near the targets' own sizes, whatever the loss has for a scale.
        for row in cells(&answers) {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!(
                row.iter().all(|&value| value > -3.0) && most < 40.0,
                "{loss}: {row:?}"
            );
        }
        let evaluated = place.json("evaluate model.safetensors rows.csv --json");
        assert_eq!(evaluated["nll"].is_number(), loss == "gaussian");
        if loss.starts_with("quantile") {
            assert!(
                (number(&evaluated["coverage"]) - 0.8).abs() < 0.15,
                "{evaluated}"
            );
        } else {
            assert!(number(&evaluated["targets"][1]["r2"]) > 0.8, "{evaluated}");
        }
    }
    // The best weights by a mean over targets.
    let monitored = place.json(&format!("{common} --monitor r2 --validation 0.2"));
    assert!(
        monitored["history"][0]["validation"]["r2"].is_number(),
        "{monitored}"
    );
}

#[test]
fn labels_are_told_each() {
    let place = Place::new();
    place.file("rows.csv", labels());
    for options in [
        "--device cpu",
        "--device gpu --hidden 24 --batch-size 50",
        "--ensemble 2 --device cpu",
    ] {
        let trained = place.json(&format!(
            "train rows.csv --target low,warm,rare --epochs 300 --dropout 0 --test 0 {options} --json"
        ));
        let evaluated = place.json("evaluate model.safetensors rows.csv --json");
        for metric in ["loss", "accuracy"] {
            near(
                number(&trained["train"][metric]),
                number(&evaluated[metric]),
            );
        }
        let told = place.ok("predict model.safetensors rows.csv");
        assert_eq!(told.lines().next(), Some("low,warm,rare"));
        let table = labels();
        let rows = table
            .lines()
            .skip(1)
            .map(|line| line.split(',').skip(2).collect::<Vec<_>>());
        let (mut whole, mut wrong) = (0.0, 0.0);
        for (line, truth) in told.lines().skip(1).zip(rows) {
            let told: Vec<&str> = line.split(',').collect();
            let off = told
                .iter()
                .zip(&truth)
                .filter(|(told, truth)| told != truth)
                .count();
            wrong += off as f64;
            whole += f64::from(u8::from(off == 0));
        }
        near(number(&evaluated["accuracy"]), whole / 150.0);
        near(number(&evaluated["hamming-loss"]), wrong / 450.0);
        assert!(whole > 120.0, "{options}: {evaluated}");
        assert!(number(&evaluated["micro"]["f1"]) > 0.9 && number(&evaluated["roc-auc"]) > 0.9);
        assert_eq!(evaluated["targets"][2]["target"], "rare");
        let chances = place.ok("predict model.safetensors rows.csv --proba");
        assert_eq!(chances.lines().next(), Some("low,warm,rare"));
        for (chances, told) in cells(&chances).iter().zip(told.lines().skip(1)) {
            let told: Vec<&str> = told.split(',').collect();
            assert_eq!(["0", "1"][usize::from(chances[0] > 0.5)], told[0]);
            assert_eq!(["no", "yes"][usize::from(chances[1] > 0.5)], told[1]);
        }
    }
    place.ok("predict model.safetensors rows.csv --out answers.npy");
    let npy = fs::read(place.path("answers.npy")).expect("it is there");
    assert!(String::from_utf8_lossy(&npy[..128]).contains("'shape': (150, 3)"));
    let numbers = npy[128..]
        .chunks(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four")));
    assert!(
        numbers
            .into_iter()
            .all(|number| number == 0.0 || number == 1.0)
    );
    let told = place.ok("inspect model.safetensors");
    assert!(
        told.contains("low, warm, rare: each of them there or not"),
        "{told}"
    );
    assert!(
        place
            .ok("evaluate model.safetensors rows.csv")
            .contains("Hamming loss")
    );
    // What looks like labels is learned as values where that is asked for.
    let trained = place
        .json("train rows.csv --target low,rare --task regression --epochs 5 --device cpu --json");
    assert!(trained["test"]["r2"].is_number(), "{trained}");
    let monitored = place.json(
        "train rows.csv --target low,warm --monitor f1 --validation 0.2 --epochs 5 --folds 3 --device cpu --json",
    );
    assert!(
        monitored["history"][0]["validation"]["f1"].is_number(),
        "{monitored}"
    );
}

#[test]
fn a_rare_label_is_found_where_it_counts_more() {
    // Among fifty rows that look alike, five have the label: by share alone it is never the more probable.
    let place = Place::new();
    let row = |row: usize| {
        format!(
            "{},{},{}\n",
            row % 5,
            u8::from(row.is_multiple_of(10)),
            u8::from(row % 5 > 1)
        )
    };
    place.file(
        "rows.csv",
        format!("x,rare,often\n{}", (0..50).map(row).collect::<String>()),
    );
    let recall = |target: &str, options: &str| {
        place.ok(&format!(
            "train rows.csv --target {target} --test 0 --epochs 200 --dropout 0 --device cpu {options}"
        ));
        let evaluated = place.json("evaluate model.safetensors rows.csv --json");
        if target == "rare" {
            number(&evaluated["classes"][1]["recall"])
        } else {
            number(&evaluated["targets"][0]["recall"])
        }
    };
    place.file("run.toml", "pos-weight = [20.0, 1.0]\n");
    for (options, expected) in [
        ("--pos-weight 1", 0.0),
        ("--pos-weight 20", 1.0),
        ("--config run.toml", 1.0),
        ("--pos-weight 20,0", 1.0),
    ] {
        assert_eq!(recall("rare,often", options), expected, "{options}");
    }
    assert_eq!(recall("rare", "--pos-weight 20"), 1.0);
    assert_eq!(recall("rare", ""), 0.0);
    // Without weights the probabilities add up to the rows that have the label, a tenth of them.
    place.ok("train rows.csv --target rare,often --test 0 --hidden 0 --epochs 400 --pos-weight balanced --device cpu");
    let chances = cells(&place.ok("predict model.safetensors rows.csv --proba"));
    let mean = chances.iter().map(|row| row[0]).sum::<f64>() / 50.0;
    assert!((0.2..0.6).contains(&mean), "{mean}");
    let plan = place.ok("plan rows.csv --target rare,often --pos-weight balanced --unfused");
    assert!(plan.contains("t[40×4]"), "{plan}");
}

#[test]
fn rows_weigh_on_all_targets() {
    let place = Place::new();
    // Every other row is wrong, and counts nothing; labels that are there count four times as much beside.
    let row = |row: i32| {
        let (wrong, x) = (row % 2 == 0, row % 10);
        let (a, b) = if wrong {
            (900, -900)
        } else {
            (3 * x, 50 - 2 * x)
        };
        let there = u8::from((x > 4) != wrong);
        format!("{x},{},{a},{b},{there},{}\n", u8::from(!wrong), 1 - there)
    };
    let rows: String = (0..60).map(row).collect();
    place.file("rows.csv", format!("x,count,a,b,p,q\n{rows}"));
    let right: String = (0..60).filter(|row| row % 2 == 1).map(row).collect();
    place.file("right.csv", format!("x,count,a,b,p,q\n{right}"));
    place.file("values.csv", table_of(&place, "rows.csv", &[0, 1, 2, 3]));
    place.file("labels.csv", table_of(&place, "rows.csv", &[0, 1, 4, 5]));
    let common = "--sample-weight count --test 0 --epochs 500 --dropout 0 --hidden 32";
    for device in ["cpu", "gpu --batch-size all"] {
        place.ok(&format!(
            "train values.csv --target a,b {common} --device {device}"
        ));
        let evaluated = place.json("evaluate model.safetensors right.csv --json");
        // Hundreds away, if the wrong rows counted.
        assert!(number(&evaluated["mae"]) < 30.0, "{device}: {evaluated}");
        place.ok(&format!(
            "train labels.csv --target p,q --pos-weight 4 {common} --device {device}"
        ));
        let evaluated = place.json("evaluate model.safetensors right.csv --json");
        assert!(
            number(&evaluated["accuracy"]) > 0.9,
            "{device}: {evaluated}"
        );
    }
    let plan =
        place.json("plan --inputs 4 --outputs 3 --loss binary-cross-entropy --pos-weight 2 --json");
    let formulas = plan["ops"].to_string();
    assert!(
        formulas.contains("weighted binary-cross-entropy"),
        "{formulas}"
    );
}

/// Some columns of a file.
fn table_of(place: &Place, name: &str, columns: &[usize]) -> String {
    let text = fs::read_to_string(place.path(name)).expect("it is there");
    let line = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let kept: Vec<&str> = columns.iter().map(|&column| cells[column]).collect();
        kept.join(",") + "\n"
    };
    text.lines().map(line).collect()
}

#[test]
fn the_most_probable_classes_are_counted_as_asked() {
    let place = Place::new();
    place.ok("train digits --epochs 3 --device cpu");
    let usual = place.json("evaluate model.safetensors digits --json");
    assert!(usual["top-5-accuracy"].is_number());
    let asked = place.json("evaluate model.safetensors digits --top-k 1,3,10 --json");
    assert!(asked["top-5-accuracy"].is_null());
    assert_eq!(asked["top-1-accuracy"], asked["accuracy"]);
    assert_eq!(number(&asked["top-10-accuracy"]), 1.0);
    let told = place.ok("evaluate model.safetensors digits --top-k 2");
    assert!(told.contains("top-2 accuracy"), "{told}");
}
