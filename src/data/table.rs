//! Raw rows, as they were read.

use std::collections::HashMap;
use std::ops::Range;

use super::error::Place;

/// A matrix in row-major order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// `rows × columns` values, row by row.
    pub values: Vec<f32>,
}

impl Matrix {
    /// The values of a row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// The values of a column, top to bottom.
    pub fn column(&self, column: usize) -> impl Iterator<Item = f32> + '_ {
        self.values
            .iter()
            .skip(column)
            .step_by(self.columns.max(1))
            .copied()
    }

    /// Some of its rows, in this order.
    #[must_use]
    pub fn rows_of(&self, rows: &[u32]) -> Matrix {
        let values = rows.iter().flat_map(|&row| self.row(row as usize));
        Matrix {
            rows: rows.len(),
            columns: self.columns,
            values: values.copied().collect(),
        }
    }

    pub(super) fn slice(&self, rows: Range<usize>) -> Matrix {
        Matrix {
            rows: rows.len(),
            columns: self.columns,
            values: self.values[rows.start * self.columns..rows.end * self.columns].to_vec(),
        }
    }
}

/// Rows before preprocessing, with their targets where these are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What to predict from.
    pub features: Features,
    /// What to predict, a column each; none where that is not known.
    pub targets: Vec<Column>,
    /// The file that the rows come from, for messages.
    pub origin: String,
    /// Where the rows stand in that file.
    pub places: Places,
    /// Whether the columns were named by a header.
    pub header: bool,
    /// The targets' positions among the file's columns, from 0, where they are some of them.
    pub target_positions: Vec<usize>,
}

/// The features of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// Columns of their own kinds, as in a CSV file.
    Columns(Vec<Column>),
    /// Numbers throughout, as in an array.
    Numbers {
        /// A row for each row, a column for each number in it.
        matrix: Matrix,
        /// The shape of one row before it was flattened.
        shape: Vec<usize>,
        /// What the numbers are.
        nature: Nature,
    },
}

/// What the numbers of a dense table are, and so how they are scaled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nature {
    /// Measurements, each column on its own scale.
    Measurements,
    /// The pixels of images, from 0 to the full scale.
    Pixels(f32),
    /// Inputs that are meant as they are.
    Exact,
}

/// Where the rows of a table stand in their file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Places {
    /// The line of each row, from 1.
    Lines(Vec<u32>),
    /// Rows follow one another; this is the number of the first, from 0.
    From(usize),
    /// The number of each row, from 0.
    At(Vec<usize>),
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name in the header, or its number from 1.
    pub name: String,
    /// A cell a row.
    pub values: Values,
}

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; NaN is a missing cell.
    Numbers(Vec<f32>),
    /// Text.
    Text(Text),
}

/// A column of text. Each different text is kept once, since most columns repeat a few.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Text {
    /// For each row the index of its text in `levels`, or [`Text::MISSING`].
    pub codes: Vec<u32>,
    /// The different texts in order of appearance.
    pub levels: Vec<String>,
}

impl Text {
    /// The code of a missing cell.
    pub const MISSING: u32 = u32::MAX;

    /// A row's text, unless the cell is missing.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.levels
            .get(self.codes[row] as usize)
            .map(String::as_str)
    }
}

impl<'a> FromIterator<Option<&'a str>> for Text {
    fn from_iter<I: IntoIterator<Item = Option<&'a str>>>(cells: I) -> Self {
        let mut builder = TextBuilder::default();
        cells.into_iter().for_each(|cell| builder.push(cell));
        builder.text
    }
}

/// Collects the cells of a [`Text`].
#[derive(Default)]
pub(super) struct TextBuilder {
    pub(super) text: Text,
    codes: HashMap<String, u32>,
}

