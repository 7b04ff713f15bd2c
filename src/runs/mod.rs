//! A run as a folder, so that it can be gone on with when it was interrupted.
//!
//! | in the folder | what it is |
//! | --- | --- |
//! | `run.json` | the [`Description`]: data, options, device |
//! | `log.jsonl` | what happened, a JSON object a line |
//! | `checkpoints/` | snapshots of the run, the last few: see [`Checkpoint`](checkpoint) |
//! | `model.safetensors` | the model, at the end |
//! | `lock` | held by the process that trains |

pub mod checkpoint;

mod error;
mod folder;
mod keeper;
mod log;

pub use error::RunError;
pub use folder::{Description, Found, RunFolder};
pub use keeper::Keeper;
pub use log::Log;
