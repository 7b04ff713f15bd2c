//! What each row is for.

use std::ops::Range;

use super::{Config, FitError, Fold, folds, split};
use crate::data::{DataError, Drawn, Matrix, Preprocessing, Table};

/// Rows by what they are for.
pub(super) struct Division {
    /// Training, validation and test rows; with folds, each has its own of the first two.
    pub(super) rows: [Vec<u32>; 3],
    pub(super) folds: Vec<Fold>,
    /// Of validation and test, of all rows.
    pub(super) shares: [f64; 2],
    /// Rows of a larger dataset's file that are held out, in rising order.
    pub(super) held_out: Vec<usize>,
}

impl Division {
    /// Divides rows of these classes. Behind them come `own` rows more, if the dataset has some for the test. Of a `few` rows,
    /// none is kept for it.
    pub(super) fn new(
        config: &Config,
        classes: &[u32],
        own: Option<usize>,
        few: bool,
    ) -> Result<Self, FitError> {
        let seed = config.seed.unwrap_or(1);
        let tested = own.is_some() || config.folds.is_some();
        let [validation, test] = shares(config, few || tested)?;
        let mut parts = split(classes, validation, test, seed);
        let folds = match config.folds {
            None => Vec::new(),
            Some(count) => {
                let mut rows = [&parts.train[..], &parts.validation].concat();
                rows.sort_unstable();
                if rows.len() < count as usize {
                    return Err(FitError::Option(format!(
                        "--folds {count}: there are {} rows; give as many folds at most",
                        rows.len()
                    )));
                }
                parts.validation.clear();
                parts.train.clone_from(&rows);
                folds(classes, &rows, count as usize, validation, seed)
            }
        };
        let first = classes.len() as u32;
        parts.test.extend(first..first + own.unwrap_or(0) as u32);
        Ok(Division {
            rows: [parts.train, parts.validation, parts.test],
            folds,
            shares: [validation, test],
            held_out: Vec::new(),
        })
    }

    /// Divides the rows drawn of a larger dataset: those drawn first are for the test, the next ones for validation, the others
    /// stand for all that are trained on. Behind them come `own` rows more.
    pub(super) fn drawn(
        config: &Config,
        drawn: &Drawn,
        own: Option<usize>,
        few: bool,
    ) -> Result<Self, FitError> {
        let shares = shares(config, few || own.is_some())?;
        let all = drawn.order.len();
        let count = |share: f64| {
            let rows = (drawn.stored.len() as f64 * share).round() as usize;
            rows.min(drawn.most)
        };
        let test = count(shares[1]).min(all - 1);
        let validation = count(shares[0]).min(all - 1 - test);
        let (test, rest) = drawn.order.split_at(test);
        let (validation, train) = rest.split_at(validation);
        let own = all as u32..(all + own.unwrap_or(0)) as u32;
        let parts = [train, validation, test];
        Ok(Division::of_parts(drawn, parts, own, shares))
    }

    /// Parts of what was drawn, and the rows that come behind it for the test.
    fn of_parts(drawn: &Drawn, parts: [&[u32]; 3], own: Range<u32>, shares: [f64; 2]) -> Self {
        let [_, validation, test] = parts;
        let places = validation.iter().chain(test);
        let mut held_out: Vec<usize> = places.map(|&place| drawn.rows[place as usize]).collect();
        held_out.sort_unstable();
        let mut rows = parts.map(<[u32]>::to_vec);
        for part in &mut rows {
            part.sort_unstable();
        }
        rows[2].extend(own);
        Division {
            rows,
            folds: Vec::new(),
            shares,
            held_out,
        }
    }

    /// The same with fewer rows drawn for each purpose, where they are so wide once they are encoded that not all can be held.
    pub(super) fn narrowed(&self, drawn: &Drawn, inputs: usize) -> Option<Self> {
        let most = drawn.most_of(inputs);
        if most == drawn.most {
            return None;
        }
        let all = drawn.order.len() as u32;
        let parts = self.rows.each_ref().map(|part| {
            let of_part = |place: &&u32| part.binary_search(place).is_ok();
            let first = drawn.order.iter().filter(of_part).take(most);
            first.copied().collect::<Vec<u32>>()
        });
        let own = all..self.rows[2].last().map_or(all, |last| all.max(last + 1));
        let [train, validation, test] = parts.each_ref().map(Vec::as_slice);
        Some(Division::of_parts(
            drawn,
            [train, validation, test],
            own,
            self.shares,
        ))
    }

    /// Numbers the rows that are of use anew. Returns what they were.
    pub(super) fn renumber(&mut self) -> Vec<u32> {
        let mut kept = self.rows.concat();
        kept.sort_unstable();
        for row in self.rows.iter_mut().flatten() {
            *row = kept.partition_point(|other| other < row) as u32;
        }
        kept
    }
}

/// Some rows of a table, encoded a few at a time; those behind its end are left out.
pub(super) fn encoded(
    preprocessing: &Preprocessing,
    table: &Table,
    rows: &[u32],
) -> Result<Matrix, DataError> {
    const SOME: usize = 1024;
    let mut encoded = Matrix {
        columns: preprocessing.inputs(),
        ..Matrix::default()
    };
    for first in (0..table.len()).step_by(SOME) {
        let end = table.len().min(first + SOME);
        let some = preprocessing.apply(&table.slice(first..end))?;
        let own = |&row: &u32| rows.binary_search(&row).is_ok();
        for row in (first as u32..end as u32).filter(own) {
            encoded.values.extend(some.row(row as usize - first));
            encoded.rows += 1;
        }
    }
    Ok(encoded)
}

/// Of validation and test; nothing is kept for the test where that is not asked for, if it would be of no use.
fn shares(config: &Config, none: bool) -> Result<[f64; 2], FitError> {
    let validation = config.validation.unwrap_or(0.0);
    let test = config.test.unwrap_or(if none { 0.0 } else { 0.2 });
    if validation + test >= 1.0 {
        return Err(FitError::Option(format!(
            "--validation {validation} and --test {test} leave no rows to train on; make them smaller"
        )));
    }
    Ok([validation, test])
}
