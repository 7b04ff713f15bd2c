//! Elastic training: a step's batch is cut into a fixed number of shards, which a policy maps onto whatever workers are
//! there.

mod bench;
mod peer;
pub mod policy;
mod round;
pub mod simulate;
mod tree;

pub use bench::Bench;
pub use peer::{Call, Letter, Members, Peer};
pub use round::{Crew, Order, Round};
pub use tree::{Node, Sum, Term};
