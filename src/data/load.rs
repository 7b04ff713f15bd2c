//! Whole data sets, to train on.

use std::path::Path;

use super::error::{DataError, Notice};
use super::source::{Format, INPUT, Origin};
use super::table::Table;
use super::{builtin, csv, idx, npy, npz};

/// A data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What it was loaded from: a path, `-`, or the name of a built-in data set.
    pub name: String,
    /// The rows to train on.
    pub train: Table,
    /// The rows to test on, where the data set brings some of its own.
    pub test: Option<Table>,
    /// What was odd about it.
    pub notices: Vec<Notice>,
}

/// How a data set is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The target column of a table: its name, its number from 1, or from the end by a negative number; or several with commas
    /// between them. The last column otherwise.
    pub target: Option<String>,
}

/// Reads a whole data set for training.
///
/// `source` is a CSV or TSV file, an NPZ archive with arrays `X` and `y`, an NPY file with its targets beside it, an IDX
/// file of images with its labels beside it, a folder with such files for training and testing, `-` for a table from
/// standard input, or one of [`BUILTIN`](super::BUILTIN). Gzip is seen by its first bytes.
pub fn load(source: &str, options: &ReadOptions) -> Result<Loaded, DataError> {
    let loaded = |train, test, notices| {
        Ok(Loaded {
            name: source.to_owned(),
            train,
            test,
            notices,
        })
    };
    let target = options.target.as_deref();
    let fixed = || match target {
        None => Ok(()),
        Some(_) => Err(DataError::TargetFixed {
            file: source.to_owned(),
        }),
    };
    if let Some(table) = builtin::load(source) {
        fixed()?;
        return loaded(table?, None, Vec::new());
    }
    if source != INPUT && Path::new(source).is_dir() {
        fixed()?;
        let folder = idx::folder(source)?;
        let read = |path: &str| idx::load(path, Origin::File(path.to_owned()).open()?);
        let test = folder.test.as_deref().map(read).transpose()?;
        return loaded(read(&folder.train)?, test, Vec::new());
    }
    let origin = Origin::of(source).kept()?;
    let opened = origin.open()?;
    let format = opened.format();
    if format != Format::Csv {
        fixed()?;
    }
    match format {
        Format::Csv => {
            let (table, notices) = csv::load(&origin, target)?;
            loaded(table, None, notices)
        }
        Format::Npy => loaded(npy::load(source, opened)?, None, Vec::new()),
        Format::Idx => loaded(idx::load(source, opened)?, None, Vec::new()),
        Format::Npz => {
            let mut archive = npz::Archive::open(opened)?;
            let train = archive.train()?;
            if train.targets.is_empty() {
                return Err(DataError::NoTarget {
                    file: source.to_owned(),
                    detail: "the archive has no array y (or y_train, labels, target)".to_owned(),
                });
            }
            loaded(train, archive.test()?, Vec::new())
        }
    }
}
