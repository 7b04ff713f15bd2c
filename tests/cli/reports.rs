//! What the report of a training run, and `evaluate`, say of answers that are written out beside: of several networks together, of
//! folds, logarithms, several targets and quantiles, on either device.

use std::fs;

use serde_json::Value;

use super::Place;

/// More than go through a network at a time, in each of three folds, of which one has a row more than the others.
const ROWS: usize = 3202;

/// Two numbers, and targets that follow from them but for some.
fn table(names: &str, targets: impl Fn(usize) -> String) -> String {
    let row = |row: usize| format!("{},{},{}\n", row * 37 % 101, row * 53 % 89, targets(row));
    let rows: String = (0..ROWS).map(row).collect();
    format!("x,y,{names}\n{rows}")
}

fn price(row: usize) -> usize {
    1000 + 3 * (row * 37 % 101) + 50 * usize::from(row.is_multiple_of(5))
}

fn kind(row: usize) -> usize {
    // The last of them is rare.
    match row {
        0..5 => 3,
        _ => (row * 37 % 101 / 34 + usize::from(row.is_multiple_of(5))) % 3,
    }
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn near(told: &Value, expected: f64, of: &str) {
    let error = (number(told) - expected).abs();
    assert!(
        error <= 2e-4 * expected.abs().max(1.0),
        "{of}: {told} {expected}"
    );
}

/// The rows of a table of answers: by `skipped` cells behind the first of each line.
fn cells(text: &str, skipped: usize) -> Vec<Vec<f64>> {
    let row = |line: &str| {
        let cells = line.split(',').skip(skipped);
        cells.map(|cell| cell.parse().expect("a number")).collect()
    };
    text.lines().skip(1).map(row).collect()
}

/// The folds that hold the rows out, from 0.
fn folds(text: &str) -> Vec<usize> {
    let fold = |line: &str| line.split(',').nth(1).map(str::parse::<usize>);
    let folds = text.lines().skip(1).map(fold);
    folds
        .map(|fold| fold.expect("a cell").expect("a number") - 1)
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Figures of a target and its answers as scikit-learn has them, by their names.
fn figures(pairs: &[(f64, f64)]) -> [(&'static str, f64); 7] {
    let errors = || pairs.iter().map(|(target, answer)| target - answer);
    let variance = |values: &mut dyn Iterator<Item = f64>| {
        let values: Vec<f64> = values.collect();
        let centre = mean(values.iter().copied());
        mean(values.iter().map(|value| (value - centre).powi(2)))
    };
    let whole = variance(&mut pairs.iter().map(|(target, _)| *target));
    let explained = |left: f64| match (whole > 0.0, left > 0.0) {
        (true, _) => 1.0 - left / whole,
        (_, left) => f64::from(u8::from(!left)),
    };
    let squared = mean(errors().map(|error| error * error));
    let mut sizes: Vec<f64> = errors().map(f64::abs).collect();
    sizes.sort_by(f64::total_cmp);
    let middle = f64::midpoint(sizes[(sizes.len() - 1) / 2], sizes[sizes.len() / 2]);
    [
        ("rmse", squared.sqrt()),
        ("mae", mean(sizes.iter().copied())),
        ("r2", explained(squared)),
        (
            "mape",
            mean(pairs.iter().map(|(y, a)| (y - a).abs() / y.abs())),
        ),
        ("explained-variance", explained(variance(&mut errors()))),
        ("median-absolute-error", middle),
        ("max-error", sizes[sizes.len() - 1]),
    ]
}

/// Trains on all rows, or on folds of them, and gives the answers beside what is said of them: in all, and of each fold.
struct Run {
    report: Value,
    part: &'static str,
    answers: Vec<Vec<f64>>,
    folds: Vec<usize>,
}

impl Run {
    fn new(place: &Place, words: &str, proba: &str) -> Run {
        let common = "--hidden 8 --optimizer adam --lr 0.02 --epochs 3 --batch-size 256 --json";
        let words = format!("train rows.csv {words} --test 0 --validation 0 {common}");
        if words.contains("--folds") {
            let report = place.json(&format!("{words} --out-of-fold held.csv"));
            let text = fs::read_to_string(place.path("held.csv")).expect("it is there");
            // The class that is told is before its probabilities.
            let skipped = if proba.is_empty() { 2 } else { 3 };
            Run {
                report,
                part: "out_of_fold",
                answers: cells(&text, skipped),
                folds: folds(&text),
            }
        } else {
            let report = place.json(&words);
            let text = place.ok(&format!("predict model.safetensors rows.csv {proba}"));
            Run {
                report,
                part: "train",
                answers: cells(&text, 0),
                folds: vec![usize::MAX; ROWS],
            }
        }
    }

    /// What is said of some rows beside their positions: of all of them, and of those of each fold.
    fn each(&self) -> Vec<(&Value, Vec<usize>)> {
        assert_eq!(self.answers.len(), ROWS);
        let mut all = vec![(&self.report[self.part], (0..ROWS).collect())];
        let folds = self.report["folds"].as_array().into_iter().flatten();
        for (number, told) in folds.enumerate() {
            let rows = (0..ROWS).filter(|&row| self.folds[row] == number);
            all.push((told, rows.collect()));
        }
        all
    }
}

const DEVICES: [&str; 2] = ["--device cpu", "--device gpu"];
const TOGETHER: [&str; 3] = ["--ensemble 3", "--folds 3", "--folds 3 --ensemble 2"];

#[test]
fn classes_that_networks_answer_together_are_counted() {
    let place = Place::new();
    let names = ["a", "b", "c", "rare"];
    place.file("rows.csv", table("kind", |row| names[kind(row)].into()));
    let mut on_cpu = Vec::new();
    for device in DEVICES {
        for (number, pack) in TOGETHER.into_iter().enumerate() {
            let of = format!("{device} {pack}");
            let run = Run::new(&place, &of, "--proba");
            match on_cpu.get(number) {
                None => on_cpu.push(run.answers.concat()),
                // Networks that the other device has trained differ by rounding.
                Some(answers) => {
                    let pairs = answers.iter().zip(run.answers.iter().flatten());
                    let apart = pairs.map(|(one, other)| (one - other).abs());
                    assert!(apart.fold(0.0, f64::max) < 0.01, "{of}");
                }
            }
            for (told, rows) in run.each() {
                let right = |&row: &usize| {
                    let answers = &run.answers[row];
                    let best = answers.iter().copied().fold(f64::MIN, f64::max);
                    let called = answers.iter().position(|&answer| answer == best);
                    f64::from(u8::from(called == Some(kind(row))))
                };
                near(&told["accuracy"], mean(rows.iter().map(right)), &of);
                if !pack.contains("ensemble") {
                    let losses = rows.iter().map(|&row| -run.answers[row][kind(row)].ln());
                    near(&told["loss"], mean(losses), &of);
                }
            }
        }
        // All six networks together.
        let told = place.json(&format!(
            "evaluate model.safetensors rows.csv {device} --json"
        ));
        let answers = cells(
            &place.ok("predict model.safetensors rows.csv --proba --device cpu"),
            0,
        );
        let losses = answers.iter().enumerate();
        let losses = losses.map(|(row, answers)| -answers[kind(row)].ln());
        near(&told["log-loss"], mean(losses), device);
        let mut confusion = [[0_u64; 4]; 4];
        for (row, answers) in answers.iter().enumerate() {
            let best = answers.iter().copied().fold(f64::MIN, f64::max);
            let called = answers.iter().position(|&answer| answer == best);
            confusion[kind(row)][called.expect("one is the largest")] += 1;
        }
        assert_eq!(told["confusion"], serde_json::json!(confusion), "{device}");
        // A row of each class before all others: pairs in order, a tie counting half.
        let areas = (0..4).map(|class| {
            let (own, others): (Vec<usize>, Vec<usize>) =
                (0..ROWS).partition(|&row| kind(row) == class);
            let pairs = own.iter().flat_map(|&one| {
                let score = answers[one][class];
                let others = others.iter().map(|&other| answers[other][class]);
                let others = others.collect::<Vec<_>>().into_iter();
                others.map(move |other| match score.total_cmp(&other) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                })
            });
            mean(pairs)
        });
        near(&told["roc-auc"], mean(areas), device);
    }
}

#[test]
fn the_loss_of_networks_together_is_the_mean_of_theirs() {
    let place = Place::new();
    let names = ["a", "b", "c", "rare"];
    place.file("rows.csv", table("kind", |row| names[kind(row)].into()));
    for device in DEVICES {
        let loss = |words: &str| {
            let run = Run::new(&place, &format!("{device} {words}"), "--proba");
            number(&run.report["train"]["loss"])
        };
        let each = ["--seed 5", "--seed 6"].map(loss);
        let both = loss("--seed 5 --ensemble 2");
        let expected = mean(each.into_iter());
        assert!((both - expected).abs() < 1e-5, "{device}: {both} {each:?}");
        assert!((each[0] - each[1]).abs() > 1e-3, "{each:?}");
        let told = place.json(&format!(
            "evaluate model.safetensors rows.csv {device} --json"
        ));
        near(&told["loss"], expected, device);
    }
}

#[test]
fn values_of_several_networks_targets_and_logarithms_are_summed_up() {
    let place = Place::new();
    for (names, options) in [
        ("price", "--ensemble 2"),
        ("price", "--target-transform log"),
        ("price", "--target-transform log --folds 3"),
        ("price", "--loss gaussian --folds 3 --ensemble 2"),
        ("price,still,kind", "--loss mae"),
        ("price,still,kind", "--folds 3 --ensemble 2"),
    ] {
        let columns = names.split(',').count();
        // The second of them never changes.
        let wanted = |row: usize| [price(row) as f64, 7.5, 0.5 + kind(row) as f64];
        place.file(
            "rows.csv",
            table(names, |row| {
                let wanted = wanted(row);
                let values = wanted[..columns].iter().map(ToString::to_string);
                values.collect::<Vec<_>>().join(",")
            }),
        );
        for device in DEVICES {
            let of = format!("{device} {options} --target {names} --task regression");
            let run = Run::new(&place, &of, "");
            for (told, rows) in run.each() {
                let pairs = |target: usize| -> Vec<(f64, f64)> {
                    let pair = |&row: &usize| (wanted(row)[target], run.answers[row][target]);
                    rows.iter().map(pair).collect()
                };
                let each: Vec<_> = (0..columns).map(|target| figures(&pairs(target))).collect();
                for (place, name) in ["rmse", "mae", "r2"].into_iter().enumerate() {
                    let of_targets = each.iter().map(|figures| figures[place].1);
                    near(&told[name], mean(of_targets), &of);
                }
                if rows.len() < ROWS || columns == 1 {
                    continue;
                }
                for (target, figures) in each.into_iter().enumerate() {
                    for (name, expected) in figures {
                        near(
                            &run.report["targets"][target][run.part][name],
                            expected,
                            &of,
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn quantiles_of_several_networks_are_counted() {
    let place = Place::new();
    place.file("rows.csv", table("price", |row| price(row).to_string()));
    let levels = [0.1, 0.5, 0.9];
    for device in DEVICES {
        for pack in ["", "--ensemble 2", "--folds 3 --ensemble 2"] {
            let of = format!(
                "{device} {pack} --loss quantile --quantiles 0.1,0.5,0.9 --task regression"
            );
            let run = Run::new(&place, &of, "");
            for (told, rows) in run.each() {
                let losses = levels.iter().enumerate().map(|(place, &q)| {
                    mean(rows.iter().map(|&row| {
                        let error = price(row) as f64 - run.answers[row][place];
                        (q * error).max((q - 1.0) * error)
                    }))
                });
                near(&told["pinball"], mean(losses), &of);
                let errors = rows
                    .iter()
                    .map(|&row| (price(row) as f64 - run.answers[row][1]).abs());
                near(&told["mae"], mean(errors), &of);
            }
        }
    }
}

#[test]
fn labels_that_networks_answer_together_are_counted() {
    let place = Place::new();
    let there = |row: usize| [kind(row) == 0, kind(row) != 2];
    place.file(
        "rows.csv",
        table("first,others", |row| {
            there(row)
                .map(|there| u8::from(there).to_string())
                .join(",")
        }),
    );
    for device in DEVICES {
        let of = format!("{device} --ensemble 3 --target first,others");
        let run = Run::new(&place, &of, "--proba");
        let told = place.json(&format!(
            "evaluate model.safetensors rows.csv {device} --json"
        ));
        let wrong = |row: usize| {
            let labels = run.answers[row].iter().zip(there(row));
            labels
                .filter(|&(&answer, there)| (answer > 0.5) != there)
                .count()
        };
        let right = (0..ROWS).map(|row| f64::from(u8::from(wrong(row) == 0)));
        let accuracy = mean(right);
        near(&run.report["train"]["accuracy"], accuracy, &of);
        near(&told["accuracy"], accuracy, &of);
        let hamming = mean((0..ROWS).map(|row| wrong(row) as f64 / 2.0));
        near(&told["hamming-loss"], hamming, &of);
        let losses = |label: usize| {
            mean((0..ROWS).map(|row| {
                let p = run.answers[row][label];
                -if there(row)[label] { p } else { 1.0 - p }.ln()
            }))
        };
        for label in [0, 1] {
            near(&told["targets"][label]["log-loss"], losses(label), &of);
        }
        near(&told["log-loss"], f64::midpoint(losses(0), losses(1)), &of);
    }
}
