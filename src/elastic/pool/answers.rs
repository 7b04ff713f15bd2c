//! What workers answer, and what the pool makes of it.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::suspects::found;
use super::{LOOK, Pool};
use crate::backend::BackendError;
use crate::elastic::message::{Answer, Records};
use crate::elastic::policy::Ran;
use crate::elastic::sums::{Total, Values};
use crate::elastic::tree::Node;
use crate::elastic::verify::Found;
use crate::program::record;

impl Pool {
    /// Waits for the next answer, for a while, and deals with it. Returns whether there was one.
    pub(in crate::elastic) fn hear(&mut self, wait: Duration) -> Result<bool, BackendError> {
        match self.answers.recv_timeout(wait) {
            Ok((worker, life, answer)) => {
                if self.links[worker].life == life {
                    self.links[worker].heard = Some(Instant::now());
                    self.deal(worker, answer)?;
                }
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
        }
    }

    pub(super) fn deal(&mut self, worker: usize, answer: Answer) -> Result<(), BackendError> {
        if self.links[worker].dismissed {
            match answer {
                Answer::Examined { kernels, off } => self.examined(worker, found(kernels, &off)),
                Answer::Failed(failure) => {
                    let reason = failure.reason;
                    self.examined(
                        worker,
                        format!("its kernels could not be checked: {reason}"),
                    );
                }
                _ => {}
            }
            return Ok(());
        }
        if self.links[worker].late.is_some() && !matches!(answer, Answer::Failed(_)) {
            self.returns(worker);
        }
        match answer {
            Answer::Ready { device, limits } => self.is_ready(worker, device, limits),
            Answer::Values { number, values } => self.values = Some((number, values)),
            Answer::Ran { number, records } => self.ran.push_back((number, records)),
            Answer::Shards {
                number,
                node,
                seconds,
                records,
                hash,
                sums,
                sound,
            } => {
                self.links[worker].shards += records.len() as u64;
                self.links[worker].busy += seconds;
                if let Some(slice) = &mut self.slice {
                    if !sound {
                        slice.unsound.push((number, worker));
                    }
                    self.note_peer(worker, number, (node, seconds), &records);
                    self.note_found(worker, number, node.first(), hash);
                } else if self.is_at(number) {
                    self.take(worker, sums, sound);
                    self.ran_shards(worker, (node, seconds), &records);
                    if let Some(hash) = hash {
                        self.verify.first(node.first(), worker, hash);
                        self.check(node.first());
                    }
                }
            }
            Answer::Sums {
                number,
                sums,
                sound,
            } => {
                if self.is_at(number) {
                    self.take(worker, sums, sound);
                }
            }
            Answer::Checked {
                number,
                shard,
                hash,
            } => {
                if self.slice.is_some() {
                    self.note_found(worker, number, shard, Some(hash));
                } else if self.is_at(number) {
                    let verdict = self.verify.second(shard, worker, hash);
                    self.judge(shard, verdict)?;
                }
            }
            Answer::Leased { number, made } => self.leased = Some((number, made)),
            Answer::Reached(reached) => self.reached.push((worker, reached)),
            Answer::Examined { kernels, off } => {
                let found = found(kernels, &off);
                self.checked.push((worker, off.is_empty(), found));
            }
            Answer::Failed(failure) => self.lose(worker, failure)?,
        }
        Ok(())
    }

    /// Whether a step is under way. What comes late of one that is done is of no use, and its weights are gone.
    fn is_at(&self, number: u64) -> bool {
        number == self.number && self.round.is_some()
    }

    fn take(&mut self, worker: usize, sums: Vec<(Node, Values)>, sound: bool) {
        if !sound && !self.unsound.contains(&worker) {
            self.unsound.push(worker);
        }
        if let Some(round) = &mut self.round {
            for (node, value) in sums {
                round.summed(node, Total::Of(value));
            }
        }
    }

    pub(in crate::elastic) fn note_records(&mut self, record: usize, records: &[Vec<f32>]) {
        for (log, values) in self.log.iter_mut().zip(records) {
            let first = record * record::WIDTH;
            if let Some(place) = log.get_mut(first..first + record::WIDTH) {
                place.copy_from_slice(values);
            }
        }
    }

    /// Shards that a worker ran among its peers.
    fn note_peer(
        &mut self,
        worker: usize,
        number: u64,
        (node, seconds): (Node, f64),
        records: &[Records],
    ) {
        let Some(slice) = &self.slice else {
            return;
        };
        let index = number.checked_sub(slice.first).map(|index| index as usize);
        let parts = index.and_then(|index| slice.steps.get(index));
        let Some(parts) = parts else {
            return;
        };
        let shards = node.range(parts.len() as u32);
        let ran = parts[shards.start as usize..shards.end as usize].to_vec();
        let id = self.crew.workers[worker].id;
        let rank = slice.members.ids.iter().position(|&other| other == id);
        let own = rank.map_or(0, |rank| slice.members.given(rank));
        for (step, records) in ran.iter().zip(records) {
            self.note_records(step.record as usize, records);
        }
        if let Some(step) = ran.first() {
            let ran = Ran::among_peers((ran.len(), step.rows), seconds, own);
            self.crew.note(worker, &ran, &mut *self.policy);
        }
    }

    /// Bits of a shard that a worker found among its peers.
    fn note_found(&mut self, worker: usize, number: u64, shard: u32, hash: Option<u64>) {
        if let (Some(slice), Some(hash)) = (&mut self.slice, hash)
            && number >= slice.first
        {
            slice.found.push(Found {
                number,
                shard,
                worker,
                hash,
            });
        }
    }

    /// Records of steps that were run, with the errand's number, as they come.
    pub(in crate::elastic) fn next_ran(&mut self) -> Result<Option<(u64, Records)>, BackendError> {
        if self.ran.is_empty() {
            self.hear(LOOK)?;
        }
        Ok(self.ran.pop_front())
    }
}
