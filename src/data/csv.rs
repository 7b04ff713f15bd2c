//! Tables of text, CSV and TSV, read whole.

use std::collections::HashSet;

use super::dialect::is_missing;
use super::error::{DataError, Notice, Place, list};
use super::records::{Expected, Records};
use super::source::Origin;
use super::table::{Column, Features, Places, Table, Text, TextBuilder, Values};

/// A column while its rows come in.
pub(super) enum Builder {
    /// Numbers so far; the first one that is not finite, with its line.
    Numbers {
        numbers: Vec<f32>,
        infinite: Option<(u32, String)>,
    },
    Text(TextBuilder),
    /// Text after numbers whose own text is gone: the line and the cell that were the first text.
    Spoilt {
        line: u32,
        cell: String,
    },
}

impl Builder {
    /// Of text from the beginning, or of numbers as long as they are some.
    pub(super) fn new(text: bool) -> Self {
        if text {
            Builder::Text(TextBuilder::default())
        } else {
            Builder::Numbers {
                numbers: Vec::new(),
                infinite: None,
            }
        }
    }

    pub(super) fn push(&mut self, cell: &str, line: u32) {
        match self {
            Builder::Numbers { numbers, infinite } => match number(cell) {
                Some(number) => {
                    if number.is_infinite() && infinite.is_none() {
                        *infinite = Some((line, cell.to_owned()));
                    }
                    numbers.push(number);
                }
                None if numbers.iter().all(|number| number.is_nan()) => {
                    let mut text = TextBuilder::default();
                    for _ in numbers.iter() {
                        text.push(None);
                    }
                    text.push(Some(cell));
                    *self = Builder::Text(text);
                }
                None => {
                    *self = Builder::Spoilt {
                        line,
                        cell: cell.to_owned(),
                    }
                }
            },
            Builder::Text(text) => text.push(Some(cell).filter(|cell| !is_missing(cell))),
            Builder::Spoilt { .. } => {}
        }
    }
}

/// The number in a cell, NaN for a missing one; `None` for text.
pub(super) fn number(cell: &str) -> Option<f32> {
    match cell.parse() {
        Ok(number) => Some(number),
        Err(_) => is_missing(cell).then_some(f32::NAN),
    }
}

/// A table as it was read, before it has a target.
struct Raw {
    records: Records,
    lines: Vec<u32>,
    builders: Vec<Builder>,
}

/// Reads a whole table to train on; its targets are the columns that `target` names, or the last one.
pub(super) fn load(
    origin: &Origin,
    target: Option<&str>,
) -> Result<(Table, Vec<Notice>), DataError> {
    let origin = origin.clone().kept()?;
    let mut raw = read(&origin, &HashSet::new())?;
    let mut notices = Vec::new();
    let mut texts = HashSet::new();
    for (index, builder) in raw.builders.iter().enumerate() {
        if let Builder::Spoilt { line, cell } = builder {
            texts.insert(index);
            notices.push(Notice::TextAmongNumbers {
                file: raw.records.file.clone(),
                column: raw.records.names[index].clone(),
                line: *line,
                value: cell.clone(),
            });
        }
    }
    // The numbers' own text ("007") is gone by now, and most tables have no such column: read this one again.
    if !texts.is_empty() {
        drop(raw);
        raw = read(&origin, &texts)?;
    }
    let Raw {
        records,
        lines,
        builders,
    } = raw;
    if lines.is_empty() {
        return Err(DataError::NoRows { file: records.file });
    }
    let positions = find_targets(&records, target)?;
    let table = assemble(records, lines, builders, positions)?;
    Ok((table, notices))
}

/// The table of columns that are complete.
pub(super) fn assemble(
    records: Records,
    lines: Vec<u32>,
    builders: Vec<Builder>,
    positions: Vec<usize>,
) -> Result<Table, DataError> {
    let mut features = Vec::with_capacity(builders.len());
    let mut targets: Vec<Option<Column>> = vec![None; positions.len()];
    for (index, (builder, name)) in builders.into_iter().zip(records.names).enumerate() {
        let column = finish(&records.file, name, builder)?;
        match positions.iter().position(|&position| position == index) {
            Some(place) => targets[place] = Some(column),
            None => features.push(column),
        }
    }
    Ok(Table {
        features: Features::Columns(features),
        targets: targets.into_iter().flatten().collect(),
        origin: records.file,
        places: Places::Lines(lines),
        header: records.header,
        target_positions: positions,
    })
}

