//! What can be wrong with data, and what is worth knowing about it.

use std::fmt;
use std::io;

/// Where a row stands in what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a text file, counted from 1.
    Line(u32),
    /// A row of an array, counted from 1.
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Why data cannot be used. Every message names the file and, where there is one, the row and the column.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum DataError {
    /// The path leads nowhere.
    #[error(
        "{file}: no such file; give a path, - for standard input, or a built-in data set (digits, xor)"
    )]
    NotFound { file: String },
    /// The file may not be read.
    #[error("{file}: permission denied; make the file readable for the user that runs this")]
    Denied { file: String },
    /// A folder without image files in it.
    #[error(
        "{folder}: the folder holds no IDX images (train-images-idx3-ubyte or the like); \
         give a file, or a folder with such files and their labels"
    )]
    NoDataset { folder: String },
    /// Reading failed half-way.
    #[error("{file}: cannot be read: {source}")]
    Read { file: String, source: io::Error },
    /// The file ends before its contents do.
    #[error("{file}: the file is truncated: {detail}; fetch or write it again")]
    Truncated { file: String, detail: String },
    /// The file breaks the rules of its format.
    #[error("{file}: {problem}")]
    Malformed { file: String, problem: String },
    /// Nothing in the file.
    #[error("{file}: the file is empty; it must hold at least one row")]
    Empty { file: String },
    /// A header, or an array's shape, and nothing after it.
    #[error("{file}: there are no rows, only a header; add at least one row of data")]
    NoRows { file: String },
    /// A row with too many or too few fields.
    #[error(
        "{file}: line {line} has {found} field{s} where {expected} are expected; \
         correct the line, or quote a field that holds the delimiter",
        s = plural(*found)
    )]
    Ragged {
        file: String,
        line: u32,
        expected: usize,
        found: usize,
    },
    /// Bytes that are no text.
    #[error("{file}: line {line} is not UTF-8; convert the file to UTF-8")]
    NotUtf8 { file: String, line: u32 },
    /// Text where a number must stand.
    #[error(
        "{file}: {place}, {}: '{value}' is not a number; correct the cell, or leave it empty if it is missing",
        label(column)
    )]
    NotNumber {
        file: String,
        place: Place,
        column: String,
        value: String,
    },
    /// NaN, an infinity, or a number beyond 32-bit floating point.
    #[error(
        "{file}: {place}, {}: {value} is not a finite 32-bit number; correct the cell or remove the row",
        label(column)
    )]
    NotFinite {
        file: String,
        place: Place,
        column: String,
        value: String,
    },
    /// Rows that cannot be read from wherever they are.
    #[error("{file}: its rows cannot be streamed: {what}, or leave out --window")]
    NotStreamed { file: String, what: &'static str },
    /// Another file than before.
    #[error(
        "{file}: it has changed while it was read: {now} rows are gone; leave it as it is while it is trained on"
    )]
    Shrunk { file: String, now: usize },
    /// No column of the name asked for.
    #[error("{file}: there is no target column '{target}'{hint}; the columns are {available}")]
    TargetNotFound {
        file: String,
        target: String,
        hint: String,
        available: String,
    },
    /// A target named again.
    #[error("{file}: {} is named twice as a target; name it once", label(column))]
    TargetTwice { file: String, column: String },
    /// Rows of another number of targets than the model's.
    #[error("{file}: the rows have {found} target{s}, but the model answers {expected}", s = plural(*found))]
    TargetCount {
        file: String,
        found: usize,
        expected: usize,
    },
    /// One of several targets that is neither a value nor a label.
    #[error(
        "{file}: {}, one of several targets, holds text; they must all be numbers, or all hold one of two values each",
        label(column)
    )]
    NoLabel { file: String, column: String },
    /// One of several targets that is to be a label.
    #[error(
        "{file}: {}, one of several targets, has more than two values; labels have two: leave it out, or force regression",
        label(column)
    )]
    NotTwoValues { file: String, column: String },
    /// A target chosen where nothing can be chosen.
    #[error("{file}: the data set brings its own target; leave the target option out")]
    TargetFixed { file: String },
    /// Features without their target.
    #[error("{file}: there is no target to learn: {detail}")]
    NoTarget { file: String, detail: String },
    /// A row whose target cell is empty.
    #[error(
        "{file}: {place}: the target, {}, is missing; fill it in or remove the row",
        label(column)
    )]
    MissingTarget {
        file: String,
        place: Place,
        column: String,
    },
    /// Nothing to tell apart.
    #[error(
        "{file}: the target, {}, has only one class, '{class}'; there must be two or more",
        label(column)
    )]
    OneClass {
        file: String,
        column: String,
        class: String,
    },
    /// Text that looks like no set of classes.
    #[error(
        "{file}: the target, {}, holds {classes} different texts in {rows} rows, which are hardly classes; \
         choose another target, or force classification",
        label(column)
    )]
    TooManyClasses {
        file: String,
        column: String,
        classes: usize,
        rows: usize,
    },
    /// Whole numbers that 32-bit floating point cannot tell apart.
    #[error(
        "{file}: {place}: the label {value} of {} is too large to be told from its neighbours; \
         number the classes from 0",
        label(column)
    )]
    LabelTooLarge {
        file: String,
        place: Place,
        column: String,
        value: f32,
    },
    /// A label that training never saw.
    #[error(
        "{file}: {place}, {}: the model knows no class '{value}', only {known}",
        label(column)
    )]
    UnknownLabel {
        file: String,
        place: Place,
        column: String,
        value: String,
        known: String,
    },
    /// Features and targets of different lengths.
    #[error(
        "{features} holds {rows} rows, but {targets} holds {labels} labels; they must belong together"
    )]
    Lengths {
        features: String,
        rows: usize,
        targets: String,
        labels: usize,
    },
    /// An array of something other than numbers.
    #[error("{file}: arrays of type {dtype} cannot be read, only numbers: {advice}")]
    Dtype {
        file: String,
        dtype: String,
        advice: &'static str,
    },
    /// A column that the model needs.
    #[error(
        "{file}: the model needs {}, which is not among the columns {available}",
        label(column)
    )]
    MissingColumn {
        file: String,
        column: String,
        available: String,
    },
    /// A choice of preprocessing that images do not have.
    #[error("{file}: {option} is for columns of a table or an array; for images {instead}")]
    NotForImages {
        /// The images.
        file: String,
        /// What was asked for.
        option: String,
        /// What can be.
        instead: &'static str,
    },
    /// Rows of another width than the model's.
    #[error("{file}: the rows have {found} feature{s}, but the model takes {expected}", s = plural(*found))]
    Width {
        file: String,
        found: usize,
        expected: usize,
    },
    /// Text that is to be taken as it is.
    #[error(
        "{file}: {} holds text ('{value}'), which only automatic preprocessing can turn into numbers",
        label(column)
    )]
    TextColumn {
        file: String,
        column: String,
        value: String,
    },
    /// An empty cell where nothing fills it in.
    #[error(
        "{file}: {place}, {}: the cell is missing; fill it in, or train with automatic preprocessing on a table",
        label(column)
    )]
    MissingCell {
        file: String,
        place: Place,
        column: String,
    },
    /// More texts than single precision can number.
    #[error(
        "{file}: the columns hold {rows} different texts in all, and {most} can be embedded; leave the least telling columns out"
    )]
    TooManyTexts {
        file: String,
        rows: usize,
        most: usize,
    },
    /// No column that differs between rows.
    #[error(
        "{file}: every feature is constant over the training rows; there is nothing to learn from"
    )]
    AllConstant { file: String },
}

