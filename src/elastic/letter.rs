use serde::{Deserialize, Serialize};

use super::tree::Node;

/// What peers tell each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Call<T> {
    /// The sender is idle, and takes so many seconds for a shard.
    Steal {
        /// Seconds a shard.
        each: f64,
    },
    /// What the sender leaves to the thief; may be nothing.
    Give {
        /// Which shards.
        shards: Vec<u32>,
    },
    /// A sum of shards.
    Part {
        /// Which.
        node: Node,
        /// Their sum.
        value: T,
    },
    /// The sum of all shards.
    Total {
        /// The sum.
        value: T,
    },
    /// The sender, which has no shards, is at this step.
    At,
}

/// A call with its step and whom it is for, by rank among the members.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter<T> {
    /// The receiver's rank.
    pub(super) to: usize,
    /// Number of the step.
    pub(super) step: u64,
    /// What is told.
    pub(super) call: Call<T>,
}
