//! From raw columns to the network's inputs. What was fitted is part of the model, so that a prediction takes raw rows.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::error::{DataError, Notice};
use super::moments::{self, Moments};
use super::onehot;
use super::table::{Column, Features, Matrix, Nature, Table, Values};

/// Whether preprocessing is fitted to the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreprocessMode {
    /// Numbers standardised, text one-hot encoded, missing cells filled in, constant columns left out.
    #[default]
    Auto,
    /// Numbers as they are; text and missing cells are errors.
    None,
}

/// How raw columns become network inputs; kept in the model file.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Preprocessing {
    /// Columns of a table, each in its own way.
    Table {
        /// The columns in their order, the target left out.
        columns: Vec<InputColumn>,
        /// Whether columns are found by name; by position otherwise.
        by_name: bool,
        /// The target's position among the file's columns, from 0.
        target_position: Option<usize>,
    },
    /// Columns of an array, each standardised: `(x - mean) / deviation`.
    Array {
        /// The mean of each column.
        mean: Vec<f32>,
        /// The standard deviation of each column; 0 for a constant one, which is left out.
        deviation: Vec<f32>,
    },
    /// Images, standardised as one: `(x / full_scale - mean) / deviation`.
    Image {
        /// The shape of an image.
        shape: Vec<usize>,
        /// The pixel value that stands for 1.
        full_scale: f32,
        /// The mean over all pixels, after division by the full scale.
        mean: f32,
        /// The standard deviation over all pixels, after division by the full scale.
        deviation: f32,
    },
    /// Numbers as they are.
    Identity {
        /// Numbers in a row.
        columns: usize,
    },
}

/// A column of a table and what becomes of it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct InputColumn {
    /// Its name in the header, or its number from 1.
    pub name: String,
    /// What becomes of it.
    pub encoding: ColumnEncoding,
}

/// What becomes of a column of a table.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ColumnEncoding {
    /// One input: `(x - mean) / deviation`; a missing number counts as the mean.
    Standardised {
        /// The mean over the known numbers.
        mean: f32,
        /// The standard deviation over the known numbers.
        deviation: f32,
    },
    /// An input for each level and one more for texts that are none of them.
    OneHot {
        /// The texts, in alphabetical order.
        levels: Vec<String>,
        /// The index of the most frequent level, which stands in for a missing cell.
        mode: usize,
    },
    /// One input, the number as it is.
    AsIs,
    /// No input, since the value never changes.
    Constant,
}

/// What is expected in a column of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Ignored,
}

/// A line of [`Preprocessing::describe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDescription {
    /// The raw column, or what stands for all of them.
    pub name: String,
    /// Number of network inputs.
    pub inputs: usize,
    /// What is done.
    pub encoding: String,
}

impl ColumnEncoding {
    /// Number of network inputs.
    pub fn inputs(&self) -> usize {
        match self {
            ColumnEncoding::Standardised { .. } | ColumnEncoding::AsIs => 1,
            ColumnEncoding::OneHot { levels, .. } => levels.len() + 1,
            ColumnEncoding::Constant => 0,
        }
    }
}

