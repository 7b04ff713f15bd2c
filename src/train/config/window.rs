use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Rows that are held at a time of those that stay in their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "Spelling")]
pub enum Window {
    /// All rows are held, none stays in its file.
    None,
    /// So many.
    Rows(usize),
    /// As many as take so many bytes of memory.
    Bytes(u64),
}

/// A window as TOML and JSON have it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Number(usize),
    Word(String),
}

/// Units of memory, the largest first.
const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];

impl TryFrom<Spelling> for Window {
    type Error = String;
    fn try_from(spelling: Spelling) -> Result<Self, String> {
        match spelling {
            Spelling::Number(rows) => rows.to_string().parse(),
            Spelling::Word(word) => word.parse(),
        }
    }
}

impl From<Window> for Spelling {
    fn from(window: Window) -> Self {
        match window {
            Window::Rows(rows) => Spelling::Number(rows),
            other => Spelling::Word(other.to_string()),
        }
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Window::None => f.write_str("none"),
            Window::Rows(rows) => write!(f, "{rows}"),
            Window::Bytes(bytes) => {
                let whole = UNITS.iter().find(|(_, bits)| bytes % (1 << bits) == 0);
                let (name, bits) = whole.unwrap_or(&("KiB", 10));
                write!(f, "{}{name}", bytes >> bits)
            }
        }
    }
}

impl FromStr for Window {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Window::None);
        }
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let (number, unit) = (digits.parse::<u64>(), &text[digits.len()..]);
        let number = number.ok().filter(|&number| number > 0);
        let bits = UNITS.iter().find(|(name, _)| *name == unit);
        let window = match (number, bits) {
            (Some(rows @ ..=0x7fff_ffff), None) if unit.is_empty() => {
                Some(Window::Rows(rows as usize))
            }
            (Some(number), Some((_, bits))) => number.checked_mul(1 << bits).map(Window::Bytes),
            _ => None,
        };
        window.ok_or_else(|| "a number of rows, a size as 512MiB, or none is needed".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_as_it_is_written() {
        for text in ["none", "1000", "1KiB", "512MiB", "3GiB", "1025KiB"] {
            let window: Window = text.parse().expect(text);
            assert_eq!(window.to_string(), text);
        }
        assert_eq!("1024KiB".parse(), Ok(Window::Bytes(1 << 20)));
        for text in [
            "",
            "0",
            "0MiB",
            "-1",
            "1.5GiB",
            "5MB",
            "MiB",
            "99999999999",
            "99999999999999999GiB",
        ] {
            text.parse::<Window>().expect_err(text);
        }
    }
}
