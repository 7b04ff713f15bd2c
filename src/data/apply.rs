//! Preprocessing applied to the rows of a table.

use std::borrow::Cow;

use super::error::DataError;
use super::onehot;
use super::preprocess::{ColumnEncoding, InputColumn, Preprocessing, pixels};
use super::scaling::Scaling;
use super::table::{Column, Features, Matrix, Table, Values};

pub(super) fn apply(preprocessing: &Preprocessing, table: &Table) -> Result<Matrix, DataError> {
    match preprocessing {
        Preprocessing::Table {
            columns,
            by_name,
            numbers_first,
            ..
        } => apply_columns(columns, *by_name, *numbers_first, table),
        Preprocessing::Array { columns } => {
            let matrix = numbers(table, columns.len())?;
            let kept: Vec<(usize, &Scaling)> = columns
                .iter()
                .enumerate()
                .filter_map(|(column, scaling)| Some((column, scaling.as_ref()?)))
                .collect();
            let width: usize = kept.iter().map(|(_, scaling)| scaling.inputs()).sum();
            let mut values = vec![0.0; matrix.rows * width];
            for (row, mut inputs) in values.chunks_exact_mut(width.max(1)).enumerate() {
                let row = matrix.row(row);
                for &(column, scaling) in &kept {
                    let (own, rest) = inputs.split_at_mut(scaling.inputs());
                    scaling.apply(row[column], own);
                    inputs = rest;
                }
            }
            Ok(Matrix {
                rows: matrix.rows,
                columns: width,
                values,
            })
        }
        Preprocessing::Image {
            shape,
            full_scale,
            mean,
            deviation,
        } => {
            let matrix = numbers(table, pixels(shape))?;
            let (factor, shift) = (1.0 / (full_scale * deviation), mean / deviation);
            Ok(Matrix {
                rows: matrix.rows,
                columns: matrix.columns,
                values: matrix
                    .values
                    .iter()
                    .map(|value| value * factor - shift)
                    .collect(),
            })
        }
        Preprocessing::Identity { columns } => Ok(numbers(table, *columns)?.into_owned()),
    }
}

fn apply_columns(
    columns: &[InputColumn],
    by_name: bool,
    numbers_first: bool,
    table: &Table,
) -> Result<Matrix, DataError> {
    let width = columns.iter().map(|column| column.encoding.inputs()).sum();
    let rows = table.len();
    let mut values = vec![0.0; rows * width];
    let (mut first, mut first_row) = (0, 0);
    let mut ordered: Vec<(usize, &InputColumn)> = columns.iter().enumerate().collect();
    ordered.sort_by_key(|(_, column)| column.encoding.rank(numbers_first));
    for (position, column) in ordered {
        if column.encoding.inputs() > 0 {
            let cells = cells(table, column, position, columns.len(), by_name)?;
            encode(
                table,
                column,
                &cells,
                &mut values,
                (first, first_row),
                width,
            )?;
            first += column.encoding.inputs();
            first_row += column.encoding.table_rows();
        }
    }
    Ok(Matrix {
        rows,
        columns: width,
        values,
    })
}

/// The cells that a column of the model is made from.
fn cells<'a>(
    table: &'a Table,
    column: &InputColumn,
    position: usize,
    expected: usize,
    by_name: bool,
) -> Result<Cow<'a, Values>, DataError> {
    match &table.features {
        Features::Columns(columns) if by_name && table.header => {
            // A streamed table has them in the model's order.
            let named = |candidate: &&Column| candidate.name == column.name;
            let found = columns
                .get(position)
                .filter(named)
                .or_else(|| columns.iter().find(named));
            found
                .map(|found| Cow::Borrowed(&found.values))
                .ok_or_else(|| DataError::MissingColumn {
                    file: table.origin.clone(),
                    column: column.name.clone(),
                    available: super::error::list(
                        &columns
                            .iter()
                            .map(|column| &column.name)
                            .collect::<Vec<_>>(),
                    ),
                })
        }
        features if features.width() != expected => Err(DataError::Width {
            file: table.origin.clone(),
            found: features.width(),
            expected,
        }),
        Features::Columns(columns) => Ok(Cow::Borrowed(&columns[position].values)),
        Features::Numbers { matrix, .. } => Ok(Cow::Owned(Values::Numbers(
            matrix.column(position).collect(),
        ))),
    }
}

