//! NPZ: a zip of NPY arrays, with features and targets under one of their usual names.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::error::{DataError, list};
use super::npy::{self, Array};
use super::source::Source;
use super::table::Table;

const FEATURES: &[&str] = &[
    "x_train",
    "train_x",
    "train_images",
    "x",
    "data",
    "features",
    "images",
    "inputs",
    "arr_0",
];
const TARGETS: &[&str] = &[
    "y_train",
    "train_y",
    "train_labels",
    "y",
    "target",
    "targets",
    "labels",
    "label",
    "arr_1",
];
const TEST_FEATURES: &[&str] = &["x_test", "test_x", "test_images"];
const TEST_TARGETS: &[&str] = &["y_test", "test_y", "test_labels"];

/// Bytes in which one can go back and forth.
trait Seekable: Read + Seek {}
impl<R: Read + Seek> Seekable for R {}

/// An opened archive.
pub(super) struct Archive {
    file: String,
    zip: ZipArchive<Box<dyn Seekable>>,
    /// The arrays in it, without their ending.
    names: Vec<String>,
}

impl Archive {
    pub(super) fn open(source: Source) -> Result<Self, DataError> {
        let Source {
            name: file,
            mut reader,
            path,
            ..
        } = source;
        // The directory of a zip stands at its end: anything but a plain file is held in memory.
        let bytes: Box<dyn Seekable> = if let Some(path) = path {
            let plain = File::open(path).map_err(|error| DataError::from_io(&file, error))?;
            Box::new(BufReader::with_capacity(1 << 16, plain))
        } else {
            let mut bytes = Vec::new();
            reader
                .read_to_end(&mut bytes)
                .map_err(|error| DataError::from_io(&file, error))?;
            Box::new(Cursor::new(bytes))
        };
        let zip = ZipArchive::new(bytes).map_err(|error| zip_error(&file, error))?;
        let names = zip
            .file_names()
            .filter_map(|name| name.ok()?.strip_suffix(".npy").map(str::to_owned))
            .collect();
        Ok(Archive { file, zip, names })
    }

    /// The rows to train on; their target may be absent.
    pub(super) fn train(&mut self) -> Result<Table, DataError> {
        let Some(features) = self.find(FEATURES) else {
            return Err(DataError::malformed(
                &self.file,
                format!(
                    "there is no array X (or x_train, data) in it, only {}",
                    list(&self.names)
                ),
            ));
        };
        let target = self.find(TARGETS);
        table(&self.file, &mut self.zip, &features, target.as_deref())
    }

    /// The rows to test on, if there are any.
    pub(super) fn test(&mut self) -> Result<Option<Table>, DataError> {
        let Some(features) = self.find(TEST_FEATURES) else {
            return Ok(None);
        };
        let target = self.find(TEST_TARGETS);
        table(&self.file, &mut self.zip, &features, target.as_deref()).map(Some)
    }

    fn find(&self, wanted: &[&str]) -> Option<String> {
        let named = |wanted: &&str| {
            self.names
                .iter()
                .find(|name| name.eq_ignore_ascii_case(wanted))
        };
        wanted.iter().find_map(named).cloned()
    }
}

fn table<R: Read + Seek>(
    file: &str,
    archive: &mut ZipArchive<R>,
    features: &str,
    target: Option<&str>,
) -> Result<Table, DataError> {
    let title = |name: &str| format!("{file} ({name})");
    let values = array(archive, file, features)?.into_features()?;
    let mut table = Table::new(values, None, title(features));
    if let Some(target) = target {
        let columns = npy::targets(array(archive, file, target)?)?;
        npy::check_lengths(&title(features), table.len(), &title(target), &columns)?;
        table.targets = columns;
    }
    Ok(table)
}

/// Opens an array of the archive.
fn array<'a, R: Read + Seek>(
    archive: &'a mut ZipArchive<R>,
    file: &str,
    name: &str,
) -> Result<Array<ZipFile<'a, R>>, DataError> {
    let entry = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|error| zip_error(file, error))?;
    // The entry's own statement of its size is not to be trusted more than the array's header.
    npy::open_reader(&format!("{file} ({name})"), entry, None)
}

fn zip_error(file: &str, error: ZipError) -> DataError {
    match error {
        ZipError::Io(error) => DataError::from_io(file, error),
        other => DataError::malformed(file, format!("this is no sound NPZ file: {other}")),
    }
}
