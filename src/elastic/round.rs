//! A step as its coordinator sees it: which shard is with whom, and what to do when a worker is done, late or lost.
//!
//! It neither waits nor sends: what happened goes in, orders come out. The pool and the simulator drive the same code.

use std::collections::VecDeque;

use super::bench::{last, without};
use super::crew::Crew;
use super::policy::{Late, Policy, Ran, Shard, neighbours, steal};
use super::tree::{Node, Sum, Term, nodes};

/// What a worker shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Run these shards, behind those that it has.
    Run {
        /// Position of the worker.
        worker: usize,
        /// In this order.
        shards: Vec<u32>,
    },
    /// Leave these shards to another, if they are not begun yet.
    Skip {
        /// Position of the worker.
        worker: usize,
        /// Which.
        shards: Vec<u32>,
    },
}

/// What a worker has of the step.
#[derive(Clone, Debug, Default)]
struct Hand {
    /// Shards that it was given and has not reported, as it runs them together; the first are under way.
    queue: VecDeque<Node>,
    /// When the first was begun, or is taken to have been.
    since: f64,
    /// Shards that are with it, or were run by it: what is lost with it unless their sum has arrived.
    held: Vec<u32>,
    /// Whether it has reported some of them.
    has_run: bool,
}

/// One step's shards.
#[derive(Debug)]
pub(super) struct Round<T> {
    step: u64,
    shards: Vec<Shard>,
    /// Whether each is run with no other.
    alone: Vec<bool>,
    hands: Vec<Hand>,
    sum: Sum<T>,
}

/// Floating-point operations a second that the slowest of workers makes, by far.
const SLOWEST: f64 = 1e9;

/// Workers that are looked at for shards to steal: all of a small crew, some of a large one.
const LOOKED_AT: usize = 16;

impl<T: Term> Round<T> {
    /// Gives the shards out, of which some are run with no other; `None` if no worker is live.
    pub(super) fn new(
        step: u64,
        shards: Vec<Shard>,
        alone: impl Fn(u32) -> bool,
        crew: &mut Crew,
        policy: &mut dyn Policy,
        now: f64,
    ) -> Option<(Self, Vec<Order>)> {
        let mut round = Round {
            step,
            hands: vec![Hand::default(); crew.workers.len()],
            sum: Sum::new(shards.len() as u32),
            alone: shards.iter().map(|shard| alone(shard.number)).collect(),
            shards,
        };
        let all = round.shards.clone();
        let (assigned, _) = crew.assign(step, &all, policy)?;
        let orders = round.give(&all, &assigned, crew, now);
        Some((round, orders))
    }

    fn give(&mut self, shards: &[Shard], assigned: &[usize], crew: &Crew, now: f64) -> Vec<Order> {
        let runs = neighbours(shards, assigned, crew.workers.len());
        let runs = runs.into_iter().enumerate();
        let given = runs.filter(|(_, run)| !run.is_empty());
        given
            .map(|(worker, shards)| self.order(worker, shards, now))
            .collect()
    }

    fn order(&mut self, worker: usize, shards: Vec<u32>, now: f64) -> Order {
        let hand = &mut self.hands[worker];
        if hand.queue.is_empty() {
            hand.since = now;
        }
        let alone = &self.alone;
        let nodes = nodes(&shards, alone.len() as u32, |shard| alone[shard as usize]);
        hand.queue.extend(nodes);
        hand.held.extend(&shards);
        Order::Run { worker, shards }
    }

    /// A worker has run shards together in so many seconds, and their sums are here. It may get others, which are then taken from one that is late.
    pub(super) fn ran(
        &mut self,
        worker: usize,
        (node, seconds): (Node, f64),
        crew: &mut Crew,
        policy: &mut dyn Policy,
        now: f64,
    ) -> Vec<Order> {
        let of = self.shards.len() as u32;
        let (hand, ran) = (&mut self.hands[worker], node.range(of));
        // What a shard took, of those that were run together.
        let count = ran.len().max(1) as f64;
        let took = now - hand.since;
        let lead = (!hand.has_run).then(|| (took - seconds).max(0.0));
        hand.has_run = true;
        let ran_all = Ran {
            rows: self.shards[ran.start as usize].rows,
            computing: seconds / count,
            response: took / count,
            share: count / hand.held.len().max(1) as f64,
            lead,
        };
        crew.note(worker, &ran_all, policy);
        let is_open = |other: &Node| {
            let other = other.range(of);
            other.end <= ran.start || ran.end <= other.start
        };
        hand.queue.retain(is_open);
        hand.since = now;
        if hand.queue.is_empty() && !self.sum.is_complete() {
            return self.idle(worker, crew, policy, now);
        }
        Vec::new()
    }

