//! Training: how rows are divided, and the loop that turns a program's steps into trained networks.

mod plan;
mod run;
mod split;

pub use run::{
    End, Epoch, Event, Member, Options, Outcome, Rows, Scores, TrainError, Trained, train,
};
pub use split::{Split, split};
