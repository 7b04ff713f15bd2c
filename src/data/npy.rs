//! NPY, an array as numpy saves it: a short header, a Python dictionary in text, and then the numbers.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::dense::{self, Encoding, Number, Rows, check_finite};
use super::error::DataError;
use super::source::{Bytes, INPUT, Origin, Source};
use super::table::{Column, Features, Matrix, Table};

/// What the header of an array says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    encoding: Encoding,
    /// Whether the first index runs fastest.
    fortran: bool,
    shape: Vec<usize>,
}

/// An array whose rows can be read.
pub(super) enum Array<R = Bytes> {
    /// Row after row, as the file has them.
    Rows(Rows<R>),
    /// Columns after columns: the whole array, turned.
    Turned { file: String, features: Features },
}

/// Opens the array in `source`.
pub(super) fn open(source: Source) -> Result<Array, DataError> {
    open_reader(&source.name, source.reader, source.length)
}

/// Opens the array that `reader` gives, in `length` bytes if that is known.
pub(super) fn open_reader<R: Read>(
    file: &str,
    mut reader: R,
    length: Option<u64>,
) -> Result<Array<R>, DataError> {
    let (header, bytes) = read_header(file, &mut reader)?;
    let left = length.map(|length| length.saturating_sub(bytes));
    let Header {
        encoding,
        fortran,
        shape,
    } = header;
    if !fortran || shape.len() < 2 {
        return Ok(Array::Rows(Rows::new(
            file, reader, encoding, &shape, left,
        )?));
    }
    // Read backwards, the shape is that of the same bytes in C order.
    let backwards: Vec<usize> = shape.iter().rev().copied().collect();
    let mut rows = Rows::new(file, reader, encoding, &backwards, left)?;
    rows.row_major = false;
    let matrix = turn(&rows.read(rows.count)?.values, &shape);
    check_finite(file, &matrix.values, 0, matrix.columns, 0)?;
    let features = Features::Numbers {
        matrix,
        nature: dense::nature(encoding, &shape[1..]),
        shape: shape[1..].to_vec(),
    };
    Ok(Array::Turned {
        file: file.to_owned(),
        features,
    })
}

/// Opens the array in a plain file so that rows can be read from wherever they are.
pub(super) fn stored(path: &str) -> Result<Rows<File>, DataError> {
    let failed = |error| DataError::from_io(path, error);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let (header, bytes) = read_header(path, &mut file)?;
    if header.fortran && header.shape.len() > 1 {
        return Err(DataError::NotStreamed {
            file: path.to_owned(),
            what: "its columns come one after another; save it with numpy.ascontiguousarray",
        });
    }
    let left = length.saturating_sub(bytes);
    let mut rows = Rows::new(path, file, header.encoding, &header.shape, Some(left))?;
    rows.header = bytes;
    Ok(rows)
}

/// Reads features from `source`, which is open at `path`, and their targets from the file beside it.
pub(super) fn load(path: &str, source: Source) -> Result<Table, DataError> {
    let features = open(source)?;
    let beside = target_needed(path)?;
    let rows = features.rows();
    let targets = targets(open(Origin::File(beside.clone()).open()?)?)?;
    check_lengths(path, rows, &beside, &targets)?;
    Ok(Table::new(features.into_features()?, targets, path))
}

impl<R: Read> Array<R> {
    pub(super) fn rows(&self) -> usize {
        match self {
            Array::Rows(rows) => rows.count,
            Array::Turned { features, .. } => features.len(),
        }
    }

    pub(super) fn into_features(self) -> Result<Features, DataError> {
        match self {
            Array::Rows(mut rows) => rows.features(rows.count),
            Array::Turned { features, .. } => Ok(features),
        }
    }

    fn file(&self) -> &str {
        match self {
            Array::Rows(rows) => &rows.file,
            Array::Turned { file, .. } => file,
        }
    }
}

/// The array as targets: a number a row, or several, which are a target each.
pub(super) fn targets<R: Read>(array: Array<R>) -> Result<Vec<Column>, DataError> {
    let file = array.file().to_owned();
    target_columns(&file, array.into_features()?)
}

/// The file that holds the targets of the features at `path`, to train on.
pub(super) fn target_needed(path: &str) -> Result<String, DataError> {
    target_beside(path).ok_or_else(|| DataError::NoTarget {
        file: path.to_owned(),
        detail: "put the labels beside it as y.npy, or both into one .npz file as X and y"
            .to_owned(),
    })
}

