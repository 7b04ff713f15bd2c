use serde::{Deserialize, Serialize};

/// Who takes part in some steps, and whose shards are where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Members {
    /// Numbers of the workers.
    pub(super) ids: Vec<u32>,
    /// By member, the first of its shards; the next one's is the end of them.
    pub(super) starts: Vec<u32>,
    /// Shards of a step.
    pub(super) shards: u32,
}

impl Members {
    /// Shards that a member is given of each step.
    pub(super) fn given(&self, rank: usize) -> usize {
        let end = self.starts.get(rank + 1).unwrap_or(&self.shards);
        self.starts
            .get(rank)
            .map_or(0, |start| end.saturating_sub(*start) as usize)
    }
}

/// The member that does the work of `rank`: itself, or the next that is not gone.
pub(super) fn stands_in(count: usize, gone: &[usize], rank: usize, me: usize) -> usize {
    let mut after = (0..count)
        .map(|n| (rank + n) % count)
        .filter(|rank| !gone.contains(rank));
    after.next().unwrap_or(me)
}

/// The member that has a shard.
pub(super) fn home(members: &Members, gone: &[usize], shard: u32, me: usize) -> usize {
    let behind = members.starts.partition_point(|&start| start <= shard);
    stands_in(members.ids.len(), gone, behind.saturating_sub(1), me)
}
