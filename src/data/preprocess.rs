//! From raw columns to the network's inputs. What was fitted is part of the model, so that a prediction takes raw rows.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::error::{DataError, Notice};
use super::scaling::Scaling;
use super::table::{Matrix, Table};
use super::{apply, fit};

/// Whether preprocessing is fitted to the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum PreprocessMode {
    /// Numbers standardised, text one-hot encoded, missing cells filled in, constant columns left out.
    #[default]
    Auto,
    /// Numbers as they are; text and missing cells are errors.
    None,
    /// As auto, but numbers to 0 … 1.
    MinMax,
    /// As auto, but numbers by median and quartiles, clipped smoothly at ±3.
    Robust,
    /// As auto, but numbers to a normal distribution by their quantiles.
    Quantile,
}

/// What numbers become beside being scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Numeric {
    /// One input each.
    #[default]
    Plain,
    /// An input for each of --bins bins, by quantiles: how far the number has come in it (Gorishniy et al. 2022)
    Piecewise,
    /// Itself and three mixtures of 16 waves whose frequencies are learned (Holzmüller et al. 2024, PBLD)
    Periodic,
}

/// How preprocessing is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreprocessOptions {
    /// Whether, and how numbers are scaled.
    pub mode: PreprocessMode,
    /// What numbers become.
    pub numeric: Numeric,
    /// Bins of a column at most, from 1 on, where numbers are [`Numeric::Piecewise`].
    pub bins: usize,
    /// Texts of a column at most for which each has an input of its own; a column of more is embedded.
    pub one_hot_up_to: usize,
}

impl PreprocessOptions {
    /// Bins of a column.
    pub const BINS: usize = 16;
    /// Texts of a one-hot column.
    pub const ONE_HOT: usize = 256;
}

impl From<PreprocessMode> for PreprocessOptions {
    fn from(mode: PreprocessMode) -> Self {
        PreprocessOptions {
            mode,
            numeric: Numeric::Plain,
            bins: Self::BINS,
            one_hot_up_to: Self::ONE_HOT,
        }
    }
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
        /// Whether numbers come first among the inputs, for a network that embeds them; embedded columns always come last.
        #[serde(default)]
        numbers_first: bool,
        /// The targets' positions among the file's columns, from 0.
        target_positions: Vec<usize>,
    },
    /// Columns of an array, each scaled.
    Array {
        /// How each column is scaled; one that never changes is left out.
        columns: Vec<Option<Scaling>>,
    },
    /// Images, standardised as one: `(x / full_scale - mean) / deviation`; mean 0 and deviation 1 leave them in 0 … 1.
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
    /// One input by the known numbers, or several.
    Scaled(Scaling),
    /// An input for each level and one more for texts that are none of them.
    OneHot {
        /// The texts, in alphabetical order.
        levels: Vec<String>,
        /// The index of the most frequent level, which stands in for a missing cell.
        mode: usize,
    },
    /// One input: the row of the network's table that stands for the text, or for any that is none of them.
    Embedded {
        /// The texts, in alphabetical order.
        levels: Vec<String>,
        /// The index of the most frequent text, which stands in for a missing cell.
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
            ColumnEncoding::Scaled(scaling) => scaling.inputs(),
            ColumnEncoding::AsIs | ColumnEncoding::Embedded { .. } => 1,
            ColumnEncoding::OneHot { levels, .. } => levels.len() + 1,
            ColumnEncoding::Constant => 0,
        }
    }

    /// Rows of the network's table that are the column's own: one for each text and the last for any other.
    pub(super) fn table_rows(&self) -> usize {
        match self {
            ColumnEncoding::Embedded { levels, .. } => levels.len() + 1,
            _ => 0,
        }
    }

    /// Where its inputs come: numbers that are embedded first, rows of the table last.
    pub(super) fn rank(&self, numbers_first: bool) -> u8 {
        match self {
            ColumnEncoding::Embedded { .. } => 2,
            _ if numbers_first && self.is_number() => 0,
            _ => 1,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, ColumnEncoding::Scaled(_) | ColumnEncoding::AsIs)
    }
}

impl Preprocessing {
    /// Fits preprocessing to the training rows of a table, and to no others: what is measured on rows that are kept for
    /// validation would make it too kind.
    pub fn fit(
        table: &Table,
        rows: &[u32],
        options: impl Into<PreprocessOptions>,
    ) -> Result<(Self, Vec<Notice>), DataError> {
        fit::fit(table, rows, options.into())
    }

    /// The network's inputs for the rows of a table: `[rows, inputs()]`.
    pub fn apply(&self, table: &Table) -> Result<Matrix, DataError> {
        apply::apply(self, table)
    }

