//! A worker's own part of a step: shards that wait, and sums that grow.

use std::collections::VecDeque;

use super::tree::{Node, Sum, Term};

/// Shards before a worker, and what it has made of those behind it.
#[derive(Clone, Debug)]
pub(super) struct Bench<T> {
    queue: VecDeque<u32>,
    running: Option<u32>,
    sum: Sum<T>,
}

impl<T: Term> Bench<T> {
    /// For a step of so many shards.
    pub(super) fn new(shards: u32) -> Self {
        Bench {
            queue: VecDeque::new(),
            running: None,
            sum: Sum::new(shards),
        }
    }

    /// Shards of the step.
    pub(super) fn shards(&self) -> u32 {
        self.sum.shards()
    }

    /// Puts shards behind those that wait.
    pub(super) fn push(&mut self, shards: &[u32]) {
        for &shard in shards {
            if self.running != Some(shard) && !self.queue.contains(&shard) {
                self.queue.push_back(shard);
            }
        }
    }

    /// Leaves shards to others. Returns what can be sent now that they do not come.
    pub(super) fn skip(&mut self, shards: &[u32]) -> Vec<(Node, T)> {
        self.queue.retain(|shard| !shards.contains(shard));
        self.ready()
    }

    /// Gives away as many of the last shards. Returns them, and what can be sent now that they do not come.
    pub(super) fn give(&mut self, count: usize) -> (Vec<u32>, Vec<(Node, T)>) {
        let kept = self.queue.len().saturating_sub(count);
        let given = self.queue.split_off(kept).into();
        (given, self.ready())
    }

    /// The next shard to run.
    pub(super) fn begin(&mut self) -> Option<u32> {
        self.running = self.queue.pop_front();
        self.running
    }

    /// Whether a shard is under way.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Shards that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// A shard is run. Returns the sums that do not grow any more here.
    pub(super) fn ran(&mut self, shard: u32, value: T) -> Vec<(Node, T)> {
        self.running = None;
        self.sum.insert(Node::leaf(shard), value);
        self.ready()
    }

    fn ready(&mut self) -> Vec<(Node, T)> {
        let (queue, running) = (&self.queue, self.running);
        self.sum
            .ready(|shard| running == Some(shard) || queue.contains(&shard))
    }
}
