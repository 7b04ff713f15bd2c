//! The pool as a coordinator: a step's shards are given out, looked after and summed up.

use std::time::Instant;

use super::{LOOK, Pool};
use crate::backend::BackendError;
use crate::elastic::message::{Order, Part, Values};
use crate::elastic::policy::Shard;
use crate::elastic::round::{self, Round};
use crate::elastic::verify::Verdict;
use crate::program::Step;

impl Pool {
    fn shards(&self) -> Vec<Shard> {
        let rows = self.steps.iter().map(|step| step.rows);
        (0..)
            .zip(rows)
            .map(|(number, rows)| Shard { number, rows })
            .collect()
    }

    /// Gives out the shards of a step.
    pub(super) fn begin(&mut self) -> Result<(), BackendError> {
        self.number += 1;
        self.verify.begin();
        let (shards, now) = (self.shards(), self.now());
        let round = Round::new(self.number, shards, &self.crew, &mut *self.policy, now);
        let (round, orders) = round.ok_or_else(|| self.gone())?;
        self.round = Some(round);
        self.give(orders);
        Ok(())
    }

    /// One step under a coordinator.
    pub(super) fn step(
        &mut self,
        [gradients, update]: [usize; 2],
        steps: &[Step],
    ) -> Result<(), BackendError> {
        self.refresh()?;
        let start = Instant::now();
        self.steps = steps.to_vec();
        self.verify.program = gradients;
        self.begin()?;
        let total = loop {
            let done = |round: &Round<Values>| round.is_complete();
            if self.round.as_ref().is_some_and(done) && self.verify.is_done() {
                break self.round.take().and_then(|mut round| round.total());
            }
            if !self.hear(LOOK)? {
                self.look()?;
            }
        };
        let (Some(total), Some(&step)) = (total, steps.last()) else {
            return Err(self.gone());
        };
        self.tell(&Order::Update {
            program: update,
            step,
            of: steps.len() as u32,
            total,
        });
        let took = start.elapsed();
        self.trained += took;
        if let Some(best) = self.crowd.step(took.as_secs_f64()) {
            let all = self.links.iter().filter(|link| link.live).count();
            if best < all {
                log::info!("{best} of {all} workers are used: more do not help");
            }
        }
        Ok(())
    }

    pub(super) fn ran_shard(
        &mut self,
        worker: usize,
        (shard, seconds): (u32, f64),
        records: &[Vec<f32>],
    ) {
        if let Some(step) = self.steps.get(shard as usize) {
            self.note_records(step.record as usize, records);
        }
        let now = self.now();
        if let Some(round) = &mut self.round {
            let crew = &mut self.crew;
            let orders = round.ran(worker, (shard, seconds), crew, &mut *self.policy, now);
            self.stolen += stolen(&orders);
            self.give(orders);
        }
    }

    /// Passes a round's orders on.
    pub(super) fn give(&mut self, orders: Vec<round::Order>) {
        for order in orders {
            match order {
                round::Order::Run { worker, shards } => {
                    let parts = shards.into_iter().map(|shard| Part {
                        shard,
                        step: self.steps[shard as usize],
                        hashed: self.verify.is_sampled(self.number, shard),
                    });
                    let order = Order::Shards {
                        number: self.number,
                        program: self.verify.program,
                        of: self.steps.len() as u32,
                        parts: parts.collect(),
                    };
                    self.links[worker].send(order);
                }
                round::Order::Skip { worker, shards } => {
                    let number = self.number;
                    self.links[worker].send(Order::Skip { number, shards });
                }
            }
        }
    }

    /// Has a shard run once more, on a worker of the same kind that has not run it; on the same one, if there is no other.
    pub(super) fn check(&mut self, shard: u32) {
        let Some(asked) = self.verify.next(shard, &self.links) else {
            return;
        };
        let part = Part {
            shard,
            step: self.steps[shard as usize],
            hashed: true,
        };
        self.links[asked].send(Order::Check {
            number: self.number,
            program: self.verify.program,
            part,
        });
    }

    pub(super) fn judge(&mut self, verdict: Verdict) -> Result<(), BackendError> {
        match verdict {
            Verdict::Open(shard) => self.check(shard),
            Verdict::Agreed => {}
            Verdict::Wrong(worker) => {
                log::warn!(
                    "worker {worker} ({}) computes wrong: a shard that it ran has other bits on others; it is put out",
                    self.links[worker].device
                );
                self.links[worker].dismissed = true;
                self.links[worker].failure = Some("it computed wrong".into());
                self.leaves(worker);
                self.again()?;
            }
            Verdict::Unclear(shard) => {
                return Err(BackendError::Device {
                    device: self.links[self.leader().unwrap_or(0)].device.clone(),
                    reason: format!(
                        "shard {shard} of a step has other bits each time it is run; use another --device"
                    ),
                });
            }
        }
        Ok(())
    }

    /// The step is made once more from its beginning: what was summed up may hold something wrong.
    pub(super) fn again(&mut self) -> Result<(), BackendError> {
        if self.round.take().is_some() {
            self.repeated += self.steps.len() as u64;
            self.begin()?;
        }
        Ok(())
    }

    /// Gives what a worker has of the step to others.
    pub(super) fn run_elsewhere(&mut self, worker: usize) -> Result<(), BackendError> {
        let now = self.now();
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        // Those that only stood by are called in, if none else is there.
        if !self.crew.workers.iter().any(|worker| worker.live) {
            for (worker, link) in self.crew.workers.iter_mut().zip(&self.links) {
                worker.live = link.live;
            }
        }
        let orders = round.lost(worker, &self.crew, &mut *self.policy, now);
        let Some(orders) = orders else {
            return Err(self.gone());
        };
        self.repeated += orders.iter().map(count).sum::<u64>();
        self.give(orders);
        Ok(())
    }

    /// Looks for workers that hang.
    fn look(&mut self) -> Result<(), BackendError> {
        let now = self.now();
        let Some(round) = &self.round else {
            return Ok(());
        };
        let limit = self.options.limit.as_secs_f64();
        let late = round.overdue(limit, &self.crew, &mut *self.policy, now);
        for worker in late {
            let others = self.links.iter().filter(|link| link.live).count();
            if !self.links[worker].live || others < 2 {
                continue;
            }
            log::warn!(
                "worker {worker} ({}) does not answer: its shards go to others",
                self.links[worker].device
            );
            self.give_up(worker);
            self.run_elsewhere(worker)?;
            for shard in self.verify.unanswered() {
                self.check(shard);
            }
        }
        Ok(())
    }
}

fn count(order: &round::Order) -> u64 {
    match order {
        round::Order::Run { shards, .. } => shards.len() as u64,
        round::Order::Skip { .. } => 0,
    }
}

fn stolen(orders: &[round::Order]) -> u64 {
    orders.iter().map(count).sum()
}
