use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Rows a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "Spelling")]
pub enum BatchSize {
    /// As many as suit the number of rows.
    #[default]
    Auto,
    /// All of them.
    All,
    /// So many.
    Rows(usize),
}

/// A batch size as TOML and JSON have it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Number(usize),
    Word(String),
}

impl TryFrom<Spelling> for BatchSize {
    type Error = String;
    fn try_from(spelling: Spelling) -> Result<Self, String> {
        match spelling {
            Spelling::Number(rows) => rows.to_string().parse(),
            Spelling::Word(word) => word.parse(),
        }
    }
}

impl From<BatchSize> for Spelling {
    fn from(size: BatchSize) -> Self {
        match size {
            BatchSize::Rows(rows) => Spelling::Number(rows),
            other => Spelling::Word(other.to_string()),
        }
    }
}

impl Display for BatchSize {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            BatchSize::Auto => f.write_str("auto"),
            BatchSize::All => f.write_str("all"),
            BatchSize::Rows(rows) => write!(f, "{rows}"),
        }
    }
}

impl FromStr for BatchSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(BatchSize::Auto),
            "all" => Ok(BatchSize::All),
            _ => match text.parse() {
                Ok(rows @ 1..=0x7fff_ffff) => Ok(BatchSize::Rows(rows)),
                _ => Err("a number of rows from 1 on, all or auto is needed".into()),
            },
        }
    }
}
