//! The pool as a coordinator: a step's shards are given out, looked after and summed up.

use std::time::Instant;

use super::{LOOK, Pool};
use crate::backend::BackendError;
use crate::elastic::message::{Order, Part, Records};
use crate::elastic::policy::Shard;
use crate::elastic::round::{self, Round};
use crate::elastic::sums::Total;
use crate::elastic::tree::Node;
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
        let (crew, policy) = (&mut self.crew, &mut *self.policy);
        let round = Round::new(number, shards, sampled, crew, policy, now);
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
        let start = Instant::now();
        self.turn_to(gradients, steps);
        let mut total = self.sum()?;
        if self.unsound.is_empty() {
            self.diverged = false;
        } else if !self.diverged {
            total = self.doubt()?;
        }
        self.update(update, total)?;
        let took = start.elapsed();
        self.trained(took);
        self.judge_number(&[took.as_secs_f64()]);
        self.settle()
    }

    /// These are the shards from now on.
    pub(super) fn turn_to(&mut self, gradients: usize, steps: &[Step]) {
        self.steps = steps.to_vec();
        self.verify.program = gradients;
    }

    /// All update their weights by the sum of the step's shards.
    pub(super) fn update(&mut self, program: usize, total: Total) -> Result<(), BackendError> {
        let Some(&step) = self.steps.last() else {
            return Err(self.gone());
        };
        self.tell(&Order::Update {
            programs: [self.verify.program, program],
            step,
            of: self.steps.len() as u32,
            total,
        });
        Ok(())
    }

    /// The sum of the step's shards.
    pub(super) fn sum(&mut self) -> Result<Total, BackendError> {
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
        let alone = self.is_alone();
        let limit = if alone {
            self.options.hang
        } else {
            self.options.limit
        };
        let limit = limit.as_secs_f64();
        let late = round.overdue(limit, &self.crew, &mut *self.policy, now);
        for worker in late {
            if !self.links[worker].live {
                continue;
            }
            if alone {
                self.hangs(worker, limit)?;
                continue;
            }
            if self.is_alone() {
                continue;
            }
            let device = &self.links[worker].device;
            self.notice(format!(
                "worker {worker} ({device}) does not answer: its shards go to others"
            ));
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
