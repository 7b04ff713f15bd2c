//! IDX, the format of MNIST and its kin: a magic number, the sides, and the numbers in big-endian order.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::dense::{Encoding, Number, Rows};
use super::error::DataError;
use super::npy::check_lengths;
use super::source::{Origin, Source};
use super::table::{Column, Table};

/// The image files of a folder: those to train on and, if there are any, those to test on.
pub(super) struct Folder {
    pub(super) train: String,
    pub(super) test: Option<String>,
}

/// Finds image files by the names that MNIST gave them.
pub(super) fn folder(path: &str) -> Result<Folder, DataError> {
    let failed = |error| DataError::from_io(path, error);
    let mut images = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry
            .map_err(failed)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        if stem.ends_with("images-idx3-ubyte") || stem.ends_with("images.idx3-ubyte") {
            images.push(Path::new(path).join(&name).to_string_lossy().into_owned());
        }
    }
    // The plain file comes before its compressed form.
    images.sort();
    let starting = |prefix: &str| {
        let found = images.iter().find(|image| {
            Path::new(image)
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        });
        found.cloned()
    };
    match (
        starting("train"),
        starting("t10k").or_else(|| starting("test")),
        images.first(),
    ) {
        (Some(train), test, _) => Ok(Folder { train, test }),
        (None, Some(only), _) => Ok(Folder {
            train: only,
            test: None,
        }),
        (None, None, Some(first)) => Ok(Folder {
            train: first.clone(),
            test: None,
        }),
        (None, None, None) => Err(DataError::NoDataset {
            folder: path.to_owned(),
        }),
    }
}

/// Reads the images at `path` and the labels beside them.
pub(super) fn load(path: &str, source: Source) -> Result<Table, DataError> {
    let mut images = open(source)?;
    let beside = labels_needed(path)?;
    let labels = labels(&beside)?;
    check_lengths(path, images.count, &beside, std::slice::from_ref(&labels))?;
    let features = images.features(images.count)?;
    Ok(Table::new(features, Some(labels), path))
}

/// The labels in a file of one dimension.
pub(super) fn labels(path: &str) -> Result<Column, DataError> {
    let mut rows = open(Origin::File(path.to_owned()).open()?)?;
    check_labels(&rows)?;
    Ok(Column::numbers("label", rows.read(rows.count)?.values))
}

/// Whether rows are a label each.
pub(super) fn check_labels<R: Read>(rows: &Rows<R>) -> Result<(), DataError> {
    if rows.width() == 1 {
        return Ok(());
    }
    Err(DataError::malformed(
        &rows.file,
        format!("there are {} labels a row; one is expected", rows.width()),
    ))
}

/// The file with the labels of the images at `path`, to train on.
pub(super) fn labels_needed(path: &str) -> Result<String, DataError> {
    labels_beside(path).ok_or_else(|| DataError::NoTarget {
        file: path.to_owned(),
        detail:
            "put the labels beside it, under the same name with 'labels-idx1' for 'images-idx3'"
                .to_owned(),
    })
}

/// The file with the labels of the images at `path`, with or without compression.
pub(super) fn labels_beside(path: &str) -> Option<String> {
    let path = Path::new(path);
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    let (before, after) = stem.rsplit_once("images")?;
    let labels = format!("{before}labels{}", after.replace("idx3", "idx1"));
    [labels.clone(), labels + ".gz"]
        .into_iter()
        .map(|name| path.with_file_name(name))
        .find(|beside| beside.is_file())
        .map(|beside| beside.to_string_lossy().into_owned())
}

/// Opens an IDX file of any number of dimensions.
pub(super) fn open(source: Source) -> Result<Rows, DataError> {
    open_reader(&source.name, source.reader, source.length)
}

/// Opens a plain file so that rows can be read from wherever they are.
pub(super) fn stored(path: &str) -> Result<Rows<File>, DataError> {
    let failed = |error| DataError::from_io(path, error);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    open_reader(path, file, Some(length))
}

fn open_reader<R: Read>(
    file: &str,
    mut reader: R,
    length: Option<u64>,
) -> Result<Rows<R>, DataError> {
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
    let mut magic = [0u8; 4];
    read(&mut magic)?;
    let number = match magic {
        [0, 0, 0x08, _] => Number::U8,
        [0, 0, 0x09, _] => Number::I8,
        [0, 0, 0x0b, _] => Number::I16,
        [0, 0, 0x0c, _] => Number::I32,
        [0, 0, 0x0d, _] => Number::F32,
        [0, 0, 0x0e, _] => Number::F64,
        _ => {
            let magic = u32::from_be_bytes(magic);
            return Err(DataError::malformed(
                file,
                format!(
                    "this is no IDX file: it begins with {magic:#010x} where images have 0x00000803"
                ),
            ));
        }
    };
    let mut shape = Vec::new();
    for _ in 0..magic[3] {
        let mut side = [0u8; 4];
        read(&mut side)?;
        shape.push(u32::from_be_bytes(side) as usize);
    }
    let header = 4 + 4 * shape.len() as u64;
    let left = length.map(|length| length.saturating_sub(header));
    let encoding = Encoding {
        number,
        big_endian: true,
    };
    let mut rows = Rows::new(file, reader, encoding, &shape, left)?;
    rows.header = header;
    Ok(rows)
}
