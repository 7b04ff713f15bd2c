//! Data sets that stay in their files, larger than memory: some rows are drawn and held, the others are read where they are.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::builtin;
use super::dense::Rows;
use super::draw::{Draw, Kinds};
use super::error::DataError;
use super::load::{Loaded, ReadOptions, load};
use super::preprocess::Preprocessing;
use super::records::Mark;
use super::source::{Format, INPUT, Origin};
use super::survey::{EVERY, survey};
use super::table::{Column, Features, Matrix, Places, Table};
use super::target::TargetEncoding;
use super::typed::TypedRecords;
use super::{idx, npy};

/// Rows that are read from wherever they stand in a file: of a plain CSV or TSV file, or of NPY or IDX files.
#[derive(Clone, Debug)]
pub struct Stored {
    kind: Arc<Kind>,
    count: usize,
}

#[derive(Debug)]
enum Kind {
    Table { path: String, marks: Vec<Mark> },
    Arrays(Arrays),
}

#[derive(Debug)]
struct Arrays {
    format: Format,
    features: String,
    targets: String,
}

/// A data set of which some rows were drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// All rows, where they are.
    pub stored: Stored,
    /// The rows drawn, in the file's order; rows to test on that the data set brings are all there.
    pub loaded: Loaded,
    /// Where the rows drawn stand in the file, from 0.
    pub rows: Vec<usize>,
    /// Positions among the rows drawn, in the order in which they were drawn.
    pub order: Vec<u32>,
    /// Rows of a purpose at most: a third of those drawn.
    pub most: usize,
}

impl Drawn {
    /// Rows of so many values that are held for a purpose at most.
    pub fn most_of(&self, width: usize) -> usize {
        share(width).min(self.most)
    }
}

/// Rows of each kind that are drawn: for training's sample, for validation and for the test. Fewer of wide ones.
const MOST_DRAWN: usize = 1 << 15;
const LEAST_DRAWN: usize = 1 << 10;
const DRAWN_VALUES: usize = 1 << 22;

/// Rows of so many values that are drawn for each of three purposes at most.
fn share(width: usize) -> usize {
    (DRAWN_VALUES / width.max(1)).clamp(LEAST_DRAWN, MOST_DRAWN)
}

fn drawn_rows(width: usize) -> usize {
    3 * share(width)
}

impl Stored {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Reads rows for a model, some at a time, as [`stream`](super::stream) has them.
    pub fn read<E: From<DataError>>(
        &self,
        rows: Range<usize>,
        model: &Preprocessing,
        target: &TargetEncoding,
        take: &mut dyn FnMut(Table) -> Result<(), E>,
    ) -> Result<(), E> {
        let most = ((1 << 20) / model.inputs().max(1)).clamp(1, 4096);
        match &*self.kind {
            Kind::Table { path, marks } => {
                let opened = Origin::of(path).open()?;
                let mut records = TypedRecords::open(opened, model, Some(target))?;
                let mark = rows.start / EVERY;
                records.seek(marks.get(mark).copied().unwrap_or_default())?;
                records.skip(rows.start - mark * EVERY)?;
                let mut left = rows.len();
                while left > 0 {
                    let Some(table) = records.next(most.min(left))? else {
                        let file = path.clone();
                        return Err(DataError::Shrunk { file, now: left }.into());
                    };
                    left -= table.len();
                    take(table)?;
                }
            }
            Kind::Arrays(arrays) => {
                let (mut features, mut targets) = arrays.open()?;
                features.seek(rows.start)?;
                targets.seek(rows.start)?;
                let mut first = rows.start;
                while first < rows.end {
                    let most = most.min(rows.end - first);
                    let found = features.features(most)?;
                    if found.len() < most {
                        let (file, now) = (arrays.features.clone(), most);
                        return Err(DataError::Shrunk { file, now }.into());
                    }
                    let columns = arrays.columns(targets.features(most)?)?;
                    take(Table {
                        places: Places::From(first),
                        ..Table::new(found, columns, arrays.features.clone())
                    })?;
                    first += most;
                }
            }
        }
        Ok(())
    }
}

impl Arrays {
    /// Opens both files, whose headers say the same number of rows.
    fn open(&self) -> Result<(Rows<File>, Rows<File>), DataError> {
        let open = if self.format == Format::Npy {
            npy::stored
        } else {
            idx::stored
        };
        let (features, targets) = (open(&self.features)?, open(&self.targets)?);
        npy::check_counts(&self.features, features.count, &self.targets, targets.count)?;
        if self.format == Format::Idx {
            idx::check_labels(&targets)?;
        }
        Ok((features, targets))
    }

    fn columns(&self, rows: Features) -> Result<Vec<Column>, DataError> {
        let mut columns = npy::target_columns(&self.targets, rows)?;
        if let (Format::Idx, [label]) = (self.format, &mut columns[..]) {
            "label".clone_into(&mut label.name);
        }
        Ok(columns)
    }

