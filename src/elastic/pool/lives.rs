//! Who takes part: workers come, are lost, hang, and come again.

use std::time::{Duration, Instant};

use super::Pool;
use crate::backend::{Backend, BackendError};
use crate::elastic::link::{Link, Post, Spec};
use crate::elastic::message::{Contents, Failure, Order};
use crate::elastic::policy::{Stats, Worker};
use crate::elastic::sums::Values;

impl Pool {
    /// Adds a worker; it takes part from the next step on.
    pub fn start(&mut self, spec: Spec) {
        self.take_on(spec.into());
    }

    pub(super) fn take_on(&mut self, post: Post) {
        let position = self.links.len();
        let mut link = Link::new(post);
        self.crew.workers.push(Worker {
            id: position as u32,
            device: link.now.kind,
            live: false,
            weight: link.spec.weight,
            stats: Stats::default(),
        });
        link.open(position, &self.sender);
        self.links.push(link);
    }

    /// Dismisses a worker.
    pub fn dismiss(&mut self, worker: usize) {
        if let Some(link) = self.links.get_mut(worker) {
            link.close(None);
            link.dismissed = true;
            self.crew.workers[worker].live = false;
        }
    }

    pub(super) fn is_ready(&mut self, worker: usize, device: String, [tensor, rows]: [usize; 2]) {
        self.limits.tensor = self.limits.tensor.min(tensor);
        self.limits.rows = self.limits.rows.min(rows);
        self.links[worker].device = device;
        self.links[worker].opening = None;
        self.ready.push(worker);
    }

    /// Takes in workers that have come: they get programs, what was written, and the weights of another.
    pub(super) fn welcome(&mut self) -> Result<(), BackendError> {
        for worker in std::mem::take(&mut self.ready) {
            if self.links[worker].dismissed || self.links[worker].live {
                continue;
            }
            let state = self.read_state()?;
            let known = self.links[worker].programs;
            for program in self.programs[known..].iter().cloned() {
                self.links[worker].send(Order::Compile(program));
            }
            for order in self.mirror.orders() {
                self.links[worker].send(order);
            }
            for order in state {
                self.links[worker].send(order);
            }
            self.links[worker].takes_part(Instant::now());
            self.crew.workers[worker].live = true;
            if self.links[worker].losses > 0 {
                log::info!("worker {worker} ({}) is back", self.links[worker].device);
            }
        }
        Ok(())
    }

    /// What a worker has to be told so that its weights are those of the others.
    pub(in crate::elastic) fn read_state(&mut self) -> Result<Vec<Order>, BackendError> {
        let mut orders = Vec::new();
        if self.leader().is_none() {
            return Ok(orders);
        }
        let members = self.log.len();
        for (buffer, len) in self.state.clone() {
            for member in 0..members {
                let values = self.read(&buffer, member, 0, len)?;
                orders.push(Order::Write {
                    buffer: buffer.clone(),
                    member,
                    offset: 0,
                    contents: Contents::Numbers(Values::new(values)),
                });
            }
        }
        Ok(orders)
    }

    /// The worker whose weights are read.
    pub(in crate::elastic) fn leader(&self) -> Option<usize> {
        self.links.iter().position(|link| link.live)
    }

    pub(super) fn leaves(&mut self, worker: usize, why: String) {
        self.links[worker].close(Some(why));
        self.crew.workers[worker].live = false;
        self.verify.forget(worker);
    }

    /// A worker is gone.
    pub(in crate::elastic) fn lose(
        &mut self,
        worker: usize,
        failure: Failure,
    ) -> Result<(), BackendError> {
        // A driver that panics as it is let go says so behind what it failed of.
        if self.links[worker].dismissed || self.links[worker].is_closed() {
            return Ok(());
        }
        let was_live = self.links[worker].live;
        let device = self.links[worker].device.clone();
        let reason = failure.reason.clone();
        self.notice(format!("worker {worker} ({device}) is lost: {reason}"));
        let link = &mut self.links[worker];
        if let Some(instead) = link.lost(failure, self.options.again, Instant::now()) {
            let kind = link.now.kind;
            self.notice(format!(
                "worker {worker} goes on as {instead}: its results may differ by rounding from those of {device}"
            ));
            let known = &mut self.crew.workers[worker];
            (known.device, known.stats) = (kind, Stats::default());
        }
        self.leaves(worker, reason);
        if was_live {
            self.run_elsewhere(worker)?;
            for shard in self.verify.unanswered() {
                self.check(shard);
            }
        }
        if self.leader().is_none() {
            return Err(self.gone());
        }
        Ok(())
    }

    /// A worker is waited for no longer, until it answers.
    pub(in crate::elastic) fn give_up(&mut self, worker: usize) {
        let (link, now) = (&mut self.links[worker], Instant::now());
        link.falls_out(now);
        link.late = Some(now);
        self.crew.workers[worker].live = false;
        self.verify.forget(worker);
    }

    /// A worker's weights are old: it gets those of the others.
    pub(in crate::elastic) fn reload(&mut self, worker: usize) {
        self.links[worker].live = false;
        self.crew.workers[worker].live = false;
        self.ready.push(worker);
    }

    /// A worker that was waited for no longer has answered: it is given the others' weights, and takes part again.
    pub(super) fn returns(&mut self, worker: usize) {
        log::info!(
            "worker {worker} ({}) answers again",
            self.links[worker].device
        );
        self.links[worker].late = None;
        self.ready.push(worker);
    }

    /// Opens workers again whose time has come, and takes in those that have come.
    pub(in crate::elastic) fn refresh(&mut self) -> Result<(), BackendError> {
        for worker in 0..self.links.len() {
            if self.links[worker].is_due() {
                self.links[worker].open(worker, &self.sender);
            }
        }
        while self.hear(Duration::ZERO)? {}
        self.look_for_silent()?;
        self.welcome()?;
        self.attend();
        self.choose();
        Ok(())
    }
}
