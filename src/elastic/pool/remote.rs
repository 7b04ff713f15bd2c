//! What others may ask of a pool while it trains.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Pool, PoolReport};
use crate::elastic::link::{Link, Post, Spec};
use crate::elastic::policy::Record;

/// A way to a pool from other threads, or to the one that takes its place.
#[derive(Clone, Default)]
pub struct Remote(Arc<Mutex<Board>>);

#[derive(Default)]
struct Board {
    wish: Option<Vec<Spec>>,
    /// Workers of a pool that has ended.
    left: Vec<Post>,
    joining: Vec<Spec>,
    report: Option<PoolReport>,
    records: Vec<Record>,
    notices: VecDeque<String>,
}

/// Notices that are kept until somebody takes them.
const NOTICES: usize = 256;

impl Remote {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for these workers in place of those that are there, from one of the next steps on.
    pub fn scale(&self, workers: Vec<Spec>) {
        self.board().wish = Some(workers);
    }

    /// The workers that the last pool has left, with what each had become by its losses.
    pub(super) fn left(&self) -> Vec<Post> {
        self.board().left.clone()
    }

    /// Devices that a worker of the last pool may come to be on, beside the one that was asked for; of that which has the most.
    pub fn others(&self) -> usize {
        let board = self.board();
        board.left.iter().map(Post::others).max().unwrap_or(0)
    }

    /// A worker comes besides those that are there, from one of the next steps on.
    pub fn join(&self, worker: Spec) {
        self.board().joining.push(worker);
    }

    /// What the workers have done so far; nothing before the first step.
    pub fn report(&self) -> Option<PoolReport> {
        self.board().report.clone()
    }

    /// Workers that are there; nothing before the first step.
    pub fn live(&self) -> Option<usize> {
        let board = self.board();
        let report = board.report.as_ref()?;
        Some(report.workers.iter().filter(|worker| worker.live).count())
    }

    /// What befell the workers since this was last asked, in order; the last 256 lines of it.
    pub fn notices(&self) -> Vec<String> {
        self.board().notices.drain(..).collect()
    }

    /// What the policy has learned from, for the next run.
    pub fn records(&self) -> Vec<Record> {
        self.board().records.clone()
    }
}

/// How old a report may be.
const AGE: Duration = Duration::from_millis(100);

impl Pool {
    /// Tells what befell the workers.
    pub(in crate::elastic) fn notice(&self, text: String) {
        log::warn!("{text}");
        let mut board = self.options.remote.board();
        board.notices.push_back(text);
        let most = board.notices.len().min(NOTICES);
        let old = board.notices.len() - most;
        board.notices.drain(..old);
    }

    /// Does what was asked for, between two steps.
    pub(super) fn attend(&mut self) {
        let wish = self.options.remote.board().wish.take();
        if let Some(wanted) = wish {
            self.leaving = self.change(wanted);
        }
        let joining = std::mem::take(&mut self.options.remote.board().joining);
        for spec in joining {
            log::info!("{} joins, as worker {}", spec.name, self.links.len());
            self.start(spec);
        }
        let stays = |(worker, link): (usize, &Link)| {
            link.live && !link.is_joined() && !self.leaving.contains(&worker)
        };
        if self.links.iter().enumerate().any(stays) {
            for worker in std::mem::take(&mut self.leaving) {
                self.dismiss(worker);
            }
        }
        if self.told.is_none_or(|told| told.elapsed() > AGE) {
            self.publish();
        }
    }

    /// Lets others see what the workers have done.
    pub(in crate::elastic) fn publish(&mut self) {
        self.told = Some(Instant::now());
        let report = self.report();
        let mut board = self.options.remote.board();
        board.report = Some(report);
        board.records = self.policy.records();
    }

    /// Starts those of the workers that are missing, and gives the others their weights. Returns those that are there and not wanted.
    fn change(&mut self, mut wanted: Vec<Spec>) -> Vec<usize> {
        // Who has come by itself goes by itself.
        let ours = |link: &Link| !link.dismissed && !link.is_joined();
        let mut there: Vec<usize> = (0..self.links.len())
            .filter(|&worker| ours(&self.links[worker]))
            .collect();
        // Those that work are kept first.
        there.sort_by_key(|&worker| !self.links[worker].live);
        let mut leaving = Vec::new();
        for worker in there {
            let link = &mut self.links[worker];
            if link.is_over() {
                // Another comes in its place.
                self.dismiss(worker);
                continue;
            }
            let alike = |spec: &Spec| spec.name == link.spec.name;
            let same = |spec: &Spec| alike(spec) && spec.weight == link.spec.weight;
            let place = wanted.iter().position(same);
            match place.or_else(|| wanted.iter().position(alike)) {
                Some(place) => {
                    link.spec.weight = wanted.remove(place).weight;
                    self.crew.workers[worker].weight = link.spec.weight;
                }
                None => leaving.push(worker),
            }
        }
        log::info!(
            "{} workers come, {} go, as asked for",
            wanted.len(),
            leaving.len()
        );
        for spec in wanted {
            self.start(spec);
        }
        leaving
    }
}

impl Pool {
    /// Leaves the workers to the pool that takes the place of this one, and what was asked for and is not done.
    fn hand_over(&self) {
        let mut board = self.options.remote.board();
        board.left = self.links.iter().filter_map(Link::post).collect();
        if !self.leaving.is_empty() {
            let links = self.links.iter().enumerate();
            let stay = links.filter(|(worker, link)| {
                !link.dismissed && !link.is_joined() && !self.leaving.contains(worker)
            });
            let wanted = || stay.map(|(_, link)| link.spec.clone()).collect();
            board.wish.get_or_insert_with(wanted);
        }
    }
}

/// How long workers may take to let go of their devices.
const LAST: Duration = Duration::from_secs(10);

impl Drop for Pool {
    /// A program that ends while its threads still let go of their devices makes drivers crash.
    fn drop(&mut self) {
        self.hand_over();
        let until = Instant::now() + LAST;
        for link in &mut self.links {
            if link.late.is_some() {
                link.abandon();
            }
            link.close(None);
        }
        for link in &mut self.links {
            link.join(until);
        }
    }
}