/// Rows of an array as targets.
pub(super) fn target_columns(file: &str, rows: Features) -> Result<Vec<Column>, DataError> {
    match rows {
        Features::Numbers { matrix, .. } if matrix.columns == 1 => {
            Ok(vec![Column::numbers("y", matrix.values)])
        }
        Features::Numbers { matrix, shape, .. } if shape.len() == 1 => {
            let column = |column: usize| {
                let numbers = matrix.column(column).collect();
                Column::numbers(format!("y{}", column + 1), numbers)
            };
            Ok((0..matrix.columns).map(column).collect())
        }
        other => Err(DataError::malformed(
            file,
            format!(
                "the target has {} values a row, and these in rows themselves; save it with a row for each row",
                other.width()
            ),
        )),
    }
}

pub(super) fn check_lengths(
    features: &str,
    rows: usize,
    targets: &str,
    columns: &[Column],
) -> Result<(), DataError> {
    let labels = columns.first().map_or(0, |column| column.values.len());
    check_counts(features, rows, targets, labels)
}

pub(super) fn check_counts(
    features: &str,
    rows: usize,
    targets: &str,
    labels: usize,
) -> Result<(), DataError> {
    if rows == labels {
        return Ok(());
    }
    Err(DataError::Lengths {
        features: features.to_owned(),
        rows,
        targets: targets.to_owned(),
        labels,
    })
}

/// The file that holds the targets of the features at `path`: `y.npy`, `NAME_y.npy`, or the name with its X made y.
pub(super) fn target_beside(path: &str) -> Option<String> {
    if path == INPUT {
        return None;
    }
    let path = Path::new(path);
    let stem = path.file_stem()?.to_str()?;
    let mut names = vec![format!("{stem}_y")];
    for (features, target) in [
        ("X", "y"),
        ("x", "y"),
        ("features", "labels"),
        ("images", "labels"),
    ] {
        if let Some(rest) = stem.strip_prefix(features) {
            names.push(format!("{target}{rest}"));
        }
        if let Some(rest) = stem.strip_suffix(features) {
            names.push(format!("{rest}{target}"));
        }
    }
    names.push("y".to_owned());
    names
        .into_iter()
        .filter(|name| name != stem)
        .map(|name| path.with_file_name(name + ".npy"))
        .find(|beside| beside.is_file())
        .map(|beside| beside.to_string_lossy().into_owned())
}

/// The values of an array in Fortran order as rows in C order.
fn turn(values: &[f32], shape: &[usize]) -> Matrix {
    let (rows, inner) = (shape[0], &shape[1..]);
    let columns = inner.iter().product();
    // For each value of a row in C order: how far it is from the row's first value in the file.
    let mut offsets = vec![0usize];
    let mut stride = rows;
    let mut strides = Vec::new();
    for &side in inner {
        strides.push(stride);
        stride *= side;
    }
    for (&side, &stride) in inner.iter().zip(&strides) {
        offsets = offsets
            .iter()
            .flat_map(|&offset| (0..side).map(move |index| offset + index * stride))
            .collect();
    }
    let turned = (0..rows)
        .flat_map(|row| offsets.iter().map(move |offset| values[row + offset]))
        .collect();
    Matrix {
        rows,
        columns,
        values: turned,
    }
}

/// Reads the header, and says how many bytes it took.
pub(super) fn read_header(file: &str, reader: &mut impl Read) -> Result<(Header, u64), DataError> {
    // numpy itself writes headers of some hundred bytes, and refuses to read more than 10,000.
    const LONGEST: usize = 1 << 16;
    let mut read = |bytes: &mut [u8]| {
        reader
            .read_exact(bytes)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => DataError::Truncated {
                    file: file.to_owned(),
                    detail: "it ends within its header".to_owned(),
                },
                _ => DataError::from_io(file, error),
            })
    };
    let mut start = [0u8; 8];
    read(&mut start)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(DataError::malformed(
            file,
            "this is no NPY file: it does not begin with \\x93NUMPY",
        ));
    }
    let (length, before) = if start[6] == 1 {
        let mut bytes = [0u8; 2];
        read(&mut bytes)?;
        (usize::from(u16::from_le_bytes(bytes)), 10)
    } else {
        let mut bytes = [0u8; 4];
        read(&mut bytes)?;
        (u32::from_le_bytes(bytes) as usize, 12)
    };
    if length > LONGEST {
        return Err(DataError::malformed(
            file,
            format!("its header of {length} bytes is no NPY header"),
        ));
    }
    let mut text = vec![0u8; length];
    read(&mut text)?;
    let header = parse_header(file, &String::from_utf8_lossy(&text))?;
    Ok((header, (before + length) as u64))
}

