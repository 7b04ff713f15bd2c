//! The order in which shards are summed up: a binary tree over their numbers, whoever computed them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::backend::cpu::wide;

/// A node of the tree: the sum of the shards from `index·2^level` on, 2^level of them, as far as there are so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Node {
    /// 0 for a shard.
    pub(super) level: u8,
    /// Its position among the nodes of its level.
    pub(super) index: u32,
}

impl Node {
    /// A shard's own.
    pub(super) fn leaf(shard: u32) -> Self {
        Node {
            level: 0,
            index: shard,
        }
    }

    /// The sum of all of so many shards.
    pub(super) fn root(shards: u32) -> Self {
        Node {
            level: shards.max(1).next_power_of_two().trailing_zeros() as u8,
            index: 0,
        }
    }

    /// What it is part of.
    #[must_use]
    pub(super) fn parent(self) -> Self {
        Node {
            level: self.level + 1,
            index: self.index / 2,
        }
    }

    /// The other part of its parent.
    #[must_use]
    pub(super) fn sibling(self) -> Self {
        Node {
            index: self.index ^ 1,
            ..self
        }
    }

    /// Its first shard.
    pub(super) fn first(self) -> u32 {
        self.index << self.level
    }

    /// Its shards, of so many.
    pub(super) fn range(self, shards: u32) -> std::ops::Range<u32> {
        let end = (self.index + 1)
            .checked_shl(u32::from(self.level))
            .unwrap_or(shards);
        self.first().min(shards)..end.min(shards)
    }
}

/// The largest nodes that neighbours among some of `of` shards make up, in their order. Those that stay `alone` are in no larger one.
pub(super) fn nodes(shards: &[u32], of: u32, alone: impl Fn(u32) -> bool) -> Vec<Node> {
    let (root, mut nodes, mut rest) = (Node::root(of), Vec::new(), shards);
    while let Some(&first) = rest.first() {
        let mut node = Node::leaf(first);
        while node.level < root.level && node.parent().first() == first {
            let whole = node.parent().range(of);
            let there = rest.iter().copied().take(whole.len()).eq(whole.clone());
            if !there || whole.clone().any(&alone) {
                break;
            }
            node = node.parent();
        }
        rest = &rest[node.range(of).len().max(1)..];
        nodes.push(node);
    }
    nodes
}

/// What is summed up.
pub(super) trait Term {
    /// self += other, where self is of the lower shards.
    fn add(&mut self, other: &Self);
}

impl Term for () {
    fn add(&mut self, (): &()) {}
}

impl Term for Vec<f32> {
    fn add(&mut self, other: &Self) {
        add(self, other);
    }
}

/// Adds values to as many sums.
pub(super) fn add(sums: &mut [f32], values: &[f32]) {
    wide(
        #[inline(always)]
        || {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        },
    );
}

/// Gives the sums of two values each.
pub(super) fn add_both(sums: &mut [f32], ones: &[f32], others: &[f32]) {
    wide(
        #[inline(always)]
        || {
            for ((sum, one), other) in sums.iter_mut().zip(ones).zip(others) {
                *sum = one + other;
            }
        },
    );
}

/// Sums of some of a step's shards: no two of them overlap, and two that are next to each other in the tree are one.
#[derive(Clone, Debug)]
pub(super) struct Sum<T> {
    shards: u32,
    nodes: BTreeMap<Node, T>,
}

impl<T: Term> Sum<T> {
    /// Nothing yet, of so many shards.
    pub(super) fn new(shards: u32) -> Self {
        Sum {
            shards,
            nodes: BTreeMap::new(),
        }
    }

    /// The shards of the whole.
    pub(super) fn shards(&self) -> u32 {
        self.shards
    }

    /// Takes in a part. A part that is there already, alone or in a larger one, is left out: it has the same bits.
    pub(super) fn insert(&mut self, node: Node, value: T) {
        let root = Node::root(self.shards);
        let mut ancestor = node;
        while ancestor.level <= root.level {
            if self.nodes.contains_key(&ancestor) {
                return;
            }
            ancestor = ancestor.parent();
        }
        let inside =
            |other: &Node| other.level < node.level && other.first() >> node.level == node.index;
        self.nodes.retain(|other, _| !inside(other));
        let (mut node, mut value) = (node, value);
        while node != root {
            let sibling = node.sibling();
            if !sibling.range(self.shards).is_empty() {
                let Some(mut other) = self.nodes.remove(&sibling) else {
                    break;
                };
                if sibling.index < node.index {
                    other.add(&value);
                    value = other;
                } else {
                    value.add(&other);
                }
            }
            node = node.parent();
        }
        self.nodes.insert(node, value);
    }

    /// Whether a shard is in it.
    pub(super) fn covers(&self, shard: u32) -> bool {
        let mut node = Node::leaf(shard);
        while node.level <= Node::root(self.shards).level {
            if self.nodes.contains_key(&node) {
                return true;
            }
            node = node.parent();
        }
        false
    }