    fn draw(self, seed: u64) -> Result<(Stored, Table, Vec<usize>, Vec<u32>), DataError> {
        let (mut features, mut targets) = self.open()?;
        let mut draw = Draw::new(seed, drawn_rows(features.width()));
        let mut kinds = Kinds::new(targets.width());
        let count = features.count;
        while targets.position() < count {
            let first = targets.position();
            let some = targets.read(EVERY)?;
            for row in 0..some.rows {
                draw.offer(first + row, || ());
                for (column, value) in some.row(row).iter().enumerate() {
                    kinds.see(first + row, column, &value.to_bits().to_le_bytes(), || ());
                }
            }
        }
        let chosen = draw.finish(kinds);
        let rows: Vec<usize> = chosen.rows.iter().map(|(row, ())| *row).collect();
        let labels = pick(&mut targets, &rows)?;
        let table = Table {
            places: Places::At(rows.clone()),
            ..Table::new(
                pick(&mut features, &rows)?,
                self.columns(labels)?,
                self.features.clone(),
            )
        };
        let stored = Stored {
            kind: Arc::new(Kind::Arrays(self)),
            count,
        };
        Ok((stored, table, rows, chosen.order))
    }
}

/// Some rows of an array, by their positions.
fn pick(array: &mut Rows<File>, rows: &[usize]) -> Result<Features, DataError> {
    array.seek(0)?;
    let mut picked = array.features(0)?;
    if let Features::Numbers { matrix, .. } = &mut picked {
        *matrix = Matrix {
            rows: rows.len(),
            columns: array.width(),
            values: Vec::with_capacity(rows.len() * array.width()),
        };
        for &row in rows {
            array.seek(row)?;
            matrix.values.extend(array.read(1)?.values);
        }
    }
    Ok(picked)
}

/// Looks at a data set that stays in its files, and draws the rows that are held in memory. What [`load`] takes beside is refused:
/// compressed files, archives and standard input.
pub fn draw(source: &str, options: &ReadOptions, seed: u64) -> Result<Drawn, DataError> {
    let refuse = |what| {
        Err(DataError::NotStreamed {
            file: source.to_owned(),
            what,
        })
    };
    let fixed = || match options.target {
        None => Ok(()),
        Some(_) => Err(DataError::TargetFixed {
            file: source.to_owned(),
        }),
    };
    if builtin::NAMES.contains(&source) {
        return refuse("it is built in: give a file");
    }
    if source == INPUT {
        return refuse("standard input is read once: give a file");
    }
    if Path::new(source).is_dir() {
        fixed()?;
        let folder = idx::folder(source)?;
        let none = ReadOptions::default();
        let test = folder.test.as_deref().map(|test| load(test, &none));
        let mut drawn = draw(&folder.train, &none, seed)?;
        source.clone_into(&mut drawn.loaded.name);
        drawn.loaded.test = test.transpose()?.map(|test| test.train);
        return Ok(drawn);
    }
    let opened = Origin::of(source).open()?;
    let format = opened.format();
    if opened.path.is_none() {
        return refuse("it is compressed or no plain file: unpack it");
    }
    let (stored, table, rows, order, notices) = match format {
        Format::Npz => return refuse("it is an archive: save its arrays as .npy files"),
        Format::Csv => {
            let target = options.target.as_deref();
            let found = survey(source, target, seed, drawn_rows)?;
            let stored = Stored {
                count: found.count,
                kind: Arc::new(Kind::Table {
                    path: source.to_owned(),
                    marks: found.marks,
                }),
            };
            (stored, found.table, found.rows, found.order, found.notices)
        }
        Format::Npy | Format::Idx => {
            fixed()?;
            let arrays = Arrays {
                format,
                features: source.to_owned(),
                targets: targets_of(format, source)?,
            };
            let (stored, table, rows, order) = arrays.draw(seed)?;
            (stored, table, rows, order, Vec::new())
        }
    };
    Ok(Drawn {
        stored,
        most: share(table.features.width()),
        loaded: Loaded {
            name: source.to_owned(),
            train: table,
            test: None,
            notices,
        },
        rows,
        order,
    })
}

/// The plain file beside the features.
fn targets_of(format: Format, features: &str) -> Result<String, DataError> {
    let targets = if format == Format::Npy {
        npy::target_needed(features)?
    } else {
        idx::labels_needed(features)?
    };
    if Origin::of(&targets).open()?.path.is_none() {
        return Err(DataError::NotStreamed {
            file: targets,
            what: "it is compressed or no plain file: unpack it",
        });
    }
    Ok(targets)
}

/// Bytes of memory that training on a data set takes at about, if all of it is held; `None` if that is not told by the file, or
/// its rows could not be streamed.
pub fn memory_needed(source: &str) -> Option<u64> {
    // Rows as they were read, encoded, and on the device; a text's columns become several inputs.
    const COPIES: u64 = 3;
    const OF_TEXT: u64 = 4;
    if source == INPUT || builtin::NAMES.contains(&source) {
        return None;
    }
    if Path::new(source).is_dir() {
        return memory_needed(&idx::folder(source).ok()?.train);
    }
    let opened = Origin::of(source).open().ok()?;
    let (format, length) = (opened.format(), opened.length?);
    opened.path.as_ref()?;
    match format {
        Format::Csv => Some(length.saturating_mul(OF_TEXT)),
        Format::Npy => Some(npy::stored(source).ok()?.bytes().saturating_mul(COPIES)),
        Format::Idx => Some(idx::stored(source).ok()?.bytes().saturating_mul(COPIES)),
        Format::Npz => None,
    }
}