impl DataError {
    pub(super) fn malformed(file: &str, problem: impl Into<String>) -> Self {
        DataError::Malformed {
            file: file.to_owned(),
            problem: problem.into(),
        }
    }

    /// What an I/O error means for the reader of `file`.
    pub(super) fn from_io(file: &str, error: io::Error) -> Self {
        let file = file.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => DataError::NotFound { file },
            io::ErrorKind::PermissionDenied => DataError::Denied { file },
            io::ErrorKind::UnexpectedEof => DataError::Truncated {
                file,
                detail: "its data end too early".to_owned(),
            },
            _ => DataError::Read {
                file,
                source: error,
            },
        }
    }
}

/// Something that was done to the data and that the user should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Notice {
    /// Columns with one value throughout carry nothing.
    ConstantColumns { columns: Vec<String> },
    /// Missing numbers were replaced by the mean, missing texts by the most frequent one.
    MissingImputed {
        column: String,
        cells: usize,
        by: String,
    },
    /// More texts than an embedding is good for.
    RareTexts {
        column: String,
        kept: usize,
        texts: usize,
    },
    /// A column of numbers became a column of text by some cell.
    TextAmongNumbers {
        file: String,
        column: String,
        line: u32,
        value: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::ConstantColumns { columns } => write!(
                f,
                "{} column{} left out because the value never changes: {}",
                columns.len(),
                if columns.len() == 1 { " is" } else { "s are" },
                list(columns)
            ),
            Notice::MissingImputed { column, cells, by } => {
                write!(
                    f,
                    "{}: {cells} missing cell{} filled in with {by}",
                    label(column),
                    plural(*cells)
                )
            }
            Notice::RareTexts {
                column,
                kept,
                texts,
            } => write!(
                f,
                "{}: the {kept} most frequent of {texts} texts are told apart, the rest count as unknown",
                label(column)
            ),
            Notice::TextAmongNumbers {
                file,
                column,
                line,
                value,
            } => write!(
                f,
                "{file}: {} is read as text, since line {line} holds '{value}' among numbers",
                label(column)
            ),
        }
    }
}

/// `column 'age'`, or `column 3` where there is no header.
fn label(column: &str) -> String {
    if column.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("column {column}")
    } else {
        format!("column '{column}'")
    }
}

/// The first few of `names`, for a message.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 12;
    let mut text: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let rest = format!("and {} more", names.len().saturating_sub(SHOWN));
    if names.len() > SHOWN {
        text.push(&rest);
    }
    text.join(", ")
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
