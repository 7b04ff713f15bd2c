//! Training: how rows are divided, and the loop that turns a program's steps into a trained network.

mod run;
mod split;

pub use run::{Epoch, Options, Outcome, TrainError, train};
pub use split::{Split, split};
