//! From the raw target to what the network learns: the index of a class, or a value.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::apply::as_numbers;
use super::error::{DataError, list};

use super::table::{Column, Matrix, Table, Text, Values, number_label};

/// The kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Which of several classes.
    Classification,
    /// How much.
    Regression,
}

/// What the network learns in place of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TargetTransform {
    /// The value itself
    #[default]
    None,
    /// log(1 + value), for values above −1 that are spread over magnitudes
    Log,
}

impl TargetTransform {
    /// What is learned of a value.
    pub fn forward(self, value: f64) -> f64 {
        match self {
            TargetTransform::None => value,
            TargetTransform::Log => value.ln_1p(),
        }
    }

    /// The value that this is learned of.
    pub fn back(self, learned: f64) -> f64 {
        match self {
            TargetTransform::None => learned,
            TargetTransform::Log => learned.exp_m1(),
        }
    }

    /// The first value that nothing can be learned of.
    pub fn refused(self, values: &[f32]) -> Option<usize> {
        let log = self == TargetTransform::Log;
        values.iter().position(|&value| log && value <= -1.0)
    }
}

/// How the raw target becomes the network's; kept in the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TargetEncoding {
    /// Classes, which the network sees as indices into `labels`.
    Classes {
        /// The column's name.
        name: String,
        /// The classes in order: numbers by size, texts by the alphabet.
        labels: Vec<String>,
        /// Whether the labels are numbers, so that `3.0` is the class `3`.
        numeric: bool,
    },
    /// A value, which the network sees as it is.
    Value {
        /// The column's name.
        name: String,
    },
}

/// Whole numbers up to this many different ones are taken for classes.
const MOST_NUMBERED_CLASSES: usize = 20;
/// From here on, 32-bit floats skip whole numbers.
const LARGEST_LABEL: f32 = 16_777_216.0;

impl TargetEncoding {
    /// Sees from a table's target what kind of problem it is, unless `task` says, and finds the classes.
    ///
    /// Text means classes; so do whole numbers if there are at most 20 different ones, and at most half as many as rows.
    pub fn fit(table: &Table, task: Option<Task>) -> Result<Self, DataError> {
        let column = target(table)?;
        check_complete(table, column)?;
        let task = match task {
            Some(task) => task,
            None => guess(table, column)?,
        };
        let name = column.name.clone();
        match task {
            Task::Regression => {
                as_numbers(table, &column.name, &column.values)?;
                Ok(TargetEncoding::Value { name })
            }
            Task::Classification => {
                let (labels, numeric) = labels(table, column)?;
                if let [class] = &labels[..] {
                    return Err(DataError::OneClass {
                        file: table.origin.clone(),
                        column: name,
                        class: class.clone(),
                    });
                }
                Ok(TargetEncoding::Classes {
                    name,
                    labels,
                    numeric,
                })
            }
        }
    }

    /// The network's target for the rows of a table, `[rows, 1]`: the index of the class, or the value.
    pub fn apply(&self, table: &Table) -> Result<Matrix, DataError> {
        let column = target(table)?;
        check_complete(table, column)?;
        let values = match self {
            TargetEncoding::Value { .. } => {
                as_numbers(table, &column.name, &column.values)?.into_owned()
            }
            TargetEncoding::Classes {
                labels, numeric, ..
            } => class_indices(table, column, labels, *numeric)?,
        };
        Ok(Matrix {
            rows: values.len(),
            columns: 1,
            values,
        })
    }

    /// Width of the network's output.
    pub fn outputs(&self) -> usize {
        match self {
            TargetEncoding::Classes { labels, .. } => labels.len(),
            TargetEncoding::Value { .. } => 1,
        }
    }

    /// The kind of problem.
    pub fn task(&self) -> Task {
        match self {
            TargetEncoding::Classes { .. } => Task::Classification,
            TargetEncoding::Value { .. } => Task::Regression,
        }
    }

    /// The target column's name.
    pub fn name(&self) -> &str {
        match self {
            TargetEncoding::Classes { name, .. } | TargetEncoding::Value { name } => name,
        }
    }

    /// The classes' labels; none for regression.
    pub fn labels(&self) -> &[String] {
        match self {
            TargetEncoding::Classes { labels, .. } => labels,
            TargetEncoding::Value { .. } => &[],
        }
    }
}