impl TextBuilder {
    pub(super) fn push(&mut self, cell: Option<&str>) {
        let code = match cell {
            None => Text::MISSING,
            Some(cell) => self.codes.get(cell).copied().unwrap_or_else(|| {
                let code = self.text.levels.len() as u32;
                self.text.levels.push(cell.to_owned());
                self.codes.insert(cell.to_owned(), code);
                code
            }),
        };
        self.text.codes.push(code);
    }
}

impl Values {
    /// Number of cells.
    pub fn len(&self) -> usize {
        match self {
            Values::Numbers(numbers) => numbers.len(),
            Values::Text(text) => text.codes.len(),
        }
    }

    /// Whether there are no cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slice(&self, rows: Range<usize>) -> Values {
        match self {
            Values::Numbers(numbers) => Values::Numbers(numbers[rows].to_vec()),
            Values::Text(text) => Values::Text(Text {
                codes: text.codes[rows].to_vec(),
                levels: text.levels.clone(),
            }),
        }
    }
}

impl Column {
    /// A column of numbers; NaN is a missing cell.
    pub fn numbers(name: impl Into<String>, numbers: Vec<f32>) -> Self {
        Column {
            name: name.into(),
            values: Values::Numbers(numbers),
        }
    }

    /// A column of text; `None` is a missing cell.
    pub fn text<'a>(
        name: impl Into<String>,
        cells: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Self {
        Column {
            name: name.into(),
            values: Values::Text(cells.into_iter().collect()),
        }
    }

    pub(super) fn slice(&self, rows: Range<usize>) -> Column {
        Column {
            name: self.name.clone(),
            values: self.values.slice(rows),
        }
    }
}

impl Features {
    /// Numbers of a nature, a row being `matrix.columns` of them.
    pub fn numbers(matrix: Matrix, nature: Nature) -> Self {
        Features::Numbers {
            shape: vec![matrix.columns],
            matrix,
            nature,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Features::Columns(columns) => columns.first().map_or(0, |column| column.values.len()),
            Features::Numbers { matrix, .. } => matrix.rows,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of raw columns.
    pub fn width(&self) -> usize {
        match self {
            Features::Columns(columns) => columns.len(),
            Features::Numbers { matrix, .. } => matrix.columns,
        }
    }
}

impl Table {
    /// A table of an array's rows.
    pub fn new(
        features: Features,
        targets: impl IntoIterator<Item = Column>,
        origin: impl Into<String>,
    ) -> Self {
        Table {
            features,
            targets: targets.into_iter().collect(),
            origin: origin.into(),
            places: Places::From(0),
            header: false,
            target_positions: Vec::new(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a row stands in its file.
    pub fn place(&self, row: usize) -> Place {
        match &self.places {
            Places::Lines(lines) => Place::Line(lines[row]),
            Places::From(first) => Place::Row(first + row + 1),
            Places::At(rows) => Place::Row(rows[row] + 1),
        }
    }

    /// Some rows of the table, as a table.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Table {
        let features = match &self.features {
            Features::Columns(columns) => Features::Columns(
                columns
                    .iter()
                    .map(|column| column.slice(rows.clone()))
                    .collect(),
            ),
            Features::Numbers {
                matrix,
                shape,
                nature,
            } => Features::Numbers {
                matrix: matrix.slice(rows.clone()),
                shape: shape.clone(),
                nature: *nature,
            },
        };
        Table {
            features,
            targets: self
                .targets
                .iter()
                .map(|target| target.slice(rows.clone()))
                .collect(),
            origin: self.origin.clone(),
            places: match &self.places {
                Places::Lines(lines) => Places::Lines(lines[rows].to_vec()),
                Places::From(first) => Places::From(first + rows.start),
                Places::At(places) => Places::At(places[rows].to_vec()),
            },
            header: self.header,
            target_positions: self.target_positions.clone(),
        }
    }
}

/// A number as a label: `3`, never `3.0` or `-0`.
pub(super) fn number_label(number: f32) -> String {
    format!("{}", number + 0.0)
}
