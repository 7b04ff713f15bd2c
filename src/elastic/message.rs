//! What a pool and its workers tell each other.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use serde::{Deserialize, Serialize};

use super::letter::Call;
use super::members::{Members, home};
use super::peer::Counts;
use super::sums::{Summed, Total, Values};
use super::tree::Node;
use super::verify::sampled;
use crate::backend::BackendError;
use crate::program::{Program, Step};

/// Records of a step, by member.
pub(super) type Records = Vec<Vec<f32>>;

/// A step that a worker has made alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Made {
    /// What its shards took.
    pub(super) seconds: f64,
    /// What the update took.
    pub(super) updating: f64,
    /// Of each shard its record, by member.
    pub(super) records: Vec<Records>,
}

/// Contents of a buffer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Contents {
    /// Numbers.
    Numbers(Values),
    /// Row indices.
    Indices(Arc<Vec<u32>>),
}

/// One shard of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Its number among the shards.
    pub(super) shard: u32,
    /// What its program is run with.
    pub(super) step: Step,
    /// Whether a hash of its result is wanted.
    pub(super) hashed: bool,
}

/// Steps that workers make among themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Slice {
    /// Who takes part.
    pub(super) members: Arc<Members>,
    /// The receiver's rank among them.
    pub(super) rank: usize,
    /// Where each member's letters go.
    #[serde(skip)]
    pub(super) peers: Vec<Sender<Order>>,
    /// Gradients' program and update's program, by their order of compilation.
    pub(super) programs: [usize; 2],
    /// Number of the first step.
    pub(super) first: u64,
    /// The shards of each step.
    pub(super) steps: Arc<Vec<Vec<Step>>>,
    /// Seconds after which a peer that does not answer is taken to be gone.
    pub(super) limit: f64,
    /// Whether a step is left to the pool whose sum is no number.
    pub(super) doubts: bool,
    /// Share of the shards that are run twice.
    pub(super) verify: f64,
    /// By rank, who runs those of its shards once more.
    pub(super) checkers: Arc<Vec<usize>>,
}

impl Slice {
    /// Whether a shard of a step is run twice.
    pub(super) fn is_sampled(&self, number: u64, shard: u32) -> bool {
        sampled(self.verify, number, shard)
    }

    /// Shards of a step that this member runs once more.
    pub(super) fn checked(&self, number: u64) -> impl Iterator<Item = u32> + '_ {
        (0..self.members.shards).filter(move |&shard| {
            let home = home(&self.members, &[], shard, self.rank);
            self.checkers[home] == self.rank && self.is_sampled(number, shard)
        })
    }
}

/// What a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Make a program ready; programs are numbered in order.
    Compile(Arc<Program>),
    /// Write into a buffer.
    Write {
        /// Its name.
        buffer: String,
        /// Whose part.
        member: usize,
        /// From this element on.
        offset: usize,
        /// What.
        contents: Contents,
    },
    /// Answer with what a buffer holds.
    Read {
        /// By which the answer is known.
        number: u64,
        /// Its name.
        buffer: String,
        /// Whose part.
        member: usize,
        /// From this element on.
        offset: usize,
        /// So many values.
        len: usize,
    },
    /// Run a program's steps and answer with their records.
    Run {
        /// By which the answer is known.
        number: u64,
        /// Which.
        program: usize,
        /// Its steps.
        steps: Vec<Step>,
    },
    /// Run shards of a step, behind those that wait.
    Shards {
        /// The step's number.
        number: u64,
        /// Program of a shard.
        program: usize,
        /// Shards of the step.
        of: u32,
        /// Which.
        parts: Vec<Part>,
    },
    /// Leave shards to others, if they are not begun.
    Skip {
        /// The step's number.
        number: u64,
        /// Which.
        shards: Vec<u32>,
    },
    /// Run a shard once more, for its hash alone.
    Check {
        /// The step's number.
        number: u64,
        /// Program of a shard.
        program: usize,
        /// Which.
        part: Part,
    },
    /// The sum of all shards: update the weights by it.
    Update {
        /// Gradients' program, which says what was summed up, and update's program.
        programs: [usize; 2],
        /// What it is run with.
        step: Step,
        /// Shards that were summed up.
        of: u32,
        /// Gradients and running statistics of all members.
        total: Total,
    },
    /// Make steps alone, from the first on: there is no other worker.
    Lease {
        /// By which the answer is known.
        number: u64,
        /// Gradients' program and update's program.
        programs: [usize; 2],
        /// The shards of each step.
        steps: Arc<Vec<Vec<Step>>>,
    },
    /// Check the kernels of the programs that there are, and leave all else.
    Examine,
    /// Come to an end; if that is for something that is wrong with it, for what.
    Leave(Option<String>),
    /// Make steps with peers; letters are for them.
    Slice(Slice),
    /// A peer's letter: from its rank, for a step of a slice that begins with `first`.
    Letter {
        /// First step of the slice.
        first: u64,
        /// The sender's rank.
        from: usize,
        /// The step.
        step: u64,
        /// What is told.
        call: Call<Summed>,
    },
    /// A peer of a slice is gone.
    Gone {
        /// First step of the slice.
        first: u64,
        /// Its rank.
        rank: usize,
    },
}