fn target(table: &Table) -> Result<&Column, DataError> {
    table.target.as_ref().ok_or_else(|| DataError::NoTarget {
        file: table.origin.clone(),
        detail: "it holds features only".to_owned(),
    })
}

fn check_complete(table: &Table, column: &Column) -> Result<(), DataError> {
    let missing = match &column.values {
        Values::Numbers(numbers) => numbers.iter().position(|number| number.is_nan()),
        Values::Text(text) => text.codes.iter().position(|&code| code == Text::MISSING),
    };
    match missing {
        None => Ok(()),
        Some(row) => Err(DataError::MissingTarget {
            file: table.origin.clone(),
            place: table.place(row),
            column: column.name.clone(),
        }),
    }
}

fn guess(table: &Table, column: &Column) -> Result<Task, DataError> {
    let rows = column.values.len();
    let numbers = match &column.values {
        Values::Text(text) => {
            let classes = text.levels.len();
            if classes > MOST_NUMBERED_CLASSES && classes > rows / 2 {
                return Err(DataError::TooManyClasses {
                    file: table.origin.clone(),
                    column: column.name.clone(),
                    classes,
                    rows,
                });
            }
            return Ok(Task::Classification);
        }
        Values::Numbers(numbers) => numbers,
    };
    let mut distinct: Vec<f32> = Vec::new();
    for &number in numbers {
        if number.fract() != 0.0 || number.abs() >= LARGEST_LABEL {
            return Ok(Task::Regression);
        }
        if !distinct.contains(&number) {
            distinct.push(number);
        }
        if distinct.len() > MOST_NUMBERED_CLASSES {
            return Ok(Task::Regression);
        }
    }
    if distinct.len() <= (rows / 2).max(2) {
        Ok(Task::Classification)
    } else {
        Ok(Task::Regression)
    }
}

/// The different labels in order, and whether they are numbers.
fn labels(table: &Table, column: &Column) -> Result<(Vec<String>, bool), DataError> {
    match &column.values {
        Values::Text(text) => {
            let mut labels = text.levels.clone();
            labels.sort();
            Ok((labels, false))
        }
        Values::Numbers(numbers) => {
            if let Some(row) = numbers
                .iter()
                .position(|number| number.abs() >= LARGEST_LABEL)
            {
                return Err(DataError::LabelTooLarge {
                    file: table.origin.clone(),
                    place: table.place(row),
                    column: column.name.clone(),
                    value: numbers[row],
                });
            }
            let mut sorted: Vec<f32> = numbers.iter().map(|number| number + 0.0).collect();
            sorted.sort_by(f32::total_cmp);
            sorted.dedup();
            Ok((sorted.into_iter().map(number_label).collect(), true))
        }
    }
}

fn class_indices(
    table: &Table,
    column: &Column,
    labels: &[String],
    numeric: bool,
) -> Result<Vec<f32>, DataError> {
    let indices: HashMap<&str, f32> = labels
        .iter()
        .map(String::as_str)
        .zip((0u32..).map(|index| index as f32))
        .collect();
    let class = |text: &str| {
        let number = || {
            text.parse()
                .ok()
                .and_then(|number| indices.get(number_label(number).as_str()))
        };
        indices
            .get(text)
            .or_else(|| if numeric { number() } else { None })
            .copied()
    };
    let unknown = |row: usize, value: String| DataError::UnknownLabel {
        file: table.origin.clone(),
        place: table.place(row),
        column: column.name.clone(),
        value,
        known: list(labels),
    };
    match &column.values {
        Values::Text(text) => {
            let known: Vec<Option<f32>> = text.levels.iter().map(|level| class(level)).collect();
            let index = |(row, &code): (usize, &u32)| {
                known[code as usize].ok_or_else(|| unknown(row, text.levels[code as usize].clone()))
            };
            text.codes.iter().enumerate().map(index).collect()
        }
        Values::Numbers(numbers) => {
            let index = |(row, &number): (usize, &f32)| {
                let label = number_label(number);
                class(&label).ok_or_else(|| unknown(row, label.clone()))
            };
            numbers.iter().enumerate().map(index).collect()
        }
    }
}
