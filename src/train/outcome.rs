use std::time::Duration;

use super::Scores;
use crate::backend::BackendError;
use crate::data::DataError;
use crate::model::{Weights, WeightsError};

/// One pass over the training rows, for one member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: usize,
    /// Over the training rows, as the weights were at each step; losses are weighted by their steps' rows.
    pub train: Scores,
    /// Over the validation rows, at the epoch's end.
    pub validation: Option<Scores>,
    /// What is monitored of the validation rows, where the device's sums do not tell it.
    pub judged: Option<f64>,
}

impl Epoch {
    /// Of the validation rows, or of the training rows where there are none.
    pub fn watched(&self) -> &Scores {
        self.validation.as_ref().unwrap_or(&self.train)
    }
}

/// What is told while training goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// Some steps more are done.
    Steps {
        /// Steps so far.
        done: u64,
        /// Steps if all epochs are trained.
        total: u64,
        /// The epoch under way, from 1.
        epoch: usize,
        /// Rows that each member has trained on so far.
        samples: u64,
    },
    /// Something that people should know of: a device failed, or the run went back.
    Notice(&'a str),
    /// An epoch is done; an entry for each member that still learned in it.
    Epoch(&'a [Epoch]),
}

/// Why training came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs or steps are done.
    Done,
    /// There is nothing more to find for any member.
    Converged,
    /// Every member came to where it did not improve for as long as the patience lasts.
    Patience,
    /// The observer asked for it.
    Stopped,
}

/// What training leaves of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// With patience or after a stop the best weights, else the last.
    pub weights: Weights,
    /// An entry an epoch, up to where the patience with it was over.
    pub history: Vec<Epoch>,
    /// Of the weights above, on each part of the rows that is not empty: training, validation, test.
    pub scores: [Option<Scores>; 3],
}

/// What training leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// By member.
    pub members: Vec<Trained>,
    /// Why it ended.
    pub end: End,
    /// Updates made.
    pub steps: u64,
    /// Rows that they saw, for each member.
    pub samples: u64,
    /// Steps, rows and time of the training loop alone, behind the first step.
    pub measured: (u64, u64, Duration),
}

impl Outcome {
    /// Passes that were made for the member that learned the longest.
    pub fn epochs(&self) -> usize {
        let epochs = self.members.iter().map(|member| member.history.len());
        epochs.max().unwrap_or(0)
    }
}

/// Why training ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The initial weights are not this network's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Rows that were read on the way.
    #[error(transparent)]
    Read(#[from] DataError),
    /// Sizes that do not belong together.
    #[error("{0}")]
    Data(String),
    /// The loss is no number any more.
    #[error(
        "the loss became {loss} in epoch {epoch}: try a lower learning rate, or standardised inputs{}",
        went_back(*rollbacks)
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// When, from 1.
        epoch: usize,
        /// How often the run had gone back.
        rollbacks: u32,
        /// The best outcome so far, if an epoch was completed.
        best: Option<Box<Vec<Weights>>>,
    },
}

fn went_back(times: u32) -> String {
    match times {
        0 => ", or --on-divergence rollback".to_owned(),
        _ => format!("; the rate was halved {times} times already"),
    }
}