    /// A worker has nothing to do.
    fn idle(
        &mut self,
        worker: usize,
        crew: &Crew,
        policy: &mut dyn Policy,
        now: f64,
    ) -> Vec<Order> {
        self.hands
            .resize_with(crew.workers.len().max(self.hands.len()), Hand::default);
        let rows = self.shards.first().map_or(0, |shard| shard.rows);
        let of = self.shards.len() as u32;
        let view = crew.view(self.step, &self.shards);
        if !crew.workers[worker].live || policy.predicted(&view, worker, rows).is_none() {
            return Vec::new();
        }
        let count = self.hands.len();
        let first = if count > LOOKED_AT {
            (worker * 7919 + self.step as usize * 104_729) % count
        } else {
            0
        };
        let looked_at = (0..count.min(LOOKED_AT)).map(|n| (first + n) % count);
        let mut others = Vec::new();
        for other in looked_at.filter(|&other| other != worker) {
            let hand = &self.hands[other];
            let mut sizes = hand.queue.iter().map(|node| node.range(of).len());
            let (first, waiting) = (sizes.next().unwrap_or(0), sizes.sum());
            if waiting > 0 {
                let each = policy.predicted(&view, other, rows).unwrap_or(0.0);
                let lead = crew.workers[other].stats.lead.filter(|_| !hand.has_run);
                let current = lead.unwrap_or(0.0) + each * first as f64;
                others.push(Late {
                    worker: other,
                    waiting,
                    current: (current - (now - hand.since)).max(0.0),
                });
            }
        }
        let Some((victim, count)) = steal(policy, &view, worker, rows, &others) else {
            return Vec::new();
        };
        let hand = &mut self.hands[victim];
        let stolen = last(hand.queue.iter().skip(1), count, of);
        hand.queue = without(&hand.queue, &stolen, of);
        hand.held.retain(|shard| !stolen.contains(shard));
        let run = self.order(worker, stolen.clone(), now);
        vec![
            run,
            Order::Skip {
                worker: victim,
                shards: stolen,
            },
        ]
    }

    /// The sum of some shards has arrived.
    pub(super) fn summed(&mut self, node: Node, value: T) {
        self.sum.insert(node, value);
    }

    /// A worker is gone, or is waited for no longer: its shards whose sums are not here go to others. `None` if there is none.
    pub(super) fn lost(
        &mut self,
        worker: usize,
        crew: &Crew,
        policy: &mut dyn Policy,
        now: f64,
    ) -> Option<Vec<Order>> {
        self.hands
            .resize_with(crew.workers.len().max(self.hands.len()), Hand::default);
        self.hands[worker] = Hand::default();
        self.again(crew, policy, now)
    }

    /// Gives out the shards that nobody has; `None` if there are some, and no worker is live.
    pub(super) fn again(
        &mut self,
        crew: &Crew,
        policy: &mut dyn Policy,
        now: f64,
    ) -> Option<Vec<Order>> {
        let mut held = vec![false; self.shards.len()];
        for &shard in self.hands.iter().flat_map(|hand| &hand.held) {
            held[shard as usize] = true;
        }
        let mut again: Vec<u32> = (0..self.shards.len() as u32).collect();
        again.retain(|&shard| !held[shard as usize] && !self.sum.covers(shard));
        if again.is_empty() {
            return Some(Vec::new());
        }
        let again: Vec<Shard> = again
            .iter()
            .map(|&shard| self.shards[shard as usize])
            .collect();
        let assigned = policy.assign(&crew.view(self.step, &again))?;
        Some(self.give(&again, &assigned, crew, now))
    }

    /// Workers that have been at their shard for longer than `limit` seconds, or than eight times the time predicted for it.
    pub(super) fn overdue(
        &self,
        limit: f64,
        crew: &Crew,
        policy: &mut dyn Policy,
        now: f64,
    ) -> Vec<usize> {
        let view = crew.view(self.step, &self.shards);
        let mut late = Vec::new();
        for (worker, hand) in self.hands.iter().enumerate() {
            if let Some(node) = hand.queue.front() {
                let shards = node.range(self.shards.len() as u32);
                let rows = self.shards[shards.start as usize].rows;
                let usual = policy.predicted(&view, worker, rows);
                let usual = usual.unwrap_or(crew.shape.flops * f64::from(rows) / SLOWEST);
                let usual = usual * shards.len() as f64;
                if now - hand.since > limit.max(8.0 * usual) {
                    late.push(worker);
                }
            }
        }
        late
    }

    /// Whether all shards are summed up.
    pub(super) fn is_complete(&self) -> bool {
        self.sum.is_complete()
    }

    /// The sum of all shards, once it is there.
    pub(super) fn total(&mut self) -> Option<T> {
        self.sum.total()
    }
}
