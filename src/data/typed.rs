//! A table read for a model: its columns found by the model's names or positions, and of the model's kinds.

use super::csv;
use super::dialect::is_missing;
use super::error::{DataError, Place, list};
use super::preprocess::{Kind, Preprocessing};
use super::records::{Expected, Mark, Records};
use super::source::Source;
use super::table::{Column, Features, Places, Table, TextBuilder, Values};
use super::target::{TargetEncoding, Task};

/// The rows of a file as a model wants them.
pub(super) struct TypedRecords {
    records: Records,
    /// The model's columns.
    columns: Vec<Wanted>,
    targets: Vec<Wanted>,
    /// Whether a row has been read.
    any: bool,
    by_name: bool,
}

/// A column that is wanted.
struct Wanted {
    name: String,
    kind: Kind,
    /// Its position in the file.
    position: usize,
}

enum Cells {
    Numbers(Vec<f32>),
    Text(TextBuilder),
    Ignored,
}

impl TypedRecords {
    pub(super) fn open(
        source: Source,
        model: &Preprocessing,
        target: Option<&TargetEncoding>,
    ) -> Result<Self, DataError> {
        let kinds = model.kinds();
        let names: Vec<String> = (0..kinds.len())
            .map(|column| model.name(column).into_owned())
            .collect();
        let by_name = matches!(model, Preprocessing::Table { by_name: true, .. });
        let expected = Expected::Names {
            names: if by_name { &names } else { &[] },
            numeric: kinds.contains(&Kind::Number),
        };
        let records = Records::open(source, &expected)?;
        let by_name = by_name && records.header;
        let (positions, target_positions) = if by_name {
            by_names(&records, &names, &kinds, target)?
        } else {
            by_positions(&records, model, target)?
        };
        let columns = names
            .into_iter()
            .zip(kinds)
            .zip(positions)
            .map(|((name, kind), position)| Wanted {
                name,
                kind,
                position,
            })
            .collect();
        let targets = target.iter().flat_map(|target| {
            let kind = match target.task() {
                Task::Classification => Kind::Text,
                Task::Regression => Kind::Number,
            };
            let places = target.names().into_iter().zip(&target_positions);
            places.map(move |(name, &position)| Wanted {
                name: name.to_owned(),
                kind,
                position,
            })
        });
        let targets = targets.collect();
        Ok(TypedRecords {
            records,
            columns,
            targets,
            any: false,
            by_name,
        })
    }

    /// Moves to before a row of the plain file that this is read from.
    pub(super) fn seek(&mut self, mark: Mark) -> Result<(), DataError> {
        // There were rows when it was marked.
        self.any = true;
        self.records.seek(mark)
    }

    /// Leaves out so many rows.
    pub(super) fn skip(&mut self, rows: usize) -> Result<(), DataError> {
        for _ in 0..rows {
            self.records.next()?;
        }
        Ok(())
    }

    /// The next rows, at most `most`; `None` at the end.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<Table>, DataError> {
        let wanted: Vec<&Wanted> = self.columns.iter().chain(&self.targets).collect();
        let mut cells: Vec<Cells> = wanted
            .iter()
            .map(|wanted| match wanted.kind {
                Kind::Number => Cells::Numbers(Vec::new()),
                Kind::Text => Cells::Text(TextBuilder::default()),
                Kind::Ignored => Cells::Ignored,
            })
            .collect();
        let mut lines = Vec::new();
        while lines.len() < most {
            let Some(line) = self.records.next()? else {
                break;
            };
            lines.push(line);
            for (cells, wanted) in cells.iter_mut().zip(&wanted) {
                let cell = self
                    .records
                    .cells()
                    .get(wanted.position)
                    .unwrap_or_default();
                cells
                    .push(cell)
                    .map_err(|problem| problem.at(&self.records.file, line, wanted, cell))?;
            }
        }
        if lines.is_empty() && self.any {
            return Ok(None);
        }
        if lines.is_empty() {
            return Err(DataError::NoRows {
                file: self.records.file.clone(),
            });
        }
        self.any = true;
        let mut columns: Vec<Column> = cells
            .into_iter()
            .zip(wanted)
            .map(|(cells, wanted)| Column {
                name: wanted.name.clone(),
                values: cells.finish(lines.len()),
            })
            .collect();
        let targets = columns.split_off(self.columns.len());
        Ok(Some(Table {
            features: Features::Columns(columns),
            targets,
            origin: self.records.file.clone(),
            places: Places::Lines(lines),
            header: self.by_name,
            target_positions: Vec::new(),
        }))
    }
}

