//! Data sets that the program carries with it.

use std::sync::Arc;

use super::csv;
use super::error::DataError;
use super::source::Origin;
use super::table::{Column, Features, Matrix, Nature, Table, Values};

/// The names of the built-in data sets.
pub const NAMES: [&str; 2] = ["digits", "xor"];

const DIGITS: &[u8] = include_bytes!("digits.csv.gz");

/// A built-in data set, unless there is none of this name.
pub(super) fn load(name: &str) -> Option<Result<Table, DataError>> {
    match name {
        "digits" => Some(digits()),
        "xor" => Some(Ok(xor())),
        _ => None,
    }
}

/// 1,797 handwritten digits, 8 × 8 pixels from 0 to 16 each.
fn digits() -> Result<Table, DataError> {
    let origin = Origin::Memory {
        name: "digits".to_owned(),
        bytes: Arc::from(DIGITS),
    };
    let (table, _) = csv::load(&origin, None)?;
    let (rows, columns) = (table.len(), table.features.width());
    let mut values = vec![0.0; rows * columns];
    if let Features::Columns(pixels) = &table.features {
        for (index, column) in pixels.iter().enumerate() {
            if let Values::Numbers(numbers) = &column.values {
                for (row, &number) in numbers.iter().enumerate() {
                    values[row * columns + index] = number;
                }
            }
        }
    }
    let features = Features::Numbers {
        matrix: Matrix {
            rows,
            columns,
            values,
        },
        shape: vec![8, 8],
        nature: Nature::Pixels(16.0),
    };
    let target = table.targets.into_iter().map(|column| Column {
        name: "digit".to_owned(),
        ..column
    });
    Ok(Table::new(features, target, "digits"))
}

/// The four rows of exclusive or.
fn xor() -> Table {
    let inputs = Matrix {
        rows: 4,
        columns: 2,
        values: vec![0., 0., 0., 1., 1., 0., 1., 1.],
    };
    let target = Column::numbers("xor", vec![0., 1., 1., 0.]);
    Table::new(
        Features::numbers(inputs, Nature::Exact),
        Some(target),
        "xor",
    )
}
