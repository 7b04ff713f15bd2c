//! A step without a coordinator: what a worker tells its peers, and does when it hears from them.
//!
//! Each shard has a home, a member of the step: the shards of a member are neighbours. A home runs its shards, gives some to
//! whoever is idle and asks, and sums are sent to the home of the larger sum that they are part of, until all is one, which
//! goes back to all along a tree. A shard's result is the same bits wherever it is run and a sum that arrives twice counts
//! once, so that no step needs an agreement: a member that is gone is replaced by the next one, which runs its shards
//! again.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bench::Bench;
use super::letter::{Call, Letter};
use super::members::{Members, home, stands_in};
use super::policy::worth_stealing;
use super::tree::{Node, Sum, Term};

/// What a member did of others' shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Shards that it was given as it asked.
    pub(super) stolen: u64,
    /// Shards that it was to run again, as who had them was gone.
    pub(super) repeated: u64,
}

/// One member's view of its step.
#[derive(Clone, Debug)]
pub(super) struct Peer<T> {
    members: Arc<Members>,
    rank: usize,
    step: u64,
    alone: bool,
    gone: Vec<usize>,
    bench: Bench<T>,
    /// Parts that are summed up here.
    sum: Sum<T>,
    /// What was sent, and to whom, in case that is lost.
    sent: Vec<(usize, Node, T)>,
    /// What was given to thieves.
    given: Vec<(usize, Vec<u32>)>,
    /// Whom the idle member asks next, and whether it waits for an answer.
    asked: usize,
    waiting_for: Option<usize>,
    /// The sums of all shards of this step, if it is there, and of some before, the newest last.
    totals: VecDeque<(u64, T)>,
    /// The sum, where it was made, until those without shards have come close enough.
    whole: Option<T>,
    /// By member, the step at least that it is known to be at.
    at: Vec<u64>,
    behind: bool,
    /// Calls of steps that this member is not at yet.
    early: Vec<(usize, u64, Call<T>)>,
    counts: Counts,
}

/// Steps whose sums are kept for members that lack them.
const KEPT: usize = 4;

/// Members that an idle one asks for work in a step.
const ASKED: usize = 8;

impl<T: Term + Clone> Peer<T> {
    /// At the beginning of a step, with the sum of the step before. Shards are run `alone`, or neighbours together.
    pub(super) fn new(members: Arc<Members>, rank: usize, step: u64, alone: bool) -> Self {
        let shards = members.shards;
        let mut peer = Peer {
            rank,
            step,
            alone,
            gone: Vec::new(),
            bench: Bench::new(shards),
            sum: Sum::new(shards),
            sent: Vec::new(),
            given: Vec::new(),
            asked: 0,
            waiting_for: None,
            totals: VecDeque::new(),
            whole: None,
            at: vec![step; members.ids.len()],
            behind: false,
            early: Vec::new(),
            counts: Counts::default(),
            members,
        };
        peer.begin(step);
        peer
    }

    /// Goes on to a step. What is known of the others' absence stays.
    fn begin(&mut self, step: u64) {
        self.step = step;
        self.bench = Bench::new(self.members.shards);
        self.sum = Sum::new(self.members.shards);
        self.whole = None;
        self.sent.clear();
        self.given.clear();
        self.asked = 0;
        self.waiting_for = None;
        for rank in 0..self.members.ids.len() {
            if self.stands_in(rank) == self.rank {
                let block = self.block(rank);
                self.push(&block);
            }
        }
    }

    /// Puts shards behind those that wait here. Returns how many come to be run by that.
    fn push(&mut self, shards: &[u32]) -> u64 {
        let (before, alone) = (self.bench.waiting(), self.alone);
        self.bench.push(shards, |_| alone);
        // Once the sum is known, nothing is run any more.
        match self.total() {
            None => (self.bench.waiting() - before) as u64,
            Some(_) => 0,
        }
    }

