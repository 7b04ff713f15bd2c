//! The workers of a run, as whoever gives out shards sees them.

use super::members::Members;
use super::policy::{Policy, Ran, Record, Shape, Shard, View, Worker};

/// The workers of a run, and what their shards cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Crew {
    /// By position; none is ever taken out.
    pub(super) workers: Vec<Worker>,
    /// What a shard costs.
    pub(super) shape: Shape,
    /// Workers that compute at a time for each core.
    pub(super) load: f64,
    /// By position, those that are given nothing.
    left_out: Vec<LeftOut>,
}

/// A worker that is given nothing.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    /// Steps since it was given something.
    steps: u32,
    /// How often it was tried since the policy gave it something.
    tried: u32,
}

impl LeftOut {
    /// Steps, of those that are looked at, behind which it is tried: each time twice as many.
    fn is_due(self) -> bool {
        self.steps >= PATIENCE << self.tried.min(16)
    }
}

/// Steps behind which a worker that is given nothing is tried for the first time.
const PATIENCE: u32 = 16;

impl Crew {
    /// Such workers.
    pub(super) fn new(workers: Vec<Worker>, shape: Shape, load: f64) -> Self {
        Crew {
            workers,
            shape,
            load,
            left_out: Vec::new(),
        }
    }

    pub(super) fn view<'a>(&'a self, step: u64, shards: &'a [Shard]) -> View<'a> {
        View {
            step,
            shape: self.shape,
            workers: &self.workers,
            shards,
            load: self.load,
        }
    }

    /// Those that stand by, of all who are there, are called in if none else works.
    pub(super) fn call_in(&mut self, there: &[usize]) {
        if self.used() == 0 {
            for &worker in there {
                self.workers[worker].live = true;
            }
        }
    }

    /// Workers that are used; the others stand by, or are not there.
    pub(super) fn used(&self) -> usize {
        self.workers.iter().filter(|worker| worker.live).count()
    }

    /// Gives a step's shards out as the policy says, and now and then one to a worker that it gives none: what it goes by may be so no more.
    /// Returns the position of each shard's worker, and whether one is tried by that; `None` if no worker is live.
    pub(super) fn assign(
        &mut self,
        step: u64,
        shards: &[Shard],
        policy: &mut dyn Policy,
    ) -> Option<(Vec<usize>, bool)> {
        let mut assigned = policy.assign(&self.view(step, shards))?;
        let tries = policy.measures() && self.try_out(&mut assigned);
        Some((assigned, tries))
    }

    /// Gives a shard to each worker that is due, of one that has several.
    fn try_out(&mut self, assigned: &mut [usize]) -> bool {
        let mut counts = vec![0; self.workers.len()];
        for &worker in &*assigned {
            counts[worker] += 1;
        }
        self.left_out.resize(counts.len(), LeftOut::default());
        let (mut tries, mut places) = (false, (0..assigned.len()).rev());
        for worker in 0..counts.len() {
            let out = &mut self.left_out[worker];
            if counts[worker] > 0 {
                *out = LeftOut::default();
                continue;
            }
            if !self.workers[worker].live {
                continue;
            }
            out.steps += 1;
            if out.is_due()
                && let Some(place) = places.find(|&place| counts[assigned[place]] > 1)
            {
                counts[assigned[place]] -= 1;
                assigned[place] = worker;
                (out.steps, out.tried, tries) = (0, out.tried + 1, true);
            }
        }
        tries
    }

    /// Takes note of what a worker took for a shard.
    pub(super) fn note(&mut self, worker: usize, ran: &Ran, policy: &mut dyn Policy) {
        let Worker { device, stats, .. } = self.workers[worker];
        policy.note(&Record {
            device,
            shape: self.shape,
            rows: ran.rows,
            load: self.load,
            recent: stats.rate.map(|rate| 1.0 / rate),
            seconds: ran.computing,
        });
        self.workers[worker].stats.add(ran);
    }

    /// Where each member's shards begin, if so many equal ones are given out among the live workers, and whether one is tried by that. Members
    /// are all that are `there`; those that are not live stand by, and have none.
    pub(super) fn members(
        &mut self,
        step: u64,
        shards: &[Shard],
        there: &[usize],
        policy: &mut dyn Policy,
    ) -> Option<(Members, bool)> {
        let (assigned, tries) = self.assign(step, shards, policy)?;
        let mut counts = vec![0; self.workers.len()];
        for worker in assigned {
            counts[worker] += 1;
        }
        let mut next = 0;
        let starts = there.iter().map(|&worker| {
            let first = next;
            next += counts[worker];
            first
        });
        let members = Members {
            starts: starts.collect(),
            ids: there
                .iter()
                .map(|&worker| self.workers[worker].id)
                .collect(),
            shards: shards.len() as u32,
        };
        Some((members, tries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elastic::policy::{DeviceKind, PolicyName, Stats};

    /// One that takes so many seconds for a shard of a row.
    fn taking(id: u32, seconds: f64) -> Worker {
        let mut worker = Worker {
            id,
            device: DeviceKind::Gpu,
            live: true,
            weight: 1.0,
            stats: Stats::default(),
        };
        worker.stats.add(&took(seconds));
        worker
    }

    fn took(seconds: f64) -> Ran {
        Ran {
            rows: 1,
            computing: seconds,
            response: seconds,
            share: 1.0,
            lead: None,
        }
    }

    /// Of steps that are given out, those in which the last of three workers has shards, and how many.
    fn of_the_last(name: PolicyName, then: f64) -> Vec<(u64, usize)> {
        let workers = vec![taking(0, 1.0), taking(1, 1.0), taking(2, 1000.0)];
        let mut crew = Crew::new(workers, Shape::default(), 1.0);
        let (mut policy, mut found) = (name.policy(Vec::new()), Vec::new());
        let shards: Vec<Shard> = (0..4).map(|number| Shard { number, rows: 1 }).collect();
        for step in 1..=120 {
            let assigned = crew.assign(step, &shards, &mut *policy);
            let (assigned, tries) = assigned.expect("there are workers");
            let count = assigned.iter().filter(|&&worker| worker == 2).count();
            assert!(assigned.contains(&0) && assigned.contains(&1));
            assert!(tries <= (count == 1));
            if count > 0 {
                found.push((step, count));
                crew.note(2, &took(then), &mut *policy);
            }
        }
        found
    }

    #[test]
    fn a_worker_that_is_given_nothing_is_tried_now_and_then() {
        for name in [
            PolicyName::LeastResponseTime,
            PolicyName::Throughput,
            PolicyName::Learned,
        ] {
            // It is as slow as it was: behind 16 steps, 32 more, 64 more.
            let found = of_the_last(name, 1000.0);
            assert_eq!(found, [(16, 1), (48, 1), (112, 1)], "{name:?}");
            // It is as fast as the others again.
            let found = of_the_last(name, 1.0);
            assert_eq!(found.len(), 105, "{name:?}");
            assert_eq!(found[0], (16, 1));
        }
    }

    #[test]
    fn a_worker_that_is_to_have_nothing_has_nothing() {
        let mut workers = vec![taking(0, 1.0), taking(1, 1.0)];
        workers[1].weight = 0.0;
        let mut crew = Crew::new(workers, Shape::default(), 1.0);
        let shards: Vec<Shard> = (0..4).map(|number| Shard { number, rows: 1 }).collect();
        let mut policy = PolicyName::Weighted.policy(Vec::new());
        for step in 0..40 {
            let assigned = crew.assign(step, &shards, &mut *policy);
            assert_eq!(assigned, Some((vec![0; 4], false)));
        }
    }
}
