//! A worker's own part of a step: shards that wait, and sums that grow.

use std::collections::VecDeque;

use super::tree::{Node, Sum, Term, nodes};

/// Shards before a worker, and what it has made of those behind it. What waits are the largest nodes that the shards make up: a
/// worker runs those of one together.
#[derive(Clone, Debug)]
pub(super) struct Bench<T> {
    queue: VecDeque<Node>,
    running: Option<Node>,
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

    /// Puts shards behind those that wait. Those that stay `alone` are run with no other.
    pub(super) fn push(&mut self, shards: &[u32], alone: impl Fn(u32) -> bool) {
        let of = self.shards();
        let known = |shard: &u32| {
            let mut nodes = self.running.iter().chain(&self.queue);
            nodes.any(|node| node.range(of).contains(shard))
        };
        let new: Vec<u32> = shards
            .iter()
            .copied()
            .filter(|shard| !known(shard))
            .collect();
        self.queue.extend(nodes(&new, of, alone));
    }

    /// Leaves shards to others. Returns what can be sent now that they do not come.
    pub(super) fn skip(&mut self, shards: &[u32]) -> Vec<(Node, T)> {
        self.queue = without(&self.queue, shards, self.shards());
        self.ready()
    }

    /// Gives away as many of the last shards. Returns them, and what can be sent now that they do not come.
    pub(super) fn give(&mut self, count: usize) -> (Vec<u32>, Vec<(Node, T)>) {
        let given = last(self.queue.iter(), count, self.shards());
        let sums = self.skip(&given);
        (given, sums)
    }

    /// The next shards to run.
    pub(super) fn begin(&mut self) -> Option<Node> {
        self.running = self.queue.pop_front();
        self.running
    }

    /// Whether shards are under way.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Shards that wait.
    pub(super) fn waiting(&self) -> usize {
        let shards = self.shards();
        self.queue.iter().map(|node| node.range(shards).len()).sum()
    }

    /// Shards are run, and this is their sum. Returns the sums that do not grow any more here.
    pub(super) fn ran(&mut self, node: Node, value: T) -> Vec<(Node, T)> {
        self.running = None;
        self.sum.insert(node, value);
        self.ready()
    }

    fn ready(&mut self) -> Vec<(Node, T)> {
        let (queue, running, of) = (&self.queue, self.running, self.sum.shards());
        self.sum.ready(|shard| {
            let mut coming = running.iter().chain(queue);
            coming.any(|node| node.range(of).contains(&shard))
        })
    }
}

/// What is left of nodes without some of their shards.
pub(super) fn without(queue: &VecDeque<Node>, shards: &[u32], of: u32) -> VecDeque<Node> {
    let left = queue.iter().flat_map(|node| {
        let range = node.range(of);
        if range.clone().any(|shard| shards.contains(&shard)) {
            let left: Vec<u32> = range.filter(|shard| !shards.contains(shard)).collect();
            nodes(&left, of, |_| false)
        } else {
            vec![*node]
        }
    });
    left.collect()
}

/// The last shards of nodes, as many as `count` at most, in order.
pub(super) fn last<'a>(
    queue: impl DoubleEndedIterator<Item = &'a Node>,
    count: usize,
    of: u32,
) -> Vec<u32> {
    let backwards = queue.rev().flat_map(|node| node.range(of).rev());
    let mut shards: Vec<u32> = backwards.take(count).collect();
    shards.reverse();
    shards
}
