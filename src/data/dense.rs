//! Rows of numbers in a fixed binary layout, which NPY and IDX files share once their headers are read.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::error::{DataError, Place};
use super::source::Bytes;
use super::table::{Features, Matrix, Nature};

/// The type of one number in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
}

/// The type of the numbers in a file, and their byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) number: Number,
    pub(super) big_endian: bool,
}

impl Number {
    fn size(self) -> usize {
        match self {
            Number::Bool | Number::U8 | Number::I8 => 1,
            Number::U16 | Number::I16 | Number::F16 => 2,
            Number::U32 | Number::I32 | Number::F32 => 4,
            Number::U64 | Number::I64 | Number::F64 => 8,
        }
    }
}

/// Appends the numbers in `bytes` to `values`.
fn decode(encoding: Encoding, bytes: &[u8], values: &mut Vec<f32>) {
    macro_rules! each {
        ($type:ty, $number:ident => $value:expr) => {{
            let (items, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
            if encoding.big_endian {
                values.extend(items.iter().map(|item| {
                    let $number = <$type>::from_be_bytes(*item);
                    $value
                }));
            } else {
                values.extend(items.iter().map(|item| {
                    let $number = <$type>::from_le_bytes(*item);
                    $value
                }));
            }
        }};
    }
    match encoding.number {
        Number::Bool => values.extend(bytes.iter().map(|&byte| f32::from(u8::from(byte != 0)))),
        Number::U8 => values.extend(bytes.iter().map(|&byte| f32::from(byte))),
        Number::I8 => each!(i8, number => f32::from(number)),
        Number::U16 => each!(u16, number => f32::from(number)),
        Number::I16 => each!(i16, number => f32::from(number)),
        Number::U32 => each!(u32, number => number as f32),
        Number::I32 => each!(i32, number => number as f32),
        Number::U64 => each!(u64, number => number as f32),
        Number::I64 => each!(i64, number => number as f32),
        Number::F16 => each!(u16, bits => half(bits)),
        Number::F32 => each!(f32, number => number),
        Number::F64 => each!(f64, number => number as f32),
    }
}

/// The value of a 16-bit float's bits.
fn half(bits: u16) -> f32 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    };
    if bits >> 15 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// What the numbers in rows of `shape` are: bytes with two dimensions or more a row are images.
pub(super) fn nature(encoding: Encoding, shape: &[usize]) -> Nature {
    if encoding.number == Number::U8 && shape.len() >= 2 {
        Nature::Pixels(255.0)
    } else {
        Nature::Measurements
    }
}

/// Reads rows of numbers one after another.
pub(super) struct Rows<R = Bytes> {
    pub(super) file: String,
    /// Number of rows that the header promises.
    pub(super) count: usize,
    /// The shape of one row.
    pub(super) shape: Vec<usize>,
    encoding: Encoding,
    reader: R,
    width: usize,
    next: usize,
    /// Bytes of the file before the first row, for those that move about in it.
    pub(super) header: u64,
    /// Whether the file is known to be long enough for what its header promises.
    complete: bool,
    /// Whether the rows are rows to the user too, and not the columns of an array in Fortran order.
    pub(super) row_major: bool,
}

impl<R: Read> Rows<R> {
    /// The array of `shape` that `reader` goes on with; `length` is the number of bytes left, if that is known.
    pub(super) fn new(
        file: &str,
        reader: R,
        encoding: Encoding,
        shape: &[usize],
        length: Option<u64>,
    ) -> Result<Self, DataError> {
        let Some((&rows, shape)) = shape.split_first() else {
            return Err(DataError::malformed(
                file,
                "the array is a single number; it must have rows",
            ));
        };
        if rows == 0 {
            return Err(DataError::NoRows {
                file: file.to_owned(),
            });
        }
        let width = shape
            .iter()
            .try_fold(1usize, |product, &side| product.checked_mul(side));
        let bytes = width
            .and_then(|width| width.checked_mul(rows))
            .and_then(|values| values.checked_mul(encoding.number.size().max(size_of::<f32>())))
            .filter(|&bytes| isize::try_from(bytes).is_ok());
        let (Some(width), Some(_)) = (width, bytes) else {
            return Err(DataError::malformed(
                file,
                format!(
                    "the header promises {rows} rows of shape {shape:?}, more than any memory holds"
                ),
            ));
        };
        if width == 0 {
            return Err(DataError::malformed(
                file,
                "the array's rows hold no values",
            ));
        }
        let needed = (rows * width * encoding.number.size()) as u64;
        if let Some(length) = length.filter(|&length| length < needed) {
            return Err(DataError::Truncated {
                file: file.to_owned(),
                detail: format!(
                    "its header promises {needed} bytes of values, but it holds {length}"
                ),
            });
        }
        Ok(Rows {
            file: file.to_owned(),
            count: rows,
            shape: shape.to_vec(),
            encoding,
            reader,
            width,
            next: 0,
            header: 0,
            complete: length.is_some(),
            row_major: true,
        })
    }

