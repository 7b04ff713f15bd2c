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

/// An archive's arrays: those to train on and, if it has them, those to test on.
pub(super) struct Arrays {
    pub(super) train: Table,
    pub(super) test: Option<Table>,
}

/// Reads the arrays in `source`; a target may be absent.
pub(super) fn load(source: Source) -> Result<Arrays, DataError> {
    let Source {
        name,
        mut reader,
        path,
        ..
    } = source;
    // The directory of a zip stands at its end: anything but a plain file is held in memory.
    if let Some(path) = path {
        let file = File::open(path).map_err(|error| DataError::from_io(&name, error))?;
        return read(&name, BufReader::with_capacity(1 << 16, file));
    }
    let mut bytes = Vec::new();
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| DataError::from_io(&name, error))?;
    read(&name, Cursor::new(bytes))
}

fn read(file: &str, reader: impl Read + Seek + Send) -> Result<Arrays, DataError> {
    let mut archive = ZipArchive::new(reader).map_err(|error| zip_error(file, error))?;
    let names: Vec<String> = archive
        .file_names()
        .filter_map(|name| name.ok()?.strip_suffix(".npy").map(str::to_owned))
        .collect();
    let find = |wanted: &[&str]| {
        wanted
            .iter()
            .find_map(|wanted| names.iter().find(|name| name.eq_ignore_ascii_case(wanted)))
    };
    let Some(features) = find(FEATURES) else {
        return Err(DataError::malformed(
            file,
            format!(
                "there is no array X (or x_train, data) in it, only {}",
                list(&names)
            ),
        ));
    };
    let train = table(
        file,
        &mut archive,
        features,
        find(TARGETS).map(String::as_str),
    )?;
    let test = match find(TEST_FEATURES) {
        Some(features) => Some(table(
            file,
            &mut archive,
            features,
            find(TEST_TARGETS).map(String::as_str),
        )?),
        None => None,
    };
    Ok(Arrays { train, test })
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
        let column = npy::target(array(archive, file, target)?)?;
        npy::check_lengths(
            &title(features),
            table.len(),
            &title(target),
            column.values.len(),
        )?;
        table.target = Some(column);
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
