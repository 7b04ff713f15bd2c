//! What a table of text looks like: its delimiter, and whether its first row names the columns.

use csv::{ReaderBuilder, StringRecord, Terminator, Trim};

/// Cells that mean "no value is known".
pub(super) fn is_missing(cell: &str) -> bool {
    const MISSING: [&str; 6] = ["", "NA", "N/A", "NaN", "null", "?"];
    MISSING
        .iter()
        .any(|missing| cell.eq_ignore_ascii_case(missing))
}

pub(super) fn is_number(cell: &str) -> bool {
    cell.parse::<f32>().is_ok() && !is_missing(cell)
}

/// Reads rows from any text: ragged ones too, so that the caller can say which line it is.
///
/// Only a line feed ends a row, so that lines can be counted; the carriage return before it goes with the blanks around
/// cells. An empty line that had one is a row of one empty cell, see [`is_blank`].
pub(super) fn rows(delimiter: u8) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .terminator(Terminator::Any(b'\n'));
    builder
}

/// Whether a row is an empty line.
pub(super) fn is_blank(record: &StringRecord) -> bool {
    record.len() == 1 && record[0].is_empty()
}

/// The delimiter that cuts the rows of `sample` most evenly. A sample that is not `whole` ends within a row.
pub(super) fn delimiter(sample: &[u8], whole: bool) -> u8 {
    const CANDIDATES: [u8; 3] = [b',', b';', b'\t'];
    let mut best = (0.0, 1, CANDIDATES[0]);
    for delimiter in CANDIDATES {
        let lengths: Vec<usize> = head(sample, whole, delimiter)
            .iter()
            .map(StringRecord::len)
            .collect();
        let Some((length, rows)) = most_frequent(&lengths) else {
            continue;
        };
        let evenness = rows as f64 / lengths.len() as f64;
        if length > 1 && (evenness, length) > (best.0, best.1) {
            best = (evenness, length, delimiter);
        }
    }
    best.2
}

/// The first rows of a sample, complete ones.
pub(super) fn head(sample: &[u8], whole: bool, delimiter: u8) -> Vec<StringRecord> {
    const ROWS: usize = 200;
    let mut records: Vec<StringRecord> = rows(delimiter)
        .from_reader(sample)
        .records()
        .map_while(Result::ok)
        .filter(|record| !is_blank(record))
        .take(ROWS)
        .collect();
    if !whole && records.len() > 1 && records.len() < ROWS {
        records.pop();
    }
    records
}

fn most_frequent(lengths: &[usize]) -> Option<(usize, usize)> {
    lengths
        .iter()
        .map(|&length| {
            (
                length,
                lengths.iter().filter(|&&other| other == length).count(),
            )
        })
        .max_by_key(|&(length, rows)| (rows, length))
}

/// Whether the first of `records` names the columns of the others.
///
/// A header holds no numbers, except where a program numbered all columns. It stands above at least one column of
/// numbers; or, in a table of text alone, none of its cells comes again in its column.
pub(super) fn has_header(records: &[StringRecord]) -> bool {
    let Some((first, others)) = records.split_first() else {
        return false;
    };
    if is_numbering(first) {
        return true;
    }
    if first.iter().any(is_number) || first.iter().all(is_missing) {
        return false;
    }
    let column = |index: usize| others.iter().filter_map(move |record| record.get(index));
    let above_numbers = |index: usize| {
        let mut cells = column(index).filter(|cell| !is_missing(cell)).peekable();
        cells.peek().is_some() && cells.all(is_number)
    };
    let mixed = |index: usize| column(index).any(is_number);
    if (0..first.len()).any(above_numbers) {
        return true;
    }
    let comes_again = |(index, cell): (usize, &str)| column(index).any(|other| other == cell);
    !(0..first.len()).any(mixed) && !first.iter().enumerate().any(comes_again)
}

/// Column numbers as pandas writes them: 0, 1, 2, 3, 4 and on, with or without names among the last.
fn is_numbering(record: &StringRecord) -> bool {
    const SURE: usize = 5;
    let numbered = record
        .iter()
        .enumerate()
        .take_while(|(index, cell)| *cell == index.to_string())
        .count();
    numbered >= SURE && record.iter().skip(numbered).all(|cell| !is_number(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> bool {
        has_header(&head(text.as_bytes(), true, b','))
    }

    #[test]
    fn headers_are_told_from_rows() {
        assert!(header("a,b,c\n1,2,x\n"));
        assert!(header("name,colour\nann,red\nbob,red\n"));
        assert!(header("0,1,2,3,4,target\n5,1,2,8,9,1\n"));
        assert!(header("only,names\n"));
        assert!(!header("1,2,x\n3,4,y\n"));
        assert!(!header("red,big\nblue,small\nred,small\n"));
        assert!(!header("0,1\n1,0\n"));
        assert!(!header("?,?\n1,2\n"));
    }

    #[test]
    fn delimiters_are_told_apart() {
        assert_eq!(delimiter(b"a,b\n1,2\n", true), b',');
        assert_eq!(delimiter(b"a;b\n1,5;2,5\n", true), b';');
        assert_eq!(delimiter(b"a, b\tc\n1\t2\n", true), b'\t');
        assert_eq!(delimiter(b"a\n1\n", true), b',');
        assert_eq!(delimiter(b"1,2\n1,2\n1,2,3\n", true), b',');
        assert_eq!(delimiter(b"a;b\n\"x,y\";2\n", true), b';');
    }
}
