//! Data sets of any size for a model, a chunk of rows at a time.

use super::dense::Rows;
use super::error::DataError;
use super::npy::{self, Array};
use super::preprocess::Preprocessing;
use super::source::{Format, INPUT, Origin, Source};
use super::table::{Column, Places, Table};
use super::target::TargetEncoding;
use super::typed::TypedRecords;
use super::{builtin, idx, npz};

/// The rows of a data set in chunks.
///
/// After an error there are no more chunks.
pub struct Chunks {
    next: Box<dyn FnMut() -> Result<Option<Table>, DataError> + Send>,
    over: bool,
}

impl Iterator for Chunks {
    type Item = Result<Table, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let chunk = (self.next)().transpose();
        self.over = !matches!(chunk, Some(Ok(_)));
        chunk
    }
}

/// Reads a data set chunk by chunk for a model with this preprocessing, `rows_per_chunk` rows each but the last.
///
/// `source` is what [`load`](super::load) takes. A data set that brings rows to test on is read for these. Targets are
/// read if the model's `target` is given and the data set holds them; a table's target columns may be there or not.
/// Nothing larger than a chunk is held in memory, except for NPZ archives and arrays in Fortran order.
pub fn stream(
    source: &str,
    preprocessing: &Preprocessing,
    target: Option<&TargetEncoding>,
    rows_per_chunk: usize,
) -> Result<Chunks, DataError> {
    let rows = rows_per_chunk.max(1);
    if let Some(table) = builtin::load(source) {
        return Ok(slices(table?, rows));
    }
    if source != INPUT && std::path::Path::new(source).is_dir() {
        let folder = idx::folder(source)?;
        return stream(
            &folder.test.unwrap_or(folder.train),
            preprocessing,
            target,
            rows,
        );
    }
    let opened = Origin::of(source).open()?;
    match opened.format() {
        Format::Csv => {
            let mut records = TypedRecords::open(opened, preprocessing, target)?;
            Ok(chunks(move || records.next(rows)))
        }
        Format::Npz => {
            let mut archive = npz::Archive::open(opened)?;
            let table = match archive.test()? {
                Some(test) => test,
                None => archive.train()?,
            };
            check_width(&table.origin, table.features.width(), preprocessing)?;
            Ok(slices(table, rows))
        }
        Format::Npy => arrays(source, opened, preprocessing, target.is_some(), rows),
        Format::Idx => {
            let images = idx::open(opened)?;
            check_width(&images.file, images.width(), preprocessing)?;
            let beside = if target.is_some() {
                idx::labels_beside(source)
            } else {
                None
            };
            let labels = beside
                .map(|beside| idx::labels(&beside).map(|labels| (beside, vec![labels])))
                .transpose()?;
            rows_with_labels(images, labels, rows)
        }
    }
}

fn arrays(
    source: &str,
    opened: Source,
    preprocessing: &Preprocessing,
    targets: bool,
    rows: usize,
) -> Result<Chunks, DataError> {
    let array = npy::open(opened)?;
    let beside = if targets {
        npy::target_beside(source)
    } else {
        None
    };
    let labels = match beside {
        None => None,
        Some(beside) => {
            let columns = npy::targets(npy::open(Origin::File(beside.clone()).open()?)?)?;
            Some((beside, columns))
        }
    };
    match array {
        Array::Rows(array) => {
            check_width(&array.file, array.width(), preprocessing)?;
            rows_with_labels(array, labels, rows)
        }
        Array::Turned { file, features } => {
            check_width(&file, features.width(), preprocessing)?;
            check_labels(&file, features.len(), labels.as_ref())?;
            let table = Table::new(
                features,
                labels.into_iter().flat_map(|(_, labels)| labels),
                file,
            );
            Ok(slices(table, rows))
        }
    }
}

fn rows_with_labels(
    mut array: Rows,
    labels: Option<(String, Vec<Column>)>,
    rows: usize,
) -> Result<Chunks, DataError> {
    check_labels(&array.file, array.count, labels.as_ref())?;
    let labels = labels.map(|(_, labels)| labels).unwrap_or_default();
    Ok(chunks(move || {
        let first = array.position();
        let features = array.features(rows)?;
        let count = features.len();
        if count == 0 {
            return Ok(None);
        }
        let targets = labels.iter();
        let targets = targets.map(|labels| labels.slice(first..first + count));
        Ok(Some(Table {
            places: Places::From(first),
            ..Table::new(features, targets, array.file.clone())
        }))
    }))
}

fn check_labels(
    file: &str,
    rows: usize,
    labels: Option<&(String, Vec<Column>)>,
) -> Result<(), DataError> {
    match labels {
        None => Ok(()),
        Some((beside, labels)) => npy::check_lengths(file, rows, beside, labels),
    }
}

fn check_width(file: &str, found: usize, preprocessing: &Preprocessing) -> Result<(), DataError> {
    let expected = preprocessing.features();
    if found == expected {
        return Ok(());
    }
    Err(DataError::Width {
        file: file.to_owned(),
        found,
        expected,
    })
}

fn slices(table: Table, rows: usize) -> Chunks {
    let mut first = 0;
    chunks(move || {
        let end = table.len().min(first + rows);
        let chunk = (first < end).then(|| table.slice(first..end));
        first = end;
        Ok(chunk)
    })
}

fn chunks(next: impl FnMut() -> Result<Option<Table>, DataError> + Send + 'static) -> Chunks {
    Chunks {
        next: Box::new(next),
        over: false,
    }
}
