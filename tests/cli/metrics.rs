//! What `evaluate` counts on either device.

use serde_json::Value;

use super::Place;

/// Rows of two numbers and targets that follow from them, but for some: more than go through a network at a time.
fn rows(names: &str, targets: impl Fn(usize, bool) -> String) -> String {
    let row = |row: usize| {
        let targets = targets(row, row.is_multiple_of(5));
        format!("{},{},{targets}\n", row * 37 % 101, row * 53 % 89)
    };
    let rows: String = (0..1500).map(row).collect();
    format!("x,y,{names}\n{rows}")
}

/// Whether two answers have the same fields, and numbers that differ by rounding alone.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let fields = one.iter().zip(other);
            let same =
                |((name, one), (other_name, other)): ((&String, &Value), (&String, &Value))| {
                    name == other_name && alike(one, other)
                };
            one.len() == other.len() && fields.into_iter().all(same)
        }
        (Value::Array(one), Value::Array(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| alike(one, other))
        }
        (Value::Number(one), Value::Number(other)) => {
            let [one, other] = [one, other].map(|number| number.as_f64().unwrap_or(f64::NAN));
            (one - other).abs() <= 1e-4 * other.abs().max(1.0)
        }
        _ => one == other,
    }
}

#[test]
fn every_kind_of_answer_is_counted_alike_on_the_adapter() {
    let low = |row: usize, wrong: bool| usize::from((row * 37 % 101 < 50) != wrong);
    let kind = |row: usize, wrong: bool| (row * 37 % 101 / 34 + usize::from(wrong)) % 3;
    let price = |row: usize, wrong: bool| 1000 + 3 * (row * 37 % 101) + 50 * usize::from(wrong);
    let two = rows("two", |row, wrong| ["no", "yes"][low(row, wrong)].into());
    let three = rows("three", |row, wrong| {
        ["a", "b", "c"][kind(row, wrong)].into()
    });
    let labels = rows("low,last", |row, wrong| {
        format!(
            "{},{}",
            low(row, wrong),
            usize::from(kind(row, !wrong) == 2)
        )
    });
    let value = rows("price", |row, wrong| price(row, wrong).to_string());
    let several = rows("price,still", |row, wrong| {
        format!("{},7.5", price(row, wrong))
    });
    for (table, options) in [
        (&two, ""),
        (&two, "--loss mse"),
        (&three, ""),
        (&three, "--loss hinge"),
        (&three, "--ensemble 2"),
        (&labels, "--target low,last"),
        (&value, ""),
        (&value, "--target-transform log"),
        (&value, "--loss quantile --quantiles 0.1,0.5,0.9"),
        (&value, "--loss gaussian"),
        (&value, "--loss poisson"),
        (&several, "--target price,still"),
    ] {
        let place = Place::new();
        place.file("rows.csv", table.clone());
        place.ok(&format!(
            "train rows.csv {options} --hidden 8 --optimizer adam --epochs 3 --test 0 --device cpu"
        ));
        let [cpu, gpu] = ["cpu", "gpu"].map(|device| {
            let words = format!("evaluate model.safetensors rows.csv --device {device} --json");
            place.json(&words)
        });
        assert_eq!(cpu["rows"], 1500, "{options}: {cpu}");
        assert!(alike(&cpu, &gpu), "{options}: {cpu} {gpu}");
    }
}
