//! What each row is for.

use super::{Config, FitError, Fold, folds, split};
use crate::data::Drawn;

/// Rows by what they are for.
pub(super) struct Division {
    /// Training, validation and test rows; with folds, each has its own of the first two.
    pub(super) rows: [Vec<u32>; 3],
    pub(super) folds: Vec<Fold>,
    /// Of validation and test, of all rows.
    pub(super) shares: [f64; 2],
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
        let mut rows = [train, validation, test].map(<[u32]>::to_vec);
        for part in &mut rows {
            part.sort_unstable();
        }
        rows[2].extend(all as u32..(all + own.unwrap_or(0)) as u32);
        Ok(Division {
            rows,
            folds: Vec::new(),
            shares,
        })
    }
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
