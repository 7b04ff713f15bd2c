//! Preprocessing fitted to the training rows of a table.

use super::error::{DataError, Notice};
use super::moments::{self, Moments};
use super::onehot;
use super::preprocess::{ColumnEncoding, InputColumn, PreprocessMode, Preprocessing};
use super::table::{Column, Features, Matrix, Nature, Table, Values};

pub(super) fn fit(
    table: &Table,
    rows: &[u32],
    mode: PreprocessMode,
) -> Result<(Preprocessing, Vec<Notice>), DataError> {
    let mut notices = Vec::new();
    let fitted = match (&table.features, mode) {
        (Features::Columns(columns), _) => fit_columns(table, columns, rows, mode, &mut notices)?,
        (Features::Numbers { matrix, .. }, PreprocessMode::None) => Preprocessing::Identity {
            columns: matrix.columns,
        },
        (
            Features::Numbers {
                matrix,
                shape,
                nature,
            },
            PreprocessMode::Auto,
        ) => match *nature {
            Nature::Exact => Preprocessing::Identity {
                columns: matrix.columns,
            },
            Nature::Measurements => fit_array(matrix, rows, &mut notices),
            Nature::Pixels(full_scale) => fit_images(matrix, shape, full_scale, rows),
        },
    };
    let usable = match &fitted {
        Preprocessing::Image { deviation, .. } => *deviation > 0.0,
        other => other.inputs() > 0,
    };
    if usable {
        Ok((fitted, notices))
    } else {
        Err(DataError::AllConstant {
            file: table.origin.clone(),
        })
    }
}

fn fit_columns(
    table: &Table,
    columns: &[Column],
    rows: &[u32],
    mode: PreprocessMode,
    notices: &mut Vec<Notice>,
) -> Result<Preprocessing, DataError> {
    let mut fitted = Vec::with_capacity(columns.len());
    for column in columns {
        let encoding = match (mode, &column.values) {
            (PreprocessMode::Auto, Values::Numbers(numbers)) => {
                fit_numbers(&column.name, numbers, rows, notices)
            }
            (PreprocessMode::Auto, Values::Text(text)) => {
                onehot::fit(&column.name, text, rows, notices)
            }
            (PreprocessMode::None, Values::Numbers(_)) => ColumnEncoding::AsIs,
            (PreprocessMode::None, Values::Text(text)) => {
                return Err(DataError::TextColumn {
                    file: table.origin.clone(),
                    column: column.name.clone(),
                    value: text.levels.first().cloned().unwrap_or_default(),
                });
            }
        };
        fitted.push(InputColumn {
            name: column.name.clone(),
            encoding,
        });
    }
    let constant: Vec<String> = fitted
        .iter()
        .filter(|column| column.encoding == ColumnEncoding::Constant)
        .map(|column| column.name.clone())
        .collect();
    if !constant.is_empty() {
        notices.push(Notice::ConstantColumns { columns: constant });
    }
    Ok(Preprocessing::Table {
        columns: fitted,
        by_name: table.header,
        target_position: table.target_position,
    })
}

fn fit_numbers(
    name: &str,
    numbers: &[f32],
    rows: &[u32],
    notices: &mut Vec<Notice>,
) -> ColumnEncoding {
    let known = rows
        .iter()
        .map(|&row| numbers[row as usize])
        .filter(|number| !number.is_nan());
    let missing = rows.len() - known.clone().count();
    let moments = moments::of(known);
    if moments.deviation == 0.0 {
        return ColumnEncoding::Constant;
    }
    if missing > 0 {
        notices.push(Notice::MissingImputed {
            column: name.to_owned(),
            cells: missing,
            by: format!("the mean, {}", moments.mean),
        });
    }
    ColumnEncoding::Standardised(moments)
}

fn fit_array(matrix: &Matrix, rows: &[u32], notices: &mut Vec<Notice>) -> Preprocessing {
    let columns = moments::of_columns(matrix, rows);
    let constant: Vec<String> = (1..)
        .zip(&columns)
        .filter(|(_, moments)| moments.deviation == 0.0)
        .map(|(number, _): (usize, _)| number.to_string())
        .collect();
    if !constant.is_empty() {
        notices.push(Notice::ConstantColumns { columns: constant });
    }
    Preprocessing::Array { columns }
}

fn fit_images(matrix: &Matrix, shape: &[usize], full_scale: f32, rows: &[u32]) -> Preprocessing {
    let pixels = rows.iter().flat_map(|&row| {
        matrix
            .row(row as usize)
            .iter()
            .map(|pixel| pixel / full_scale)
    });
    let Moments { mean, deviation } = moments::of(pixels);
    Preprocessing::Image {
        shape: shape.to_vec(),
        full_scale,
        mean,
        deviation,
    }
}
