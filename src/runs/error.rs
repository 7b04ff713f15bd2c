use std::path::PathBuf;

/// Why a run's folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum RunError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Another process trains in it.
    #[error(
        "{}: another process is training this run; wait for it, or name another folder",
        path.display()
    )]
    Locked { path: PathBuf },
    /// A run is there that is not at its end.
    #[error(
        "--run {0}: the folder holds an interrupted run; go on with it by gpu-mlp resume {0}, or name another folder",
        path.display()
    )]
    Interrupted { path: PathBuf },
    /// A run is there that is at its end.
    #[error("--run {}: the folder holds a finished run; name another folder", path.display())]
    Finished { path: PathBuf },
    /// Something else is there.
    #[error("--run {}: there is something else; name a new folder", path.display())]
    Occupied { path: PathBuf },
    /// No run is there.
    #[error(
        "{0}: there is no run in it; begin one by gpu-mlp train … --run {0}",
        path.display()
    )]
    NoRun { path: PathBuf },
    /// Its description is not one.
    #[error("{}: it describes no run of this version: {reason}; train anew into another folder", path.display())]
    Invalid { path: PathBuf, reason: String },
    /// Standard input is gone once it was read.
    #[error("--run: standard input cannot be read again; write the rows to a file and name that")]
    Input,
    /// The data is not what it was.
    #[error(
        "{data} has changed since the run {} began with it; bring it back as it was, or train anew into another folder",
        path.display()
    )]
    DataChanged { path: PathBuf, data: String },
    /// This program would train otherwise than the one that began.
    #[error(
        "{}: it began with {what}; go on with the version that began it ({began}), or train anew into another folder",
        path.display()
    )]
    Decided {
        path: PathBuf,
        what: String,
        began: String,
    },
    /// No checkpoint is whole.
    #[error(
        "{}: none of its {count} checkpoints can be read, the newest because {reason}; train anew into another folder",
        path.display()
    )]
    NoCheckpoint {
        path: PathBuf,
        count: usize,
        reason: String,
    },
}