    /// Whether all shards are in it.
    pub(super) fn is_complete(&self) -> bool {
        self.nodes.contains_key(&Node::root(self.shards))
    }

    /// The sum of all shards, once they are all in it.
    pub(super) fn total(&mut self) -> Option<T> {
        self.nodes.remove(&Node::root(self.shards))
    }

    /// Takes out what cannot grow where it is: sums whose siblings are not made of what is here and of the shards for which
    /// `coming` holds.
    pub(super) fn ready(&mut self, coming: impl Fn(u32) -> bool) -> Vec<(Node, T)> {
        let root = Node::root(self.shards);
        let covered: Vec<Node> = self.nodes.keys().copied().collect();
        let there = |shard: u32| {
            let holds = |node: &Node| node.range(self.shards).contains(&shard);
            covered.iter().any(holds)
        };
        let (shards, mut ready) = (self.shards, Vec::new());
        for node in &covered {
            let mut others = node.sibling().range(shards);
            if *node == root || !others.all(|shard| coming(shard) || there(shard)) {
                ready.push(*node);
            }
        }
        self.take_if(|node| ready.contains(&node))
    }

    /// Takes out the sums for which `leaves` holds.
    pub(super) fn take_if(&mut self, leaves: impl Fn(Node) -> bool) -> Vec<(Node, T)> {
        let nodes: Vec<Node> = self
            .nodes
            .keys()
            .copied()
            .filter(|&node| leaves(node))
            .collect();
        let nodes = nodes.into_iter();
        nodes
            .filter_map(|node| self.nodes.remove(&node).map(|value| (node, value)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Leaves whose sum depends on the order.
    fn leaf(shard: u32) -> Vec<f32> {
        let x = (shard as f32 * 1.618).sin() * 10_f32.powi(shard as i32 % 7 - 3);
        vec![x, 1.0 / (x + 0.1)]
    }

    fn whole(shards: u32) -> Vec<f32> {
        fn value(node: Node, shards: u32) -> Vec<f32> {
            if node.level == 0 {
                return leaf(node.index);
            }
            let below = |index| Node {
                level: node.level - 1,
                index,
            };
            let (left, right) = (below(2 * node.index), below(2 * node.index + 1));
            let mut sum = value(left, shards);
            if !right.range(shards).is_empty() {
                sum.add(&value(right, shards));
            }
            sum
        }
        value(Node::root(shards), shards)
    }

    proptest! {
        #[test]
        fn any_division_of_the_work_has_the_bits_of_the_tree(
            shards in 1_u32..40,
            owners in proptest::collection::vec((0_usize..5, any::<u32>()), 40),
            twice in proptest::collection::vec(0_u32..40, 0..6),
        ) {
            // Each worker sums up what it has, in any order, sends what cannot grow, and some shards are run by two of them.
            let mut work: Vec<Vec<(u32, u32)>> = vec![Vec::new(); 6];
            for (shard, &(owner, order)) in (0..shards).zip(&owners) {
                work[owner].push((order, shard));
            }
            for (n, &shard) in twice.iter().filter(|&&shard| shard < shards).enumerate() {
                work[5].push((n as u32, shard));
            }
            let mut total = Sum::new(shards);
            for mut queue in work {
                queue.sort_unstable();
                let mut own = Sum::new(shards);
                while !queue.is_empty() {
                    let (_, shard) = queue.remove(0);
                    own.insert(Node::leaf(shard), leaf(shard));
                    let coming = |other| queue.iter().any(|&(_, shard)| shard == other);
                    for (node, value) in own.ready(coming) {
                        total.insert(node, value);
                    }
                }
                prop_assert!(own.nodes.is_empty());
            }
            prop_assert!((0..shards).all(|shard| total.covers(shard)) && total.is_complete());
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(total.total().map(bits), Some(bits(whole(shards))));
        }
    }

    proptest! {
        #[test]
        fn neighbours_are_in_the_largest_nodes_that_they_make_up(of in 1_u32..40, chosen in any::<u64>(), alone in any::<u64>()) {
            let bit = |word: u64, shard: u32| word >> shard & 1 == 1;
            let shards: Vec<u32> = (0..of).filter(|&shard| bit(chosen, shard)).collect();
            let found = nodes(&shards, of, |shard| bit(alone, shard));
            let covered: Vec<u32> = found.iter().flat_map(|node| node.range(of)).collect();
            prop_assert_eq!(covered, shards);
            for node in &found {
                prop_assert!(node.level == 0 || node.range(of).all(|shard| !bit(alone, shard)));
                let could_grow = node.level < Node::root(of).level
                    && node.parent().range(of).all(|shard| bit(chosen, shard) && !bit(alone, shard));
                prop_assert!(!could_grow, "{node:?} of {found:?}");
            }
        }
    }
}
