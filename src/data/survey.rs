//! A first look at all rows of a table that stays in its file: what its columns hold, where its rows are, and which are drawn.

use csv::StringRecord;

use super::csv::{Builder, assemble, find_targets, number};
use super::dialect::is_missing;
use super::draw::{Draw, Kinds};
use super::error::{DataError, Notice, Place};
use super::records::{Expected, Mark, Records};
use super::source::Origin;
use super::table::Table;

/// What was found.
pub(super) struct Survey {
    /// The rows drawn, in the file's order.
    pub(super) table: Table,
    /// Where they stand in the file, from 0.
    pub(super) rows: Vec<usize>,
    /// Places in the table, in the order in which they were drawn.
    pub(super) order: Vec<u32>,
    /// All rows.
    pub(super) count: usize,
    /// Where every so many rows begin.
    pub(super) marks: Vec<Mark>,
    pub(super) notices: Vec<Notice>,
}

/// Rows from one mark to the next.
pub(super) const EVERY: usize = 1024;

/// What a column has held so far, as [`Builder`] sees it.
enum Seen {
    Nothing,
    Numbers { infinite: Option<(u32, String)> },
    Text,
    TextAmongNumbers { line: u32, cell: String },
}

impl Seen {
    fn push(&mut self, cell: &str, line: u32) {
        let seen = match self {
            Seen::Text | Seen::TextAmongNumbers { .. } => return,
            Seen::Nothing if is_missing(cell) => return,
            Seen::Nothing | Seen::Numbers { .. } => number(cell),
        };
        match (seen, &mut *self) {
            (None, Seen::Nothing) => *self = Seen::Text,
            (None, _) => {
                *self = Seen::TextAmongNumbers {
                    line,
                    cell: cell.to_owned(),
                }
            }
            (Some(number), Seen::Numbers { infinite }) => {
                if number.is_infinite() && infinite.is_none() {
                    *infinite = Some((line, cell.to_owned()));
                }
            }
            (Some(number), _) => {
                *self = Seen::Numbers {
                    infinite: number.is_infinite().then(|| (line, cell.to_owned())),
                }
            }
        }
    }
}

/// Looks at the table in `path`, a plain file, and draws `most` rows of a width at most.
pub(super) fn survey(
    path: &str,
    target: Option<&str>,
    seed: u64,
    most: fn(usize) -> usize,
) -> Result<Survey, DataError> {
    let mut records = Records::open(Origin::of(path).open()?, &Expected::Anything)?;
    let targets = find_targets(&records, target)?;
    let columns = records.names.len();
    let mut seen: Vec<Seen> = (0..columns).map(|_| Seen::Nothing).collect();
    let mut draw: Draw<(u32, StringRecord)> = Draw::new(seed, most(columns - targets.len()));
    let mut kinds = Kinds::new(targets.len());
    let (mut count, mut marks) = (0, Vec::new());
    loop {
        if count % EVERY == 0 {
            marks.push(records.mark());
        }
        let Some(line) = records.next()? else {
            break;
        };
        let cells = records.cells();
        for (seen, cell) in seen.iter_mut().zip(cells) {
            seen.push(cell, line);
        }
        draw.offer(count, || (line, cells.clone()));
        for (column, &position) in targets.iter().enumerate() {
            let cell = cells.get(position).unwrap_or_default();
            if is_missing(cell) {
                return Err(DataError::MissingTarget {
                    file: records.file.clone(),
                    place: Place::Line(line),
                    column: records.names[position].clone(),
                });
            }
            kinds.see(count, column, cell.as_bytes(), || (line, cells.clone()));
        }
        count += 1;
    }
    let mut notices = Vec::new();
    let mut builders = Vec::with_capacity(columns);
    for (seen, name) in seen.into_iter().zip(&records.names) {
        let (file, column) = (records.file.clone(), name.clone());
        builders.push(Builder::new(matches!(
            seen,
            Seen::Text | Seen::TextAmongNumbers { .. }
        )));
        match seen {
            Seen::Numbers {
                infinite: Some((line, value)),
            } => {
                return Err(DataError::NotFinite {
                    file,
                    place: Place::Line(line),
                    column,
                    value,
                });
            }
            Seen::TextAmongNumbers { line, cell } => notices.push(Notice::TextAmongNumbers {
                file,
                column,
                line,
                value: cell,
            }),
            Seen::Nothing | Seen::Numbers { .. } | Seen::Text => {}
        }
    }
    let chosen = draw.finish(kinds);
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (row, (line, cells)) in chosen.rows {
        rows.push(row);
        lines.push(line);
        for (builder, cell) in builders.iter_mut().zip(&cells) {
            builder.push(cell, line);
        }
    }
    Ok(Survey {
        table: assemble(records, lines, builders, targets)?,
        rows,
        order: chosen.order,
        count,
        marks,
        notices,
    })
}
