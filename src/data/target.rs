//! From the raw targets to what the network learns: the index of a class, values, or labels that are there or not.

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
    /// Values, which the network sees as they are.
    Values {
        /// The columns' names.
        names: Vec<String>,
    },
    /// Labels, each of which is there or not, which the network sees as 1 or 0.
    Labels {
        /// By column.
        labels: Vec<Label>,
    },
}

/// A column of two values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The column's name.
    pub name: String,
    /// What stands for a label that is not there, and for one that is: the less and the greater number, or by the alphabet.
    pub values: [String; 2],
    /// Whether the values are numbers, so that `1.0` is `1`.
    pub numeric: bool,
}

/// Whole numbers up to this many different ones are taken for classes.
const MOST_NUMBERED_CLASSES: usize = 20;
/// From here on, 32-bit floats skip whole numbers.
const LARGEST_LABEL: f32 = 16_777_216.0;

impl TargetEncoding {
    /// Sees from a table's targets what kind of problem it is, unless `task` says, and finds the classes.
    ///
    /// Text means classes; so do whole numbers if there are at most 20 different ones, and at most half as many as rows. Several
    /// targets are labels if each of them has two values, else they must be numbers.
    pub fn fit(table: &Table, task: Option<Task>) -> Result<Self, DataError> {
        let columns = targets(table)?;
        for column in columns {
            check_complete(table, column)?;
        }
        let [column] = columns else {
            return fit_several(table, columns, task);
        };
        let task = match task {
            Some(task) => task,
            None => guess(table, column)?,
        };
        let name = column.name.clone();
        match task {
            Task::Regression => {
                as_numbers(table, &column.name, &column.values)?;
                Ok(TargetEncoding::Values { names: vec![name] })
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

    /// The network's targets for the rows of a table, `[rows, targets]`: the index of the class, the values, or 1 for each label
    /// that is there and 0 for all others.
    pub fn apply(&self, table: &Table) -> Result<Matrix, DataError> {
        let columns = targets(table)?;
        let expected = self.names().len();
        if columns.len() != expected {
            return Err(DataError::TargetCount {
                file: table.origin.clone(),
                found: columns.len(),
                expected,
            });
        }
        let mut values = vec![0.0; table.len() * expected];
        for (index, column) in columns.iter().enumerate() {
            check_complete(table, column)?;
            let of_column = match self {
                TargetEncoding::Values { .. } => as_numbers(table, &column.name, &column.values)?,
                TargetEncoding::Classes {
                    labels, numeric, ..
                } => class_indices(table, column, labels, *numeric)?.into(),
                TargetEncoding::Labels { labels } => {
                    let Label {
                        values, numeric, ..
                    } = &labels[index];
                    class_indices(table, column, values, *numeric)?.into()
                }
            };
            for (row, &value) in values.chunks_exact_mut(expected).zip(of_column.iter()) {
                row[index] = value;
            }
        }
        Ok(Matrix {
            rows: table.len(),
            columns: expected,
            values,
        })
    }

    /// The kind of problem.
    pub fn task(&self) -> Task {
        match self {
            TargetEncoding::Classes { .. } | TargetEncoding::Labels { .. } => Task::Classification,
            TargetEncoding::Values { .. } => Task::Regression,
        }
    }

    /// The target columns' names.
    pub fn names(&self) -> Vec<&str> {
        match self {
            TargetEncoding::Classes { name, .. } => vec![name],
            TargetEncoding::Values { names } => names.iter().map(String::as_str).collect(),
            TargetEncoding::Labels { labels } => {
                labels.iter().map(|label| label.name.as_str()).collect()
            }
        }
    }

    /// The classes, of which each row is one; none for values, and for several labels.
    pub fn classes(&self) -> &[String] {
        match self {
            TargetEncoding::Classes { labels, .. } => labels,
            TargetEncoding::Values { .. } | TargetEncoding::Labels { .. } => &[],
        }
    }

    /// The labels, of which each row may have several; none for one class a row, and for values.
    pub fn labels(&self) -> &[Label] {
        match self {
            TargetEncoding::Labels { labels } => labels,
            TargetEncoding::Classes { .. } | TargetEncoding::Values { .. } => &[],
        }
    }
}

fn fit_several(
    table: &Table,
    columns: &[Column],
    task: Option<Task>,
) -> Result<TargetEncoding, DataError> {
    let found: Vec<Option<Label>> = columns.iter().map(label).collect();
    let all = found.iter().all(Option::is_some);
    let varied = columns.iter().any(|column| distinct(column, 1).is_none());
    if task != Some(Task::Regression) && all && varied {
        let labels = found.into_iter().flatten().collect();
        return Ok(TargetEncoding::Labels { labels });
    }
    for (column, label) in columns.iter().zip(&found) {
        let of_classes = task == Some(Task::Classification) && label.is_none();
        match &column.values {
            Values::Numbers(_) if of_classes => {
                return Err(DataError::NotTwoValues {
                    file: table.origin.clone(),
                    column: column.name.clone(),
                });
            }
            Values::Text(_) if task != Some(Task::Regression) => {
                return Err(DataError::NoLabel {
                    file: table.origin.clone(),
                    column: column.name.clone(),
                });
            }
            _ => as_numbers(table, &column.name, &column.values).map(drop)?,
        }
    }
    let names = columns.iter().map(|column| column.name.clone());
    Ok(TargetEncoding::Values {
        names: names.collect(),
    })
}

/// The label that a column is, if it has two values; of the numbers 0 and 1 one is enough.
fn label(column: &Column) -> Option<Label> {
    let mut values = distinct(column, 2)?;
    let numeric = matches!(column.values, Values::Numbers(_));
    if numeric && values.iter().all(|value| value == "0" || value == "1") {
        values = vec!["0".to_owned(), "1".to_owned()];
    }
    let values = values.try_into().ok()?;
    Some(Label {
        name: column.name.clone(),
        values,
        numeric,
    })
}

/// The different values of a column in order, if there are no more than `most`.
fn distinct(column: &Column, most: usize) -> Option<Vec<String>> {
    match &column.values {
        Values::Text(text) => {
            let mut levels = text.levels.clone();
            levels.sort();
            (levels.len() <= most).then_some(levels)
        }
        Values::Numbers(numbers) => {
            let mut found: Vec<f32> = Vec::new();
            for &number in numbers {
                if !found.contains(&number) {
                    found.push(number);
                }
                if found.len() > most {
                    return None;
                }
            }
            found.sort_by(f32::total_cmp);
            Some(found.into_iter().map(number_label).collect())
        }
    }
}

fn targets(table: &Table) -> Result<&[Column], DataError> {
    if table.targets.is_empty() {
        return Err(DataError::NoTarget {
            file: table.origin.clone(),
            detail: "it holds features only".to_owned(),
        });
    }
    Ok(&table.targets)
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