    /// Number of values in a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The position of the next row, from 0.
    pub(super) fn position(&self) -> usize {
        self.next
    }

    /// The next rows, at most `most` of them; none at the end.
    pub(super) fn read(&mut self, most: usize) -> Result<Matrix, DataError> {
        // A header may promise what never comes: memory is taken as values arrive.
        const TRUSTED: usize = 1 << 18;
        const BUFFER: usize = 1 << 16;
        let rows = most.min(self.count - self.next);
        let size = self.encoding.number.size();
        let count = rows * self.width;
        let mut values = Vec::with_capacity(if self.complete {
            count
        } else {
            count.min(TRUSTED)
        });
        let mut buffer = vec![0u8; BUFFER.min(count * size)];
        while values.len() < count {
            let bytes = ((count - values.len()) * size).min(BUFFER);
            let from = values.len();
            let filled = fill(&mut self.reader, &mut buffer[..bytes])
                .map_err(|error| DataError::from_io(&self.file, error))?;
            decode(self.encoding, &buffer[..filled], &mut values);
            if self.row_major {
                check_finite(&self.file, &values, from, self.width, self.next)?;
            }
            if filled < bytes {
                return Err(self.truncated(values.len()));
            }
        }
        self.next += rows;
        Ok(Matrix {
            rows,
            columns: self.width,
            values,
        })
    }

    /// The next rows, at most `most` of them, as features.
    pub(super) fn features(&mut self, most: usize) -> Result<Features, DataError> {
        Ok(Features::Numbers {
            matrix: self.read(most)?,
            nature: nature(self.encoding, &self.shape),
            shape: self.shape.clone(),
        })
    }

    /// Bytes that the values of all rows have in memory.
    pub(super) fn bytes(&self) -> u64 {
        (self.count * self.width * size_of::<f32>()) as u64
    }

    fn truncated(&self, values: usize) -> DataError {
        DataError::Truncated {
            file: self.file.clone(),
            detail: format!(
                "its header promises {} rows of {} values, but it ends in row {}",
                self.count,
                self.width,
                self.next + values / self.width + 1
            ),
        }
    }
}

impl Rows<File> {
    /// Moves to before a row, counted from 0.
    pub(super) fn seek(&mut self, row: usize) -> Result<(), DataError> {
        let size = (self.width * self.encoding.number.size()) as u64;
        self.reader
            .seek(SeekFrom::Start(self.header + row as u64 * size))
            .map_err(|error| DataError::from_io(&self.file, error))?;
        self.next = row;
        Ok(())
    }
}

/// Reads until the buffer is full or the reader at its end; the number of bytes read.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted) => {}
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Refuses NaN and infinities among `values`, the rows of `width` values from row `first` on; those before `from` are
/// known to be finite.
pub(super) fn check_finite(
    file: &str,
    values: &[f32],
    from: usize,
    width: usize,
    first: usize,
) -> Result<(), DataError> {
    let Some(found) = values[from..].iter().position(|value| !value.is_finite()) else {
        return Ok(());
    };
    let index = from + found;
    Err(DataError::NotFinite {
        file: file.to_owned(),
        place: Place::Row(first + index / width + 1),
        column: (index % width + 1).to_string(),
        value: values[index].to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_their_values() {
        let known = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in known {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn both_byte_orders_give_the_same_numbers() {
        let decoded = |number, big_endian, bytes: &[u8]| {
            let mut values = Vec::new();
            decode(Encoding { number, big_endian }, bytes, &mut values);
            values
        };
        assert_eq!(decoded(Number::I16, true, &(-2i16).to_be_bytes()), [-2.0]);
        assert_eq!(decoded(Number::I16, false, &(-2i16).to_le_bytes()), [-2.0]);
        assert_eq!(decoded(Number::F64, true, &1.5f64.to_be_bytes()), [1.5]);
        assert_eq!(decoded(Number::U64, false, &7u64.to_le_bytes()), [7.0]);
        assert_eq!(decoded(Number::Bool, false, &[0, 1, 2]), [0.0, 1.0, 1.0]);
        assert_eq!(decoded(Number::I8, false, &[0xff]), [-1.0]);
    }
}
