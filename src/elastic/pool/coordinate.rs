//! The pool as a coordinator: a step's shards are given out, looked after and summed up.

use std::time::Instant;

use super::{LOOK, Pool};
use crate::backend::BackendError;
use crate::elastic::message::{Order, Part, Records, Total};
use crate::elastic::policy::Shard;
use crate::elastic::round::{self, Round};
use crate::elastic::tree::Node;
use crate::elastic::verify::{Found, Verdict};
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
        self.unsound.clear();
        self.verify.begin();
        self.call_in();
        let (number, shards, now) = (self.number, self.shards(), self.now());
        // What is compared is run alone by both.
        let sampled = |shard| self.verify.is_sampled(number, shard);
        let policy = &mut *self.policy;
        let round = Round::new(number, shards, sampled, &self.crew, policy, now);
        let (round, orders) = round.ok_or_else(|| self.gone())?;
        self.round = Some(round);
        self.give(orders);
        Ok(())
    }

    /// One step under a coordinator.
    pub(in crate::elastic) fn step(
        &mut self,
        [gradients, update]: [usize; 2],
        steps: &[Step],
    ) -> Result<(), BackendError> {
        self.refresh()?;
        let start = Instant::now();
        self.steps = steps.to_vec();
        self.verify.program = gradients;
        let mut total = self.sum()?;
        if self.unsound.is_empty() {
            self.diverged = false;
        } else if !self.diverged {
            total = self.doubt()?;
        }
        let Some(&step) = steps.last() else {
            return Err(self.gone());
        };
        self.tell(&Order::Update {
            program: update,
            step,
            of: steps.len() as u32,
            total,
        });
        let took = start.elapsed();
        self.trained(took);
        self.judge_number(took.as_secs_f64());
        Ok(())
    }

    /// The sum of the step's shards.
    fn sum(&mut self) -> Result<Total, BackendError> {
        self.begin()?;
        loop {
            let done = |round: &Round<Total>| round.is_complete();
            if self.round.as_ref().is_some_and(done) && self.verify.is_done() {
                let total = self.round.take().and_then(|mut round| round.total());
                return total.ok_or_else(|| self.gone());
            }
            if !self.hear(LOOK)? {
                self.look()?;
            }
        }
    }

    /// The sum once more, as it was no number: each shard is run by two workers. If it is one now, who had said otherwise computes
    /// wrong; if not, it is the model that diverges, which the run will see.
    fn doubt(&mut self) -> Result<Total, BackendError> {
        log::warn!("a step's gradient is no number: it is made again, by two workers each");
        let mut suspects = std::mem::take(&mut self.unsound);
        self.repeated += self.steps.len() as u64;
        self.verify.check_all(true);
        let total = self.sum();
        self.verify.check_all(false);
        let total = total?;
        self.diverged = !self.unsound.is_empty();
        if self.diverged {
            log::warn!("a step's gradient is no number, whoever computes it");
            return Ok(total);
        }
        suspects.retain(|&worker| !self.links[worker].dismissed);
        for worker in suspects {
            let mut others = self.links.iter().enumerate();
            let replaced = others.any(|(other, link)| link.live && other != worker);
            if replaced && self.links[worker].live {
                self.put_out(
                    worker,
                    "its gradient was no number, and on others it is one",
                );
            } else {
                log::warn!(
                    "worker {worker} ({}) computed a gradient that is no number, and then one that is",
                    self.links[worker].device
                );
            }
        }
        Ok(total)
    }

    /// A worker that computes wrong is used no more.
    fn put_out(&mut self, worker: usize, why: &str) {
        log::warn!(
            "worker {worker} ({}) computes wrong: {why}; it is put out",
            self.links[worker].device
        );
        self.links[worker].dismissed = true;
        self.links[worker].failure = Some("it computed wrong".to_owned().into());
        self.leaves(worker);
    }

    pub(super) fn ran_shards(
        &mut self,
        worker: usize,
        (node, seconds): (Node, f64),
        records: &[Records],
    ) {
        for (shard, records) in node.range(self.steps.len() as u32).zip(records) {
            let record = self.steps[shard as usize].record;
            self.note_records(record as usize, records);
        }
        let now = self.now();
        if let Some(round) = &mut self.round {
            let crew = &mut self.crew;
            let orders = round.ran(worker, (node, seconds), crew, &mut *self.policy, now);
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
                self.put_out(worker, "a shard that it ran has other bits on others");
                self.again()?;
            }
            Verdict::Unclear(shard) => return Err(self.unclear(shard)),
        }
        Ok(())
    }

    fn unclear(&self, shard: u32) -> BackendError {
        BackendError::Device {
            device: self.links[self.leader().unwrap_or(0)].device.clone(),
            reason: format!(
                "shard {shard} of a step has other bits each time it is run; use another --device"
            ),
        }
    }

    /// Makes steps that peers disagreed on once more, under a coordinator and with every shard checked. In the last of them, who
    /// had found something else before computes wrong.
    pub(in crate::elastic) fn repeat(
        &mut self,
        programs: [usize; 2],
        steps: &[Vec<Step>],
        disputed: &[Found],
    ) -> Result<(), BackendError> {
        self.verify.check_all(true);
        let made = steps.iter().try_for_each(|step| {
            self.repeated += step.len() as u64;
            self.step(programs, step)
        });
        self.verify.check_all(false);
        made?;
        for one in disputed {
            let device = &self.links[one.worker].device;
            let mut right = self.verify.found(one.shard).iter();
            let right = right.find(|&&(by, _)| self.links[by].device == *device);
            let wrong = right.is_some_and(|&(_, hash)| hash != one.hash);
            if !wrong || self.links[one.worker].dismissed {
                continue;
            }
            let mut others = self.links.iter().enumerate();
            if !others.any(|(other, link)| link.live && other != one.worker) {
                return Err(self.unclear(one.shard));
            }
            self.put_out(
                one.worker,
                "a shard that it ran has other bits when it is run again",
            );
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
        if self.round.is_some() {
            self.call_in();
        }
        let now = self.now();
        let Some(round) = &mut self.round else {
            return Ok(());
        };
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