    /// Width of the network's input.
    pub fn inputs(&self) -> usize {
        match self {
            Preprocessing::Table { columns, .. } => {
                columns.iter().map(|column| column.encoding.inputs()).sum()
            }
            Preprocessing::Array { columns } => columns.iter().flatten().map(Scaling::inputs).sum(),
            Preprocessing::Image { shape, .. } => pixels(shape),
            Preprocessing::Identity { columns } => *columns,
        }
    }

    /// How many numbers come first among the inputs, where they do.
    pub fn numbers(&self) -> usize {
        match self {
            Preprocessing::Table {
                columns,
                numbers_first: true,
                ..
            } => {
                let encodings = columns.iter().map(|column| &column.encoding);
                let numbers = encodings.filter(|encoding| encoding.is_number());
                numbers.map(ColumnEncoding::inputs).sum()
            }
            Preprocessing::Array { .. } | Preprocessing::Identity { .. } => self.inputs(),
            Preprocessing::Table { .. } | Preprocessing::Image { .. } => 0,
        }
    }

    /// For each of the inputs that come last and hold a row of the network's table, how many rows are its own.
    pub fn table_rows(&self) -> Vec<usize> {
        let Preprocessing::Table { columns, .. } = self else {
            return Vec::new();
        };
        let rows = columns.iter().map(|column| column.encoding.table_rows());
        rows.filter(|&rows| rows > 0).collect()
    }

    /// Number of raw columns, the target not among them.
    pub fn features(&self) -> usize {
        match self {
            Preprocessing::Table { columns, .. } => columns.len(),
            Preprocessing::Array { columns } => columns.len(),
            Preprocessing::Image { shape, .. } => pixels(shape),
            Preprocessing::Identity { columns } => *columns,
        }
    }

    /// Whether what is done gives numbers: a broken model file may say anything.
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Preprocessing::Table { columns, .. } => {
                columns.iter().all(|column| match &column.encoding {
                    ColumnEncoding::Scaled(scaling) => scaling.is_sound(),
                    ColumnEncoding::OneHot { levels, mode }
                    | ColumnEncoding::Embedded { levels, mode } => *mode < levels.len(),
                    ColumnEncoding::AsIs | ColumnEncoding::Constant => true,
                })
            }
            Preprocessing::Array { columns } => columns.iter().flatten().all(Scaling::is_sound),
            Preprocessing::Image {
                full_scale,
                mean,
                deviation,
                ..
            } => {
                mean.is_finite()
                    && [full_scale, deviation]
                        .into_iter()
                        .all(|&x| x.is_finite() && x > 0.0)
            }
            Preprocessing::Identity { .. } => true,
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
            Preprocessing::Array { columns } => whole(
                format!("{} columns", columns.len()),
                format!(
                    "each {}, {} constant left out",
                    match columns.iter().flatten().next() {
                        Some(Scaling::MinMax { .. }) => "to 0 … 1",
                        Some(Scaling::Robust { .. }) => "robust, clipped smoothly",
                        Some(Scaling::Quantile(_)) => "to a normal distribution",
                        Some(Scaling::Piecewise(_)) => "piecewise linear, by bins",
                        Some(Scaling::Standard(_)) | None => "standardised",
                    },
                    columns.iter().filter(|scaling| scaling.is_none()).count()
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
                    ColumnEncoding::Scaled(_) | ColumnEncoding::AsIs => Kind::Number,
                    ColumnEncoding::OneHot { .. } | ColumnEncoding::Embedded { .. } => Kind::Text,
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

/// Number of pixels of an image; what a broken model file says of its shape must not overflow.
pub(super) fn pixels(shape: &[usize]) -> usize {
    shape
        .iter()
        .fold(1, |pixels, &side| pixels.saturating_mul(side))
}

fn texts(levels: &[String], mode: usize) -> String {
    format!(
        "{}, or unknown; missing counts as {}",
        super::error::list(levels),
        levels.get(mode).map_or("unknown", String::as_str)
    )
}

fn describe_column(column: &InputColumn) -> InputDescription {
    let encoding = match &column.encoding {
        ColumnEncoding::Scaled(scaling) => scaling.describe(),
        ColumnEncoding::OneHot { levels, mode } => {
            format!("one-hot: {}", texts(levels, *mode))
        }
        ColumnEncoding::Embedded { levels, mode } => {
            format!("embedded: {}", texts(levels, *mode))
        }
        ColumnEncoding::AsIs => "as it is".to_owned(),
        ColumnEncoding::Constant => "left out: constant in training".to_owned(),
    };
    InputDescription {
        name: column.name.clone(),
        inputs: column.encoding.inputs(),
        encoding,
    }
}
