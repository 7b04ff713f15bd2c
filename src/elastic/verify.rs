//! Shards that are run once more, to find workers that compute wrong.

use std::collections::BTreeMap;

use super::link::Link;
use crate::random::threefry2x32;

/// In the place of the hash of a result that is no number, or infinite.
pub(super) const UNSOUND: u64 = u64::MAX;

/// What is known of a shard's bits.
#[derive(Clone, Debug, Default)]
struct Entry {
    /// Hashes, with who found them.
    found: Vec<(usize, u64)>,
    asked: Option<usize>,
    decided: bool,
}

/// Whether a shard of a step is of the share that is checked.
pub(super) fn sampled(rate: f64, number: u64, shard: u32) -> bool {
    let [drawn, _] = threefry2x32([number as u32, (number >> 32) as u32], [shard, 0]);
    f64::from(drawn) < rate * 4_294_967_296.0
}

/// The bits that a worker found of a shard, among its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) shard: u32,
    pub(super) worker: usize,
    pub(super) hash: u64,
}

/// What comes of comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The shard has to be run once more.
    Open(u32),
    /// All say the same.
    Agreed,
    /// This worker is alone with its result, or has two of them.
    Wrong(usize),
    /// Nobody can be believed.
    Unclear(u32),
}

#[derive(Debug)]
pub(super) struct Verify {
    rate: f64,
    /// Whether every shard is checked, whatever the rate.
    all: bool,
    /// Program of a shard.
    pub(super) program: usize,
    entries: BTreeMap<u32, Entry>,
    pub(super) agreed: u64,
}

impl Verify {
    pub(super) fn new(rate: f64) -> Self {
        Verify {
            rate,
            all: false,
            program: 0,
            entries: BTreeMap::new(),
            agreed: 0,
        }
    }

    /// Whether every shard is checked from now on, or the share that was asked for.
    pub(super) fn check_all(&mut self, all: bool) {
        self.all = all;
    }

    /// A step begins.
    pub(super) fn begin(&mut self) {
        self.entries.clear();
    }

    pub(super) fn is_sampled(&self, number: u64, shard: u32) -> bool {
        self.all || sampled(self.rate, number, shard)
    }

    /// What was found of a shard of the last step, by whom.
    pub(super) fn found(&self, shard: u32) -> &[(usize, u64)] {
        self.entries
            .get(&shard)
            .map_or(&[], |entry| &entry.found[..])
    }

    /// Shards of a step that two workers of one kind do not agree on, from what each found.
    pub(super) fn disputed(found: &[Found], links: &[Link]) -> Vec<u32> {
        let mut shards: Vec<u32> = Vec::new();
        for one in found {
            let other = |other: &&Found| {
                other.shard == one.shard
                    && other.hash != one.hash
                    && links[other.worker].device == links[one.worker].device
            };
            if found.iter().any(|found| other(&found)) && !shards.contains(&one.shard) {
                shards.push(one.shard);
            }
        }
        shards
    }

    /// The hash of a shard's first run.
    pub(super) fn first(&mut self, shard: u32, worker: usize, hash: u64) {
        let entry = self.entries.entry(shard).or_default();
        if entry.found.is_empty() {
            entry.found.push((worker, hash));
        }
    }

    /// Whom to ask: one like the first who has said the least.
    pub(super) fn next(&mut self, shard: u32, links: &[Link]) -> Option<usize> {
        let entry = self.entries.get_mut(&shard)?;
        let &(first, _) = entry.found.first()?;
        if entry.decided || entry.asked.is_some() {
            return None;
        }
        let said = |worker: &usize| entry.found.iter().filter(|(by, _)| by == worker).count();
        let alike = (0..links.len())
            .filter(|&worker| links[worker].live && links[worker].device == links[first].device);
        let asked = alike.min_by_key(said);
        entry.asked = asked;
        asked
    }

