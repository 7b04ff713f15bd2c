use super::Config;
use crate::data::{Features, Table, TargetEncoding, Task, Values};

/// Takes the column that weighs rows out of a table: the table without it, and each row's weight.
///
/// The error is a line that names the file, the row and what is needed.
pub(super) fn take_weights(table: &Table, column: &str) -> Result<(Table, Vec<f32>), String> {
    let told = |what: String| Err(format!("--sample-weight {column}: {what}"));
    let columns = match &table.features {
        Features::Columns(columns) if table.header => columns,
        _ => {
            return told(format!(
                "{} names no columns; a table with a header is needed",
                table.origin
            ));
        }
    };
    let Some(position) = columns.iter().position(|known| known.name == column) else {
        let names: Vec<&str> = columns.iter().map(|known| known.name.as_str()).collect();
        return told(format!(
            "{} has no such column beside its target; there are {}",
            table.origin,
            names.join(", ")
        ));
    };
    let sound = |weight: f32| weight >= 0.0 && weight.is_finite();
    let wrong = match &columns[position].values {
        Values::Numbers(weights) => weights
            .iter()
            .position(|&weight| !sound(weight))
            .map(|row| (row, weights[row].to_string().replace("NaN", "nothing"))),
        Values::Text(text) => (0..table.len())
            .find(|&row| {
                text.get(row)
                    .is_none_or(|cell| !cell.parse().is_ok_and(sound))
            })
            .map(|row| (row, text.get(row).unwrap_or("nothing").to_owned())),
    };
    if let Some((row, found)) = wrong {
        return told(format!(
            "{}: {} has {found}; a number from 0 on is needed",
            table.origin,
            table.place(row)
        ));
    }
    let mut rest = columns.clone();
    let weights = match rest.remove(position).values {
        Values::Numbers(weights) => weights,
        Values::Text(_) => Vec::new(),
    };
    let table = Table {
        features: Features::Columns(rest),
        ..table.clone()
    };
    Ok((table, weights))
}

/// What each row counts, by its class and by a column, with mean 1 over the training rows; `None` where all count alike.
pub(super) fn row_weights(
    config: &Config,
    target: &TargetEncoding,
    classes: &[u32],
    of_column: Option<&[f32]>,
    train: &[u32],
) -> Result<Option<Vec<f32>>, String> {
    let of_class = match &config.class_weight {
        None => None,
        Some(_) if target.task() == Task::Regression => {
            return Err("--class-weight goes with classes; the target has values".into());
        }
        Some(_) if target.classes().is_empty() => {
            return Err(
                "--class-weight goes with one class a row; there are several labels: use --pos-weight"
                    .into(),
            );
        }
        Some(weight) => Some(weight.of_rows(target.classes(), classes, train)?),
    };
    let weights: Vec<f32> = match (of_class, of_column) {
        (None, None) => return Ok(None),
        (Some(weights), None) => return Ok(Some(weights)),
        (None, Some(weights)) => weights.to_vec(),
        (Some(weights), Some(others)) => weights.iter().zip(others).map(|(a, b)| a * b).collect(),
    };
    let of_train = train.iter().map(|&row| f64::from(weights[row as usize]));
    let mean = of_train.sum::<f64>() / train.len() as f64;
    if mean <= 0.0 || !mean.is_finite() {
        return Err("--sample-weight: no training row counts; give weights above 0".into());
    }
    let scaled = weights
        .iter()
        .map(|&weight| (f64::from(weight) / mean) as f32);
    Ok(Some(scaled.collect()))
}