impl Preprocessing {
    /// Fits preprocessing to the training rows of a table, and to no others: what is measured on rows that are kept for
    /// validation would make it too kind.
    pub fn fit(
        table: &Table,
        rows: &[u32],
        mode: PreprocessMode,
    ) -> Result<(Self, Vec<Notice>), DataError> {
        let mut notices = Vec::new();
        let fitted = match (&table.features, mode) {
            (Features::Columns(columns), _) => {
                fit_columns(table, columns, rows, mode, &mut notices)?
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

    /// The network's inputs for the rows of a table: `[rows, inputs()]`.
    pub fn apply(&self, table: &Table) -> Result<Matrix, DataError> {
        match self {
            Preprocessing::Table {
                columns, by_name, ..
            } => apply_columns(columns, *by_name, table),
            Preprocessing::Array { mean, deviation } => {
                let matrix = numbers(table, mean.len())?;
                let kept: Vec<usize> = (0..mean.len())
                    .filter(|&column| deviation[column] > 0.0)
                    .collect();
                let mut values = Vec::with_capacity(matrix.rows * kept.len());
                for row in matrix.values.chunks_exact(mean.len()) {
                    values.extend(
                        kept.iter().map(|&column| {
                            standardise(row[column], mean[column], deviation[column])
                        }),
                    );
                }
                Ok(Matrix {
                    rows: matrix.rows,
                    columns: kept.len(),
                    values,
                })
            }
            Preprocessing::Image {
                shape,
                full_scale,
                mean,
                deviation,
            } => {
                let matrix = numbers(table, shape.iter().product())?;
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

    /// Width of the network's input.
    pub fn inputs(&self) -> usize {
        match self {
            Preprocessing::Table { columns, .. } => {
                columns.iter().map(|column| column.encoding.inputs()).sum()
            }
            Preprocessing::Array { deviation, .. } => deviation
                .iter()
                .filter(|&&deviation| deviation > 0.0)
                .count(),
            Preprocessing::Image { shape, .. } => shape.iter().product(),
            Preprocessing::Identity { columns } => *columns,
        }
    }

    /// Number of raw columns, the target not among them.
    pub fn features(&self) -> usize {
        match self {
            Preprocessing::Table { columns, .. } => columns.len(),
            Preprocessing::Array { mean, .. } => mean.len(),
            Preprocessing::Image { shape, .. } => shape.iter().product(),
            Preprocessing::Identity { columns } => *columns,
        }
    }

    /// What is done to each column, in order; images and arrays are described as a whole.
    pub fn describe(&self) -> Vec<InputDescription> {
        let whole = |name: String, encoding: String| {
            vec![InputDescription {
                name,
                inputs: self.inputs(),
                encoding,
            }]
        };
        match self {
            Preprocessing::Table { columns, .. } => columns.iter().map(describe_column).collect(),
            Preprocessing::Array { mean, .. } => whole(
                format!("{} columns", mean.len()),
                format!(
                    "each standardised, {} constant left out",
                    mean.len() - self.inputs()
                ),
            ),
            Preprocessing::Image {
                shape,
                full_scale,
                mean,
                deviation,
            } => {
                let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
                whole(
                    format!("image of {} pixels", sides.join(" × ")),
                    format!(
                        "divided by {full_scale}, mean {mean} taken off, divided by deviation {deviation}"
                    ),
                )
            }
            Preprocessing::Identity { columns } => {
                whole(format!("{columns} columns"), "as they are".to_owned())
            }
        }
    }

    /// What a file must have in its columns, in the order of training.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        match self {
            Preprocessing::Table { columns, .. } => columns
                .iter()
                .map(|column| match column.encoding {
                    ColumnEncoding::Standardised { .. } | ColumnEncoding::AsIs => Kind::Number,
                    ColumnEncoding::OneHot { .. } => Kind::Text,
                    ColumnEncoding::Constant => Kind::Ignored,
                })
                .collect(),
            other => vec![Kind::Number; other.features()],
        }
    }

    /// The name of a column, by position.
    pub(super) fn name(&self, column: usize) -> Cow<'_, str> {
        match self {
            Preprocessing::Table { columns, .. } => Cow::Borrowed(&columns[column].name),
            _ => Cow::Owned((column + 1).to_string()),
        }
    }
}

fn describe_column(column: &InputColumn) -> InputDescription {
    let encoding = match &column.encoding {
        ColumnEncoding::Standardised { mean, deviation } => {
            format!("standardised: mean {mean}, deviation {deviation}")
        }
        ColumnEncoding::OneHot { levels, mode } => format!(
            "one-hot: {}, or unknown; missing counts as {}",
            super::error::list(levels),
            levels.get(*mode).map_or("unknown", String::as_str)
        ),
        ColumnEncoding::AsIs => "as it is".to_owned(),
        ColumnEncoding::Constant => "left out: constant in training".to_owned(),
    };
    InputDescription {
        name: column.name.clone(),
        inputs: column.encoding.inputs(),
        encoding,
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
    let Moments { mean, deviation } = moments::of(known);
    if deviation == 0.0 {
        return ColumnEncoding::Constant;
    }
    if missing > 0 {
        notices.push(Notice::MissingImputed {
            column: name.to_owned(),
            cells: missing,
            by: format!("the mean, {mean}"),
        });
    }
    ColumnEncoding::Standardised { mean, deviation }
}

fn fit_array(matrix: &Matrix, rows: &[u32], notices: &mut Vec<Notice>) -> Preprocessing {
    let moments = moments::of_columns(matrix, rows);
    let constant: Vec<String> = (0..matrix.columns)
        .filter(|&column| moments[column].deviation == 0.0)
        .map(|column| (column + 1).to_string())
        .collect();
    if !constant.is_empty() {
        notices.push(Notice::ConstantColumns { columns: constant });
    }
    Preprocessing::Array {
        mean: moments.iter().map(|moments| moments.mean).collect(),
        deviation: moments.iter().map(|moments| moments.deviation).collect(),
    }
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

/// In double precision, since the difference of two numbers near the largest is beyond single precision.
fn standardise(value: f32, mean: f32, deviation: f32) -> f32 {
    ((f64::from(value) - f64::from(mean)) / f64::from(deviation)) as f32
}

fn apply_columns(
    columns: &[InputColumn],
    by_name: bool,
    table: &Table,
) -> Result<Matrix, DataError> {
    let width = columns.iter().map(|column| column.encoding.inputs()).sum();
    let rows = table.len();
    let mut values = vec![0.0; rows * width];
    let mut first = 0;
    for (position, column) in columns.iter().enumerate() {
        if column.encoding.inputs() > 0 {
            let cells = cells(table, column, position, columns.len(), by_name)?;
            encode(table, column, &cells, &mut values, first, width)?;
            first += column.encoding.inputs();
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
            let found = columns
                .iter()
                .find(|candidate| candidate.name == column.name);
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

/// Writes a column's inputs into `values`, rows of `width`, from input `first` on.
fn encode(
    table: &Table,
    column: &InputColumn,
    cells: &Values,
    values: &mut [f32],
    first: usize,
    width: usize,
) -> Result<(), DataError> {
    let rows = values.chunks_exact_mut(width).enumerate();
    match &column.encoding {
        ColumnEncoding::Constant => {}
        ColumnEncoding::Standardised { mean, deviation } => {
            let numbers = as_numbers(table, &column.name, cells)?;
            for (row, inputs) in rows {
                let number = numbers[row];
                inputs[first] = if number.is_nan() {
                    0.0
                } else {
                    standardise(number, *mean, *deviation)
                };
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
