//! Elastic training: a step's batch is cut into a fixed number of shards, which a policy maps onto whatever workers are
//! there.

mod alone;
mod awake;
mod bench;
mod crew;
mod crowd;
mod letter;
mod link;
mod member;
mod members;
mod memory;
mod message;
mod mirror;
mod peer;
pub mod policy;
mod pool;
mod process;
mod round;
pub mod simulate;
mod slice;
mod spread;
mod sums;
mod tree;
mod verify;
mod worker;

pub use link::{Ends, Joined, Opener, Spec, Start};
pub use memory::{load_records, save_records};
pub use pool::{Pool, PoolOptions, PoolReport, Remote, WorkerReport};
pub use process::serve;
