//! A worker that is alone makes steps by itself: there is nobody to exchange sums with.

use std::sync::Arc;
use std::time::Instant;

use super::{LOOK, Pool};
use crate::backend::BackendError;
use crate::elastic::message::{Made, Order};
use crate::elastic::policy::Ran;
use crate::program::Step;

/// Seconds that a lease takes about, which is how long others wait that come, and steps of it at most.
const TIME: f64 = 0.02;
const MOST: f64 = 256.0;

/// Steps of a lease, where each took so long before.
pub(in crate::elastic) fn count(each: Option<f64>) -> usize {
    each.map_or(1, |each| (TIME / each).clamp(1.0, MOST) as usize)
}

impl Pool {
    /// The only worker that there is, where nobody has to look after its steps.
    pub(super) fn lonely(&self) -> Option<usize> {
        let watched = self.options.verify > 0.0 || self.diverged;
        self.leader().filter(|_| self.is_alone() && !watched)
    }

    /// Has a worker make some of the steps alone. Returns how many.
    pub(super) fn lease(
        &mut self,
        worker: usize,
        programs: [usize; 2],
        steps: &[Vec<Step>],
    ) -> Result<usize, BackendError> {
        let start = Instant::now();
        let steps = Arc::new(steps[..steps.len().min(count(self.alone))].to_vec());
        let errand = self.runs(worker, programs[0], steps.iter().flatten());
        let number = errand.number;
        self.links[worker].send(Order::Lease {
            number,
            programs,
            steps: Arc::clone(&steps),
        });
        let made = loop {
            // If it is lost, nobody is left, which ends this.
            self.hear(LOOK)?;
            match self.leased.take() {
                Some((of, made)) if of == number => break made,
                _ => self.wait_for(&errand)?,
            }
        };
        self.ran_errand(&errand);
        for (step, made) in steps.iter().zip(&made) {
            self.made(worker, step, made);
        }
        let mut done = made.len();
        if let Some(step) = steps.get(done) {
            self.remake(vec![worker], programs, step)?;
            done += 1;
        }
        let took = start.elapsed();
        self.alone = Some(took.as_secs_f64() / done as f64);
        self.trained(took);
        self.settle()?;
        Ok(done)
    }

    /// Takes note of a step that a worker has made alone.
    fn made(&mut self, worker: usize, step: &[Step], made: &Made) {
        self.number += 1;
        for (shard, records) in step.iter().zip(&made.records) {
            self.note_records(shard.record as usize, records);
        }
        self.links[worker].shards += step.len() as u64;
        self.links[worker].busy += made.seconds;
        if let Some(first) = step.first() {
            let each = made.seconds / step.len() as f64;
            let ran = Ran {
                rows: first.rows,
                computing: each,
                response: each,
                share: 1.0,
                lead: Some(made.updating),
            };
            self.crew.note(worker, &ran, &mut *self.policy);
        }
    }
}
