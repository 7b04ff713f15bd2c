//! Where a run stands.

use super::schedule::Plateau;
use super::scores::Totals;
use super::{Epoch, TrainError};
use crate::backend::{BackendError, Data};
use crate::model::{Network, Weights};
use crate::program::{buffer, record};

/// All of a run that the host keeps from step to step; with the buffers that outlive a step, the next one follows from it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// Updates made.
    pub(crate) steps: u64,
    /// Rows that they saw, for each member.
    pub(crate) samples: u64,
    /// First epoch of the round under way, from 1.
    pub(crate) epoch: usize,
    /// Steps of the round that are done.
    pub(crate) done: usize,
    /// What they came to, by member and epoch of the round.
    pub(crate) totals: Vec<Vec<Totals>>,
    /// All epochs of the rounds before, by member.
    pub(crate) histories: Vec<Vec<Epoch>>,
    /// The best value of what is monitored, and the weights that had it, by member.
    pub(crate) best: Vec<Option<(f64, Weights)>>,
    /// Rounds since one was the best, by member.
    pub(crate) stale: Vec<usize>,
    /// Where the schedule `plateau` stands, by member.
    pub(crate) plateaus: Vec<Plateau>,
    /// Whether there is nothing more to learn, by member.
    pub(crate) ended: Vec<bool>,
    /// What each member's search by L-BFGS knows; empty where there is none.
    pub(crate) searches: Vec<Vec<f64>>,
    /// Factor of the learning rate that divergences have left.
    pub(crate) rate: f64,
    /// How often the run went back after one.
    pub(crate) rollbacks: u32,
}

impl State {
    /// The beginning.
    pub(crate) fn new(members: usize) -> Self {
        State {
            steps: 0,
            samples: 0,
            epoch: 1,
            done: 0,
            totals: Vec::new(),
            histories: vec![Vec::new(); members],
            best: vec![None; members],
            stale: vec![0; members],
            plateaus: vec![Plateau::default(); members],
            ended: vec![false; members],
            searches: Vec::new(),
            rate: 1.0,
            rollbacks: 0,
        }
    }
}

/// A run as it stood between two steps: what a checkpoint holds, and what training goes on from, on whatever device.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub(crate) network: Network,
    pub(crate) state: State,
    /// The buffers of [`Program::lasting`](crate::program::Program::lasting).
    pub(crate) buffers: Vec<Kept>,
}

/// What a buffer held, all members behind each other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) values: Vec<f32>,
}

impl Snapshot {
    /// Whether all parameters and losses are numbers.
    pub(super) fn is_sound(&self) -> bool {
        let mut losses = self.state.totals.iter().flatten();
        let parameters = |kept: &&Kept| kept.name == buffer::PARAMETERS;
        let mut parameters = self.buffers.iter().filter(parameters);
        losses.all(|totals| totals[record::LOSS].is_finite())
            && parameters.all(|kept| kept.values.iter().all(|value| value.is_finite()))
    }

    /// Updates made.
    pub fn steps(&self) -> u64 {
        self.state.steps
    }

    /// Epochs completed.
    pub fn epochs(&self) -> usize {
        let epochs = self.state.histories.iter().map(Vec::len);
        epochs.max().unwrap_or(0)
    }
}

/// The state of a run on a device.
impl super::run::Run<'_> {
    /// Puts the run to its beginning: the members' weights, and nothing learned.
    pub(super) fn start(&mut self) -> Result<(), BackendError> {
        for (name, len) in self.lasting.clone() {
            let zeros = vec![0.0; len];
            for member in 0..self.members.len() {
                self.backend.write(&name, member, 0, Data::F32(&zeros))?;
            }
        }
        for (index, member) in self.members.iter().enumerate() {
            self.write_weights(index, &member.weights)?;
        }
        self.set(State::new(self.members.len()))
    }

    /// Puts the run to where it was when the snapshot was taken.
    pub(super) fn restore(&mut self, snapshot: &Snapshot) -> Result<(), TrainError> {
        let members = self.members.len();
        let fits = |(kept, (name, len)): (&Kept, &(String, usize))| {
            kept.name == *name && kept.values.len() == members * len
        };
        let state = &snapshot.state;
        let alike = snapshot.network == *self.network
            && snapshot.buffers.len() == self.lasting.len()
            && [state.histories.len(), state.best.len()] == [members; 2]
            && [state.stale.len(), state.plateaus.len(), state.ended.len()] == [members; 3]
            && [0, members].contains(&state.searches.len())
            && snapshot.buffers.iter().zip(&self.lasting).all(fits);
        if !alike {
            return Err(TrainError::Data(
                "the checkpoint is of another network or optimizer than the run".into(),
            ));
        }
        for best in state.best.iter().flatten() {
            self.network.check(&best.1)?;
        }
        for (kept, (name, len)) in snapshot.buffers.iter().zip(&self.lasting) {
            for (member, values) in kept.values.chunks(*len).enumerate() {
                self.backend.write(name, member, 0, Data::F32(values))?;
            }
        }
        Ok(self.set(state.clone())?)
    }

    /// The run as it stands; the steps' records are in the totals.
    pub(super) fn snapshot(&mut self) -> Result<Snapshot, BackendError> {
        let mut buffers = Vec::with_capacity(self.lasting.len());
        for (name, len) in &self.lasting {
            let mut values = Vec::with_capacity(self.members.len() * len);
            for member in 0..self.members.len() {
                values.extend(self.backend.read(name, member, 0, *len)?);
            }
            buffers.push(Kept {
                name: name.clone(),
                values,
            });
        }
        Ok(Snapshot {
            network: self.network.clone(),
            state: self.state.clone(),
            buffers,
        })
    }
}