impl Order {
    /// The same, with sums made: for whoever is far away, and would have to be sent every part.
    pub(super) fn made(mut self) -> Self {
        match &mut self {
            Order::Update { total, .. } => total.make(),
            Order::Letter {
                call: Call::Part { value, .. } | Call::Total { value },
                ..
            } => value.total.make(),
            _ => {}
        }
        self
    }
}

/// Where a member of a slice came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reached {
    /// Number of its next step.
    pub(super) step: u64,
    /// Peers that it found gone, by rank.
    pub(super) gone: Vec<usize>,
    /// Whether the last sum was of numbers.
    pub(super) sound: bool,
    /// Seconds of each step that it made.
    pub(super) times: Vec<f64>,
    /// Seconds of these in which it updated its weights.
    pub(super) updating: f64,
    /// What it did of others' shards.
    pub(super) counts: Counts,
}

/// Why a worker cannot go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// In words.
    pub(super) reason: String,
    /// Whether it is its device's memory that does not suffice.
    pub(super) memory: bool,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        let memory = false;
        Failure { reason, memory }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Failure {
            memory: matches!(error, BackendError::OutOfMemory { .. }),
            reason: match error {
                // What to do about it is said where it is known.
                BackendError::OutOfMemory { device, reason } => {
                    format!("{device} has no memory left: {reason}")
                }
                error => error.to_string(),
            },
        }
    }
}

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It is there.
    Ready {
        /// Its device, for people.
        device: String,
        /// The largest things that it takes: elements of a tensor, rows of a batch.
        limits: [usize; 2],
    },
    /// What was to be read.
    Values {
        /// The order's number.
        number: u64,
        /// These.
        values: Vec<f32>,
    },
    /// Steps were run.
    Ran {
        /// The order's number.
        number: u64,
        /// Records of the steps, by member.
        records: Records,
    },
    /// Shards are run, together.
    Shards {
        /// The step's number.
        number: u64,
        /// Which.
        node: Node,
        /// What they took.
        seconds: f64,
        /// Of each its record, by member.
        records: Vec<Records>,
        /// Of their sum, if that was wanted.
        hash: Option<u64>,
        /// Sums that do not grow any more where it is.
        sums: Vec<(Node, Values)>,
        /// Whether these are numbers, none of them infinite.
        sound: bool,
    },
    /// Sums that do not grow any more since shards went elsewhere.
    Sums {
        /// The step's number.
        number: u64,
        /// Which.
        sums: Vec<(Node, Values)>,
        /// Whether these are numbers, none of them infinite.
        sound: bool,
    },
    /// The hash of a shard that was run once more.
    Checked {
        /// The step's number.
        number: u64,
        /// Which.
        shard: u32,
        /// Of its result.
        hash: u64,
    },
    /// Steps were made alone.
    Leased {
        /// The order's number.
        number: u64,
        /// Those that were made. If there are fewer than were ordered, the next one's gradient is no number, or infinite, and the
        /// weights are those before it.
        made: Vec<Made>,
    },
    /// It has made steps of a slice.
    Reached(Reached),
    /// Kernels were checked against their twins.
    Examined {
        /// How many.
        kernels: usize,
        /// Those that are off, by how much.
        off: Vec<(String, f32)>,
    },
    /// It cannot go on.
    Failed(Failure),
}