fn parse_header(file: &str, text: &str) -> Result<Header, DataError> {
    let broken =
        |what: &str| DataError::malformed(file, format!("its NPY header has no valid {what}"));
    let entry = |key: &str| {
        let quoted = [format!("'{key}'"), format!("\"{key}\"")];
        let found = quoted
            .iter()
            .find_map(|key| text.split_once(key.as_str()))?;
        found.1.trim_start().strip_prefix(':').map(str::trim_start)
    };

    let descr = entry("descr").ok_or_else(|| broken("descr"))?;
    if descr.starts_with('[') {
        return Err(DataError::Dtype {
            file: file.to_owned(),
            dtype: "structure".to_owned(),
            advice: "save the columns as one plain array",
        });
    }
    let quote = descr
        .chars()
        .next()
        .filter(|quote| matches!(quote, '\'' | '"'));
    let name = quote
        .and_then(|quote| descr[1..].split_once(quote))
        .ok_or_else(|| broken("descr"))?
        .0;
    let encoding = parse_dtype(file, name)?;

    let order = entry("fortran_order").ok_or_else(|| broken("fortran_order"))?;
    let fortran = match (order.starts_with("True"), order.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err(broken("fortran_order")),
    };

    let shape = entry("shape")
        .and_then(|rest| rest.strip_prefix('('))
        .and_then(|rest| rest.split_once(')'))
        .ok_or_else(|| broken("shape"))?
        .0;
    let shape: Option<Vec<usize>> = shape
        .split(',')
        .map(|side| side.trim().trim_end_matches('L'))
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().ok())
        .collect();
    let shape = shape
        .filter(|shape| shape.len() <= 32)
        .ok_or_else(|| broken("shape"))?;
    Ok(Header {
        encoding,
        fortran,
        shape,
    })
}

/// `<f4` and the like.
fn parse_dtype(file: &str, name: &str) -> Result<Encoding, DataError> {
    let (order, kind) = match name.as_bytes() {
        [order @ (b'<' | b'>' | b'|' | b'='), ..] => (*order, &name[1..]),
        _ => (b'=', name),
    };
    let number = match kind {
        "b1" => Number::Bool,
        "u1" => Number::U8,
        "u2" => Number::U16,
        "u4" => Number::U32,
        "u8" => Number::U64,
        "i1" => Number::I8,
        "i2" => Number::I16,
        "i4" => Number::I32,
        "i8" => Number::I64,
        "f2" => Number::F16,
        "f4" => Number::F32,
        "f8" => Number::F64,
        _ => {
            return Err(DataError::Dtype {
                file: file.to_owned(),
                dtype: format!("'{name}'"),
                advice: match kind.bytes().next() {
                    Some(b'U' | b'S' | b'a') => "number the texts from 0, or save a CSV file",
                    Some(b'O') => "convert the array with astype('float32') before saving",
                    Some(b'c') => "save real and imaginary parts as columns of their own",
                    _ => "convert the array with astype('float32')",
                },
            });
        }
    };
    let big_endian = match order {
        b'>' => true,
        b'<' => false,
        _ => cfg!(target_endian = "big"),
    };
    Ok(Encoding { number, big_endian })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_numpy_writes_them() {
        let header = |text: &str| parse_header("x.npy", text);
        let known =
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }      \n").unwrap();
        assert_eq!(known.shape, [3, 4]);
        assert!(!known.fortran);
        assert_eq!(
            known.encoding,
            Encoding {
                number: Number::F64,
                big_endian: false
            }
        );
        let known = header("{'descr': '>i2', 'fortran_order': True, 'shape': (7,), }").unwrap();
        assert_eq!(known.shape, [7]);
        assert!(known.fortran && known.encoding.big_endian);
        assert_eq!(
            header("{'descr': '|u1', 'fortran_order': False, 'shape': (), }")
                .unwrap()
                .shape,
            [0_usize; 0]
        );
        for broken in [
            "",
            "{}",
            "{'descr': <f8}",
            "{'descr': '",
            "{'descr': é",
            "{'descr': '<f8', 'fortran_order': 1}",
        ] {
            assert!(header(broken).is_err(), "{broken}");
        }
        let shape = "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2)}";
        assert!(header(shape).is_err());
    }

    #[test]
    fn fortran_order_is_turned() {
        // numpy.arange(12).reshape(2, 3, 2) as its bytes lie in Fortran order.
        let values = [0., 6., 2., 8., 4., 10., 1., 7., 3., 9., 5., 11.];
        let matrix = turn(&values, &[2, 3, 2]);
        assert_eq!(matrix.row(0), [0., 1., 2., 3., 4., 5.]);
        assert_eq!(matrix.row(1), [6., 7., 8., 9., 10., 11.]);
    }
}
