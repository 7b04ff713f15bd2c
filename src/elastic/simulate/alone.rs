//! The only worker, to which a coordinator hands several steps at a time.

use super::central::{Central, Event, Report};
use crate::elastic::policy::Ran;
use crate::elastic::pool::steps_of_lease;
use crate::elastic::tree::Node;

/// Steps that a worker makes alone.
#[derive(Clone, Copy)]
pub(super) struct Lease {
    pub(super) worker: usize,
    life: u32,
    steps: u64,
    since: f64,
    /// Seconds in which it computes shards.
    computing: f64,
    /// Seconds in which it updates its weights.
    updating: f64,
}

impl Central<'_> {
    /// The only worker that there is.
    pub(super) fn lonely(&self) -> Option<usize> {
        match self.fleet.there()[..] {
            [worker] => Some(worker),
            _ => None,
        }
    }

    /// Has a worker make the next steps alone.
    pub(super) fn lease(&mut self, now: f64, worker: usize) {
        let root = Node::root(self.fleet.shards.len() as u32);
        let steps = steps_of_lease(self.alone) as u64;
        let steps = steps.min(self.setup.steps - self.step);
        let sent = self.works(now, self.setup.message);
        let (mut end, mut computing) = (sent + self.setup.delay, 0.0);
        let mut updating = 0.0;
        self.desks[worker].began = Some(end);
        for _ in 0..steps {
            let seconds = self.fleet.draw_all(self.setup, worker, root, end);
            computing += seconds;
            let update = self.fleet.update(self.setup, worker, end + seconds);
            updating += update;
            end += seconds + update;
        }
        let life = self.fleet.machines[worker].life;
        let lease = Lease {
            worker,
            life,
            steps,
            since: now,
            computing,
            updating,
        };
        self.leased = Some(lease);
        self.clock.at(end, Event::Made(lease));
    }

    /// A worker has made its steps.
    pub(super) fn made(&mut self, now: f64, lease: Lease) {
        let Lease { worker, life, .. } = lease;
        if self.fleet.machines[worker].life == life && self.fleet.is_alive(worker) {
            self.desks[worker].began = None;
            self.fleet.spent += lease.computing;
            let there = now + self.setup.delay;
            self.clock
                .at(there, Event::Arrives(worker, life, Report::Made(now)));
        }
    }

    /// The coordinator hears of steps that ended at that time.
    pub(super) fn takes_note(&mut self, now: f64, end: f64) {
        let Some(lease) = self.leased.take() else {
            return;
        };
        let Lease { worker, steps, .. } = lease;
        self.step += steps;
        self.fleet.useful += lease.computing;
        self.end = end;
        self.alone = Some((now - lease.since) / steps as f64);
        let each = lease.computing / (steps * self.fleet.shards.len() as u64) as f64;
        let ran = Ran {
            rows: self.fleet.shards.first().map_or(0, |shard| shard.rows),
            computing: each,
            response: each,
            share: 1.0,
            lead: Some(lease.updating / steps as f64),
        };
        self.fleet.crew.note(worker, &ran, &mut *self.policy);
        self.begin(now);
    }
}
