//! The rows of a CSV or TSV file, with or without a header.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use csv::{ErrorKind, Reader, StringRecord};

use super::dialect::{self, is_blank, is_missing, is_number};
use super::error::DataError;
use super::source::{Bytes, Source};

/// The rows of a file, one at a time.
pub(super) struct Records {
    pub(super) file: String,
    /// The columns' names, or their numbers from 1.
    pub(super) names: Vec<String>,
    pub(super) header: bool,
    reader: Reader<Bytes>,
    record: StringRecord,
    /// The first row, if it is no header.
    first: Option<(StringRecord, u32)>,
    delimiter: u8,
    /// Whether lines end in carriage returns alone.
    returns: bool,
    /// Lines above the one that the reader began with.
    above: u32,
}

/// Where a row begins in its file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    byte: u64,
    /// Lines above it.
    above: u32,
}

/// How to see whether the first row is a header.
pub(super) enum Expected<'a> {
    /// From the rows alone.
    Anything,
    /// From the names of the columns that must be there; `numeric` if any of them holds numbers.
    Names { names: &'a [String], numeric: bool },
}

impl Records {
    pub(super) fn open(source: Source, expected: &Expected) -> Result<Self, DataError> {
        const SAMPLE: u64 = 1 << 18;
        let Source {
            name: file,
            mut reader,
            ..
        } = source;
        let mut sample = Vec::new();
        (&mut reader)
            .take(SAMPLE)
            .read_to_end(&mut sample)
            .map_err(|error| DataError::from_io(&file, error))?;
        let whole = (sample.len() as u64) < SAMPLE;
        let returns = sample.contains(&b'\r') && !sample.contains(&b'\n');
        if returns {
            replace_returns(&mut sample);
        }
        let delimiter = dialect::delimiter(&sample, whole);
        let head = dialect::head(&sample, whole, delimiter);

        // Every row ends in a line feed then, the last one too.
        let bytes = Cursor::new(sample).chain(reader).chain(&b"\n"[..]);
        let bytes = turned(Box::new(bytes), returns);
        let mut records = Records {
            file,
            names: Vec::new(),
            header: false,
            reader: dialect::rows(delimiter)
                .buffer_capacity(1 << 16)
                .from_reader(bytes),
            record: StringRecord::new(),
            first: None,
            delimiter,
            returns,
            above: 0,
        };
        if !records.advance()? {
            return Err(DataError::Empty { file: records.file });
        }
        let first = records.record.clone();
        records.header = match expected {
            Expected::Anything => dialect::has_header(&head),
            Expected::Names { names, numeric } => {
                let named = |cell: &str| names.iter().any(|name| name == cell);
                let text = !first.iter().any(is_number) && !first.iter().all(is_missing);
                first.iter().any(named) || (*numeric && text)
            }
        };
        if records.header {
            records.names = header_names(&first);
        } else {
            records.names = (1..=first.len()).map(|number| number.to_string()).collect();
            records.first = Some((first, records.line()));
        }
        Ok(records)
    }

    /// Moves to the next row; `None` after the last one, its line otherwise.
    pub(super) fn next(&mut self) -> Result<Option<u32>, DataError> {
        let line = if let Some((first, line)) = self.first.take() {
            self.record = first;
            line
        } else if self.advance()? {
            self.line()
        } else {
            return Ok(None);
        };
        if self.record.len() != self.names.len() {
            return Err(DataError::Ragged {
                file: self.file.clone(),
                line,
                expected: self.names.len(),
                found: self.record.len(),
            });
        }
        Ok(Some(line))
    }

    /// The cells of the current row.
    pub(super) fn cells(&self) -> &StringRecord {
        &self.record
    }

    /// The line that the row just read begins in.
    fn line(&self) -> u32 {
        // The reader is at the line after the row by now; its own record of where the row began counts the empty lines
        // above it to the row.
        let within = self
            .record
            .iter()
            .flat_map(str::bytes)
            .filter(|&byte| byte == b'\n')
            .count();
        let line = self.above + self.reader.position().line() as u32;
        line.saturating_sub(1 + within as u32)
    }

    /// Where the next row begins.
    pub(super) fn mark(&self) -> Mark {
        match &self.first {
            Some(_) => Mark::default(),
            None => Mark {
                byte: self.reader.position().byte(),
                above: self.above + self.reader.position().line() as u32 - 1,
            },
        }
    }

    /// Moves to before a row of the plain file that this is read from.
    pub(super) fn seek(&mut self, mark: Mark) -> Result<(), DataError> {
        let failed = |error| DataError::from_io(&self.file, error);
        let mut file = File::open(&self.file).map_err(failed)?;
        file.seek(SeekFrom::Start(mark.byte)).map_err(failed)?;
        let bytes = BufReader::with_capacity(1 << 16, file).chain(&b"\n"[..]);
        self.reader = dialect::rows(self.delimiter)
            .buffer_capacity(1 << 16)
            .from_reader(turned(Box::new(bytes), self.returns));
        self.above = mark.above;
        self.first = None;
        Ok(())
    }

    fn advance(&mut self) -> Result<bool, DataError> {
        loop {
            let more = self.reader.read_record(&mut self.record).map_err(|error| {
                match error.into_kind() {
                    ErrorKind::Io(error) => DataError::from_io(&self.file, error),
                    ErrorKind::Utf8 { .. } => DataError::NotUtf8 {
                        file: self.file.clone(),
                        line: self.line(),
                    },
                    other => {
                        DataError::malformed(&self.file, format!("this is no table: {other:?}"))
                    }
                }
            })?;
            if !more || !is_blank(&self.record) {
                return Ok(more);
            }
        }
    }
}

fn turned(bytes: Bytes, returns: bool) -> Bytes {
    if returns {
        Box::new(Returns(bytes))
    } else {
        bytes
    }
}

/// Text whose lines end in carriage returns alone, with line feeds instead.
struct Returns<R>(R);

impl<R: Read> Read for Returns<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        replace_returns(&mut buffer[..read]);
        Ok(read)
    }
}

fn replace_returns(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte == b'\r') {
        *byte = b'\n';
    }
}

/// The names in a header: an empty one becomes the column's number, and one that comes again is numbered.
fn header_names(header: &StringRecord) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut names = Vec::with_capacity(header.len());
    for (index, cell) in header.iter().enumerate() {
        let name = if cell.is_empty() {
            (index + 1).to_string()
        } else {
            cell.to_owned()
        };
        let mut unique = name.clone();
        let mut count = 1;
        while !taken.insert(unique.clone()) {
            count += 1;
            unique = format!("{name} ({count})");
        }
        names.push(unique);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_unique_names() {
        let header = StringRecord::from(vec!["a", "", "a", "a"]);
        assert_eq!(header_names(&header), ["a", "2", "a (2)", "a (3)"]);
    }
}
