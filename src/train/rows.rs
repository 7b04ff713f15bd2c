use super::outcome::TrainError;
use super::training::Options;
use crate::data::Matrix;
use crate::model::{Network, Weights};
use crate::program::Hyper;

/// One network of the pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Where it starts.
    pub weights: Weights,
    /// Its step size, penalties, momentum and dropout.
    pub hyper: Hyper,
    /// What its batch orders follow from.
    pub seed: u64,
}

/// Encoded rows, and what they are for.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// `[rows, inputs]`
    pub inputs: &'a Matrix,
    /// `[rows, 1]` for classes, else `[rows, outputs]`.
    pub targets: &'a Matrix,
    /// What each member does with which rows, or all of them if there is one entry. Members validate and test as many rows
    /// as each other; one with more training rows than another leaves some out of each epoch, with shuffling others each time.
    pub parts: &'a [Parts<'a>],
}

/// What rows are for.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Rows that gradients come from.
    pub train: &'a [u32],
    /// Rows that early stopping looks at; may be empty.
    pub validation: &'a [u32],
    /// Rows for the final report; may be empty.
    pub test: &'a [u32],
}

impl<'a> Rows<'a> {
    /// The parts of a member.
    pub fn of(&self, member: usize) -> &Parts<'a> {
        &self.parts[member % self.parts.len()]
    }

    /// Rows of an epoch, of a validation and of a test.
    pub fn counts(&self) -> [usize; 3] {
        let least = |part: fn(&Parts<'a>) -> usize| self.parts.iter().map(part).min().unwrap_or(0);
        [
            least(|parts| parts.train.len()),
            least(|parts| parts.validation.len()),
            least(|parts| parts.test.len()),
        ]
    }
}

/// Whether all that is given to a run goes together.
pub(super) fn check(
    network: &Network,
    members: &[Member],
    rows: Rows<'_>,
    options: &Options,
) -> Result<(), TrainError> {
    for member in members {
        network.check(&member.weights)?;
    }
    let targets = options.loss.target_columns(network.outputs());
    let fits = rows.inputs.columns == network.inputs
        && network.embeddings.fit(network.inputs)
        && rows.targets.columns == targets
        && rows.inputs.rows == rows.targets.rows;
    if !fits {
        return Err(TrainError::Data(format!(
            "{} rows of {} inputs and {} rows of {} targets do not train a network of {} inputs and {targets} targets",
            rows.inputs.rows,
            rows.inputs.columns,
            rows.targets.rows,
            rows.targets.columns,
            network.inputs,
        )));
    }
    let lookup = network.embeddings.lookup.as_ref();
    let strayed = lookup.and_then(|lookup| lookup.strayed(network.inputs, &rows.inputs.values));
    if let Some(row) = strayed {
        return Err(TrainError::Data(format!(
            "row {row} holds a number that is no row of the embedding's table, or another column's"
        )));
    }
    if ![1, members.len()].contains(&rows.parts.len()) {
        return Err(TrainError::Data(format!(
            "{} members and {} divisions of the rows do not go together",
            members.len(),
            rows.parts.len()
        )));
    }
    let counts = rows.counts();
    if counts[0] == 0 || members.is_empty() {
        return Err(TrainError::Data(
            "there is nothing to train: no rows, or no members".into(),
        ));
    }
    let alike = |parts: &Parts<'_>| [parts.validation.len(), parts.test.len()] == counts[1..];
    if !rows.parts.iter().all(alike) {
        return Err(TrainError::Data(
            "members validate and test as many rows as each other".into(),
        ));
    }
    let parts = rows.parts.iter();
    match parts
        .flat_map(|parts| [parts.train, parts.validation, parts.test])
        .flatten()
        .find(|&&row| row as usize >= rows.inputs.rows)
    {
        Some(row) => Err(TrainError::Data(format!(
            "row {row} of {} is asked for",
            rows.inputs.rows
        ))),
        None => Ok(()),
    }
}