enum Problem {
    NotNumber,
    NotFinite,
}

impl Problem {
    fn at(&self, file: &str, line: u32, wanted: &Wanted, cell: &str) -> DataError {
        let (file, place) = (file.to_owned(), Place::Line(line));
        let (column, value) = (wanted.name.clone(), cell.to_owned());
        match self {
            Problem::NotNumber => DataError::NotNumber {
                file,
                place,
                column,
                value,
            },
            Problem::NotFinite => DataError::NotFinite {
                file,
                place,
                column,
                value,
            },
        }
    }
}

impl Cells {
    fn push(&mut self, cell: &str) -> Result<(), Problem> {
        match self {
            Cells::Numbers(numbers) => match csv::number(cell) {
                Some(number) if number.is_infinite() => return Err(Problem::NotFinite),
                Some(number) => numbers.push(number),
                None => return Err(Problem::NotNumber),
            },
            Cells::Text(text) => text.push(Some(cell).filter(|cell| !is_missing(cell))),
            Cells::Ignored => {}
        }
        Ok(())
    }

    fn finish(self, rows: usize) -> Values {
        match self {
            Cells::Numbers(numbers) => Values::Numbers(numbers),
            Cells::Text(text) => Values::Text(text.text),
            Cells::Ignored => Values::Numbers(vec![f32::NAN; rows]),
        }
    }
}

/// The positions of the model's columns and of all targets or none, by the header's names.
fn by_names(
    records: &Records,
    names: &[String],
    kinds: &[Kind],
    target: Option<&TargetEncoding>,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let find = |name: &str| records.names.iter().position(|candidate| candidate == name);
    let missing = |name: &str| DataError::MissingColumn {
        file: records.file.clone(),
        column: name.to_owned(),
        available: list(&records.names),
    };
    let mut positions = Vec::with_capacity(names.len());
    for (name, kind) in names.iter().zip(kinds) {
        match find(name) {
            Some(position) => positions.push(position),
            // Nothing is read from it.
            None if *kind == Kind::Ignored => positions.push(usize::MAX),
            None => return Err(missing(name)),
        }
    }
    let targets = target.map(TargetEncoding::names).unwrap_or_default();
    if targets.iter().all(|name| find(name).is_none()) {
        return Ok((positions, Vec::new()));
    }
    let place = |name| find(name).ok_or_else(|| missing(name));
    let targets: Result<_, _> = targets.into_iter().map(place).collect();
    Ok((positions, targets?))
}

/// The positions of the model's columns and of the targets, where a file may have the targets at their places or not at all.
fn by_positions(
    records: &Records,
    model: &Preprocessing,
    target: Option<&TargetEncoding>,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let (expected, found) = (model.features(), records.names.len());
    if found == expected {
        return Ok(((0..expected).collect(), Vec::new()));
    }
    let targets = match model {
        Preprocessing::Table {
            target_positions, ..
        } if !target_positions.is_empty() => target_positions.clone(),
        _ => {
            let count = target.map_or(1, |target| target.names().len());
            (expected..expected + count).collect()
        }
    };
    if found != expected + targets.len() || targets.iter().any(|&position| position >= found) {
        return Err(DataError::Width {
            file: records.file.clone(),
            found,
            expected,
        });
    }
    let rest = (0..found).filter(|position| !targets.contains(position));
    Ok((rest.collect(), targets))
}