    pub(super) fn second(&mut self, shard: u32, worker: usize, hash: u64) -> Verdict {
        let Some(entry) = self.entries.get_mut(&shard) else {
            return Verdict::Agreed;
        };
        entry.asked = None;
        if entry.decided {
            return Verdict::Agreed;
        }
        let own = |(by, other): &(usize, u64)| *by == worker && *other != hash;
        let contradicts = entry.found.iter().any(own);
        entry.found.push((worker, hash));
        let same = entry.found.iter().all(|&(_, other)| other == hash);
        if same {
            entry.decided = true;
            self.agreed += 1;
            return Verdict::Agreed;
        }
        let mut workers: Vec<usize> = entry.found.iter().map(|&(by, _)| by).collect();
        workers.sort_unstable();
        workers.dedup();
        if contradicts {
            return if workers.len() > 1 {
                Verdict::Wrong(worker)
            } else {
                Verdict::Unclear(shard)
            };
        }
        // A number that others have found is there to be found.
        let unsound = entry.found.iter().find(|&&(_, hash)| hash == UNSOUND);
        if let Some(&(worker, _)) = unsound {
            return Verdict::Wrong(worker);
        }
        // Of three, two are right.
        let says = |worker: usize, hash: u64| entry.found.contains(&(worker, hash));
        let agree = |&&(_, hash): &&(usize, u64)| {
            workers.iter().filter(|&&worker| says(worker, hash)).count() > 1
        };
        if let Some(&(_, right)) = entry.found.iter().find(agree) {
            let alone = entry.found.iter().find(|&&(_, hash)| hash != right);
            return alone.map_or(Verdict::Agreed, |&(worker, _)| Verdict::Wrong(worker));
        }
        if entry.found.len() >= 2 * workers.len() {
            return Verdict::Unclear(shard);
        }
        Verdict::Open(shard)
    }

    /// A worker's word counts no longer.
    pub(super) fn forget(&mut self, worker: usize) {
        for entry in self.entries.values_mut() {
            entry.asked = entry.asked.filter(|&asked| asked != worker);
            entry.found.retain(|&(by, _)| by != worker);
        }
        self.entries
            .retain(|_, entry| entry.decided || !entry.found.is_empty());
    }

    /// Shards that nobody is running once more, and somebody has to.
    pub(super) fn unanswered(&self) -> Vec<u32> {
        let open = |entry: &Entry| !entry.decided && entry.asked.is_none();
        let entries = self.entries.iter().filter(|(_, entry)| open(entry));
        entries.map(|(&shard, _)| shard).collect()
    }

    pub(super) fn is_done(&self) -> bool {
        self.entries.values().all(|entry| entry.decided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(found: &[(usize, u64)]) -> Verdict {
        let mut verify = Verify::new(1.0);
        verify.first(3, found[0].0, found[0].1);
        let mut verdict = Verdict::Open(3);
        for &(worker, hash) in &found[1..] {
            assert_eq!(verdict, Verdict::Open(3));
            verdict = verify.second(3, worker, hash);
        }
        verdict
    }

    #[test]
    fn who_is_alone_or_contradicts_itself_is_wrong() {
        assert_eq!(of(&[(0, 7), (1, 7)]), Verdict::Agreed);
        assert_eq!(of(&[(0, 7), (0, 7)]), Verdict::Agreed);
        assert_eq!(of(&[(0, 7), (1, 8), (2, 8)]), Verdict::Wrong(0));
        assert_eq!(of(&[(0, 7), (1, 8), (2, 7)]), Verdict::Wrong(1));
        assert_eq!(of(&[(0, 7), (1, 8), (0, 9)]), Verdict::Wrong(0));
        assert_eq!(of(&[(0, 7), (1, 8), (0, 7), (1, 8)]), Verdict::Unclear(3));
        assert_eq!(of(&[(0, 7), (0, 8)]), Verdict::Unclear(3));
        assert_eq!(of(&[(0, UNSOUND), (1, 8)]), Verdict::Wrong(0));
        assert_eq!(of(&[(0, 7), (1, UNSOUND)]), Verdict::Wrong(1));
        assert_eq!(of(&[(0, UNSOUND), (1, UNSOUND)]), Verdict::Agreed);
    }

    #[test]
    fn the_share_that_is_asked_for_is_sampled() {
        let verify = Verify::new(0.25);
        let sampled = (0..4000).filter(|&n| verify.is_sampled(n / 16, (n % 16) as u32));
        assert!((900..1100).contains(&sampled.count()));
        assert!((0..16).all(|shard| Verify::new(1.0).is_sampled(5, shard)));
        assert!(!(0..16).any(|shard| Verify::new(0.0).is_sampled(5, shard)));
    }
}