    /// What it did of others' shards, of all steps.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// The step that it is at.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    fn block(&self, rank: usize) -> Vec<u32> {
        let starts = &self.members.starts;
        let end = starts.get(rank + 1).copied().unwrap_or(self.members.shards);
        (starts[rank]..end).collect()
    }

    /// Who does the work of a member: itself, or the next that is not gone.
    fn stands_in(&self, rank: usize) -> usize {
        stands_in(self.members.ids.len(), &self.gone, rank, self.rank)
    }

    fn home(&self, shard: u32) -> usize {
        home(&self.members, &self.gone, shard, self.rank)
    }

    /// The next shards to run here, together.
    pub(super) fn begin_shards(&mut self) -> Option<Node> {
        self.bench.begin()
    }

    /// Whether nothing is to be done but wait.
    pub(super) fn is_idle(&self) -> bool {
        !self.bench.is_running() && self.bench.waiting() == 0
    }

    /// Shards were run here. Returns what is to be sent.
    pub(super) fn ran(&mut self, node: Node, value: T) -> Vec<Letter<T>> {
        let mut out = Vec::new();
        for (node, value) in self.bench.ran(node, value) {
            self.place(node, value, &mut out);
        }
        out
    }

    /// Puts a sum where it grows on: here, or at the home of what it is part of.
    fn place(&mut self, node: Node, value: T, out: &mut Vec<Letter<T>>) {
        self.sum.insert(node, value);
        let (members, gone) = (Arc::clone(&self.members), self.gone.clone());
        let me = self.rank;
        let elsewhere = |node: Node| home(&members, &gone, node.parent().first(), me) != me;
        for (node, value) in self.sum.take_if(elsewhere) {
            let to = self.home(node.parent().first());
            self.sent.push((to, node, value.clone()));
            self.send(to, Call::Part { node, value }, out);
        }
        if let Some(total) = self.sum.total() {
            self.whole = Some(total);
            self.conclude(out);
        }
    }

    /// Gives the sum to all, once nobody falls back by that further than it can follow: a step does not wait for those that
    /// have no shards otherwise.
    fn conclude(&mut self, out: &mut Vec<Letter<T>>) {
        let mut others = (0..self.at.len()).filter(|rank| !self.gone.contains(rank));
        let follows = |rank: usize| {
            let takes_part = rank == self.rank || !self.has_none(rank);
            takes_part || self.at[rank] + KEPT as u64 > self.step
        };
        if others.all(follows)
            && let Some(total) = self.whole.take()
        {
            self.finish(&total, out);
        }
    }

    /// Whether a member has no shards of its own, and only hears what comes of a step.
    fn has_none(&self, rank: usize) -> bool {
        self.block(rank).is_empty()
    }

    /// Who has no shards tells where the sum is made how far it has come.
    fn tell(&self, out: &mut Vec<Letter<T>>) {
        let to = self.home(0);
        if self.has_none(self.rank) && to != self.rank {
            self.send(to, Call::At, out);
        }
    }

    fn send(&self, to: usize, call: Call<T>, out: &mut Vec<Letter<T>>) {
        out.push(Letter {
            to,
            step: self.step,
            call,
        });
    }

    fn finish(&mut self, total: &T, out: &mut Vec<Letter<T>>) {
        if self.total().is_none() {
            self.totals.push_back((self.step, total.clone()));
            if self.totals.len() > KEPT {
                self.totals.pop_front();
            }
            self.forward(self.rank, total, self.step, out);
        }
    }

    /// Lets go of sums that nobody lacks any more.
    fn forget(&mut self) {
        while let Some((step, _)) = self.totals.front()
            && *step < self.step
            && (0..self.at.len())
                .all(|rank| rank == self.rank || self.at[rank] > *step || self.gone.contains(&rank))
        {
            self.totals.pop_front();
        }
    }

    /// Sends the sum to the members below one in the tree of the step, and below those of them that are gone. The tree's root
    /// is the home of the first shard.
    fn forward(&self, rank: usize, total: &T, step: u64, out: &mut Vec<Letter<T>>) {
        let count = self.members.ids.len();
        let root = self.home(0);
        let place = (rank + count - root) % count;
        for child in [2 * place + 1, 2 * place + 2]
            .into_iter()
            .filter(|&child| child < count)
        {
            let to = (child + root) % count;
            if self.gone.contains(&to) {
                self.forward(to, total, step, out);
            } else {
                out.push(Letter {
                    to,
                    step,
                    call: Call::Total {
                        value: total.clone(),
                    },
                });
            }
        }
    }

    /// The sum of all shards of the step, once it is known.
    pub(super) fn total(&self) -> Option<&T> {
        let last = self.totals.back().filter(|(step, _)| *step == self.step);
        last.map(|(_, total)| total)
    }

    /// Whether the others have gone on so far that nobody has the sum that this member lacks: it has to leave, and may come
    /// again with what they have.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Goes on to the next step, of which something may have been heard already.
    pub(super) fn advance(&mut self) -> Vec<Letter<T>> {
        self.begin(self.step + 1);
        let mut out = Vec::new();
        self.tell(&mut out);
        for (from, step, call) in std::mem::take(&mut self.early) {
            out.extend(self.hear(from, step, call, 0.0));
        }
        out
    }

    /// A peer has told something. `each` is what this member takes for a shard, in seconds.
    pub(super) fn hear(
        &mut self,
        from: usize,
        step: u64,
        call: Call<T>,
        each: f64,
    ) -> Vec<Letter<T>> {
        let mut out = Vec::new();
        self.at[from] = self.at[from].max(step);
        self.forget();
        if matches!(call, Call::At) {
            self.conclude(&mut out);
            return out;
        }
        if step > self.step {
            let late = step - self.step >= KEPT as u64;
            self.behind |= late && matches!(call, Call::Total { .. });
            self.early.push((from, step, call));
            return out;
        }
        if step < self.step {
            // Who still asks about an old step lacks its sum.
            let asks = matches!(call, Call::Steal { .. } | Call::Part { .. });
            for (last, total) in self.totals.iter().filter(|(last, _)| asks && *last >= step) {
                out.push(Letter {
                    to: from,
                    step: *last,
                    call: Call::Total {
                        value: total.clone(),
                    },
                });
            }
            return out;
        }
        match call {
            Call::Steal { each: own } => {
                // Who only asks whether this member is there may have missed the sum.
                if own.is_infinite()
                    && let Some(value) = self.total().cloned()
                {
                    self.send(from, Call::Total { value }, &mut out);
                }
                let current = if self.bench.is_running() {
                    each / 2.0
                } else {
                    0.0
                };
                let mut count = worth_stealing(current, self.bench.waiting(), each, own);
                if self.gone.contains(&from) {
                    count = 0;
                }
                let (shards, sums) = self.bench.give(count);
                for (node, value) in sums {
                    self.place(node, value, &mut out);
                }
                if !shards.is_empty() {
                    self.given.push((from, shards.clone()));
                }
                self.send(from, Call::Give { shards }, &mut out);
            }
            Call::Give { shards } => {
                self.waiting_for = None;
                self.counts.stolen += self.push(&shards);
            }
            Call::Part { node, value } => self.place(node, value, &mut out),
            Call::Total { value } => self.finish(&value, &mut out),
            Call::At => {}
        }
        out
    }

    /// An idle member asks the next one for work, unless it has asked enough, or stands by, as it has no shards of its own.
    pub(super) fn ask(&mut self, each: f64) -> Option<Letter<T>> {
        let count = self.members.ids.len();
        if !self.is_idle() || self.waiting_for.is_some() || self.total().is_some() {
            return None;
        }
        let mut own = self.stands_for().into_iter();
        if own.all(|rank| self.block(rank).is_empty()) {
            return None;
        }
        while self.asked < ASKED.min(count.saturating_sub(1)) {
            let turn = (self.step as usize).wrapping_mul(7919) % (count - 1);
            let to = (self.rank + 1 + (turn + self.asked) % (count - 1)) % count;
            self.asked += 1;
            if !self.gone.contains(&to) {
                self.waiting_for = Some(to);
                return Some(Letter {
                    to,
                    step: self.step,
                    call: Call::Steal { each },
                });
            }
        }
        None
    }

    /// A member is gone: what was its home is another's now.
    pub(super) fn lost(&mut self, rank: usize) -> Vec<Letter<T>> {
        let mut out = Vec::new();
        if rank == self.rank || self.gone.contains(&rank) {
            return out;
        }
        let root = self.home(0);
        let before = self.stands_for();
        self.gone.push(rank);
        if self.waiting_for == Some(rank) {
            self.waiting_for = None;
        }
        // Shards of its that come to this member, and those that it had stolen here.
        for other in self.stands_for() {
            if !before.contains(&other) {
                let block = self.block(other);
                self.counts.repeated += self.push(&block);
            }
        }
        let mut stolen = Vec::new();
        self.given.retain(|(thief, shards)| {
            if *thief == rank {
                stolen.extend(shards);
            }
            *thief != rank
        });
        self.counts.repeated += self.push(&stolen);
        // What it was sent goes to who stands in for it.
        let mut again = Vec::new();
        self.sent.retain(|(to, node, value)| {
            if *to == rank {
                again.push((*node, value.clone()));
            }
            *to != rank
        });
        for (node, value) in again {
            self.place(node, value, &mut out);
        }
        let to = self.home(0);
        if root == rank {
            self.tell(&mut out);
        }
        self.conclude(&mut out);
        for (step, total) in &self.totals {
            self.forward(self.rank, total, *step, &mut out);
            if root == rank && to != self.rank {
                out.push(Letter {
                    to,
                    step: *step,
                    call: Call::Total {
                        value: total.clone(),
                    },
                });
            }
        }
        out
    }

    /// Members whose work is this one's.
    fn stands_for(&self) -> Vec<usize> {
        let count = self.members.ids.len();
        let before = (1..count).map(|n| (self.rank + count - n) % count);
        let gone = before.take_while(|rank| self.gone.contains(rank));
        gone.chain([self.rank]).collect()
    }
}

#[cfg(test)]
mod tests;
