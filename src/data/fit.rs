//! Preprocessing fitted to the training rows of a table.

use super::error::{DataError, Notice};
use super::moments::{self, Moments};
use super::onehot;
use super::preprocess::{
    ColumnEncoding, InputColumn, Numeric, PreprocessMode, PreprocessOptions, Preprocessing,
};
use super::scaling::Scaling;
use super::table::{Column, Features, Matrix, Nature, Table, Values};

/// Rows of a table that single precision can number.
const MOST_ROWS: usize = 1 << 24;

pub(super) fn fit(
    table: &Table,
    rows: &[u32],
    options: PreprocessOptions,
) -> Result<(Preprocessing, Vec<Notice>), DataError> {
    let mut notices = Vec::new();
    let fitted = match (&table.features, options.mode) {
        (Features::Columns(columns), _) => {
            fit_columns(table, columns, rows, options, &mut notices)?
        }
        (Features::Numbers { matrix, .. }, PreprocessMode::None) => Preprocessing::Identity {
            columns: matrix.columns,
        },
        (
            Features::Numbers {
                matrix,
                shape,
                nature,
            },
            mode,
        ) => match *nature {
            Nature::Exact if options.numeric != Numeric::Piecewise => Preprocessing::Identity {
                columns: matrix.columns,
            },
            Nature::Exact | Nature::Measurements => fit_array(matrix, rows, options, &mut notices),
            Nature::Pixels(full_scale) => match mode {
                _ if options.numeric != Numeric::Plain => {
                    return Err(DataError::NotForImages {
                        file: table.origin.clone(),
                        option: format!("--numeric {}", options.numeric),
                        instead: "leave it out",
                    });
                }
                PreprocessMode::Robust | PreprocessMode::Quantile => {
                    return Err(DataError::NotForImages {
                        file: table.origin.clone(),
                        option: format!("--preprocess {mode}"),
                        instead: "use auto, min-max or none",
                    });
                }
                PreprocessMode::MinMax => Preprocessing::Image {
                    shape: shape.clone(),
                    full_scale,
                    mean: 0.0,
                    deviation: 1.0,
                },
                _ => fit_images(matrix, shape, full_scale, rows),
            },
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
    options: PreprocessOptions,
    notices: &mut Vec<Notice>,
) -> Result<Preprocessing, DataError> {
    let mut fitted = Vec::with_capacity(columns.len());
    for column in columns {
        let encoding = match (options.mode, &column.values) {
            (PreprocessMode::None, Values::Numbers(_)) => ColumnEncoding::AsIs,
            (PreprocessMode::None, Values::Text(text)) => {
                return Err(DataError::TextColumn {
                    file: table.origin.clone(),
                    column: column.name.clone(),
                    value: text.levels.first().cloned().unwrap_or_default(),
                });
            }
            (_, Values::Numbers(numbers)) => {
                fit_numbers(&column.name, numbers, rows, options, notices)
            }
            (_, Values::Text(text)) => {
                onehot::fit(&column.name, text, rows, options.one_hot_up_to, notices)
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
    let rows: usize = fitted
        .iter()
        .map(|column| column.encoding.table_rows())
        .sum();
    if rows > MOST_ROWS {
        return Err(DataError::TooManyTexts {
            file: table.origin.clone(),
            rows,
            most: MOST_ROWS,
        });
    }
    Ok(Preprocessing::Table {
        columns: fitted,
        by_name: table.header,
        numbers_first: options.numeric == Numeric::Periodic,
        target_positions: table.target_positions.clone(),
    })
}

fn fit_numbers(
    name: &str,
    numbers: &[f32],
    rows: &[u32],
    options: PreprocessOptions,
    notices: &mut Vec<Notice>,
) -> ColumnEncoding {
    let known = rows.iter().map(|&row| numbers[row as usize]);
    let known: Vec<f32> = known.filter(|number| !number.is_nan()).collect();
    let missing = rows.len() - known.len();
    let Some(scaling) = Scaling::fit(options, known) else {
        return ColumnEncoding::Constant;
    };
    if missing > 0 {
        notices.push(Notice::MissingImputed {
            column: name.to_owned(),
            cells: missing,
            by: scaling.stand_in(),
        });
    }
    ColumnEncoding::Scaled(scaling)
}

fn fit_array(
    matrix: &Matrix,
    rows: &[u32],
    options: PreprocessOptions,
    notices: &mut Vec<Notice>,
) -> Preprocessing {
    let standard = options.mode == PreprocessMode::Auto && options.numeric != Numeric::Piecewise;
    let columns: Vec<Option<Scaling>> = if standard {
        // Row by row, as the matrix lies in memory.
        let standard =
            |moments: Moments| (moments.deviation > 0.0).then_some(Scaling::Standard(moments));
        moments::of_columns(matrix, rows)
            .into_iter()
            .map(standard)
            .collect()
    } else {
        let of = |column: usize| {
            let numbers = rows.iter().map(|&row| matrix.row(row as usize)[column]);
            Scaling::fit(options, numbers.collect())
        };
        (0..matrix.columns).map(of).collect()
    };
    let constant: Vec<String> = (1..)
        .zip(&columns)
        .filter(|(_, scaling)| scaling.is_none())
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