/// Writes a column's inputs into `values`, rows of `width`, from input `first` on; its rows of the network's table begin at
/// `first_row`.
fn encode(
    table: &Table,
    column: &InputColumn,
    cells: &Values,
    values: &mut [f32],
    (first, first_row): (usize, usize),
    width: usize,
) -> Result<(), DataError> {
    let rows = values.chunks_exact_mut(width).enumerate();
    match &column.encoding {
        ColumnEncoding::Constant => {}
        ColumnEncoding::Scaled(scaling) => {
            let numbers = as_numbers(table, &column.name, cells)?;
            for (row, inputs) in rows {
                scaling.apply(numbers[row], &mut inputs[first..first + scaling.inputs()]);
            }
        }
        ColumnEncoding::AsIs => {
            let numbers = as_numbers(table, &column.name, cells)?;
            for (row, inputs) in rows {
                if numbers[row].is_nan() {
                    return Err(missing(table, row, &column.name));
                }
                inputs[first] = numbers[row];
            }
        }
        ColumnEncoding::OneHot { levels, mode } => {
            let slots = onehot::slots(cells, levels, *mode);
            for ((_, inputs), slot) in rows.zip(slots) {
                inputs[first + slot] = 1.0;
            }
        }
        ColumnEncoding::Embedded { levels, mode } => {
            let slots = onehot::slots(cells, levels, *mode);
            for ((_, inputs), slot) in rows.zip(slots) {
                inputs[first] = (first_row + slot) as f32;
            }
        }
    }
    Ok(())
}

fn missing(table: &Table, row: usize, column: &str) -> DataError {
    DataError::MissingCell {
        file: table.origin.clone(),
        place: table.place(row),
        column: column.to_owned(),
    }
}

/// A column as numbers, even if it was read as text.
pub(super) fn as_numbers<'a>(
    table: &Table,
    name: &str,
    cells: &'a Values,
) -> Result<Cow<'a, [f32]>, DataError> {
    let text = match cells {
        Values::Numbers(numbers) => return Ok(Cow::Borrowed(numbers)),
        Values::Text(text) => text,
    };
    let number = |row: usize| match text.get(row) {
        None => Ok(f32::NAN),
        Some(cell) => {
            let (file, place) = (table.origin.clone(), table.place(row));
            let (column, value) = (name.to_owned(), cell.to_owned());
            match cell.parse::<f32>() {
                Err(_) => Err(DataError::NotNumber {
                    file,
                    place,
                    column,
                    value,
                }),
                Ok(number) if number.is_infinite() => Err(DataError::NotFinite {
                    file,
                    place,
                    column,
                    value,
                }),
                Ok(number) => Ok(number),
            }
        }
    };
    (0..text.codes.len())
        .map(number)
        .collect::<Result<Vec<f32>, _>>()
        .map(Cow::Owned)
}

/// A table of `expected` numeric columns as one matrix.
fn numbers(table: &Table, expected: usize) -> Result<Cow<'_, Matrix>, DataError> {
    if table.features.width() != expected {
        return Err(DataError::Width {
            file: table.origin.clone(),
            found: table.features.width(),
            expected,
        });
    }
    let columns = match &table.features {
        Features::Numbers { matrix, .. } => return Ok(Cow::Borrowed(matrix)),
        Features::Columns(columns) => columns,
    };
    let rows = table.len();
    let mut values = vec![0.0; rows * expected];
    for (index, column) in columns.iter().enumerate() {
        for (row, &number) in as_numbers(table, &column.name, &column.values)?
            .iter()
            .enumerate()
        {
            if number.is_nan() {
                return Err(missing(table, row, &column.name));
            }
            values[row * expected + index] = number;
        }
    }
    Ok(Cow::Owned(Matrix {
        rows,
        columns: expected,
        values,
    }))
}