/// Reads all rows; the columns in `texts` as text, others as numbers as long as they are.
fn read(origin: &Origin, texts: &HashSet<usize>) -> Result<Raw, DataError> {
    let mut records = Records::open(origin.open()?, &Expected::Anything)?;
    let mut lines = Vec::new();
    let start = |index| Builder::new(texts.contains(&index));
    let mut builders: Vec<Builder> = (0..records.names.len()).map(start).collect();
    while let Some(line) = records.next()? {
        lines.push(line);
        for (builder, cell) in builders.iter_mut().zip(records.cells()) {
            builder.push(cell, line);
        }
    }
    Ok(Raw {
        records,
        lines,
        builders,
    })
}

fn finish(file: &str, name: String, builder: Builder) -> Result<Column, DataError> {
    let values = match builder {
        Builder::Numbers {
            infinite: Some((line, value)),
            ..
        } => {
            return Err(DataError::NotFinite {
                file: file.to_owned(),
                place: Place::Line(line),
                column: name,
                value,
            });
        }
        Builder::Numbers { numbers, .. } => Values::Numbers(numbers),
        Builder::Text(text) => Values::Text(text.text),
        Builder::Spoilt { .. } => Values::Text(Text::default()),
    };
    Ok(Column { name, values })
}

/// The positions of the target columns, in the order in which they are asked for, as `a,b`; a name may have commas itself. One
/// column at least is none of them.
pub(super) fn find_targets(
    records: &Records,
    target: Option<&str>,
) -> Result<Vec<usize>, DataError> {
    if records.names.len() < 2 {
        return Err(DataError::malformed(
            &records.file,
            "the table has a single column; it needs features and a target",
        ));
    }
    let positions = match target {
        None => vec![records.names.len() - 1],
        Some(target) => named_targets(records, target)?,
    };
    if positions.len() == records.names.len() {
        return Err(DataError::malformed(
            &records.file,
            "every column is a target; there must be one to predict them from",
        ));
    }
    Ok(positions)
}

fn named_targets(records: &Records, target: &str) -> Result<Vec<usize>, DataError> {
    if !target.contains(',') || records.names.iter().any(|name| name == target) {
        return find_target(records, target).map(|position| vec![position]);
    }
    let mut positions = Vec::new();
    for part in target.split(',') {
        let position = find_target(records, part.trim())?;
        if positions.contains(&position) {
            return Err(DataError::TargetTwice {
                file: records.file.clone(),
                column: records.names[position].clone(),
            });
        }
        positions.push(position);
    }
    Ok(positions)
}

/// The position of a target column, which is given by name, by number from 1, or by number from the end (-1).
fn find_target(records: &Records, target: &str) -> Result<usize, DataError> {
    let names = &records.names;
    if let Some(position) = names.iter().position(|name| name == target) {
        return Ok(position);
    }
    let columns = names.len() as i64;
    match target.parse::<i64>() {
        Ok(number @ 1..) if number <= columns => Ok((number - 1) as usize),
        Ok(number @ ..=-1) if number >= -columns => Ok((columns + number) as usize),
        _ => Err(DataError::TargetNotFound {
            file: records.file.clone(),
            target: target.to_owned(),
            hint: nearest(target, names)
                .map_or(String::new(), |name| format!(" (did you mean '{name}'?)")),
            available: list(names),
        }),
    }
}

/// The name that a mistyped one stands for, if one is near.
fn nearest<'a>(typed: &str, names: &'a [String]) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    names
        .iter()
        .map(|name| (edits(&typed, &name.to_lowercase()), name.as_str()))
        .min()
        .filter(|(edits, name)| *edits <= name.chars().count() / 3)
        .map(|(_, name)| name)
}

/// How many letters must be changed, added or removed to come from one word to another (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut previous: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = previous[column] + usize::from(letter != *other);
            current.push(
                replaced
                    .min(previous[column + 1] + 1)
                    .min(current[column] + 1),
            );
        }
        previous = current;
    }
    previous[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
