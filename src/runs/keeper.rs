use std::cell::Cell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Log, checkpoint};
use crate::model::WholeFile;
use crate::train::{Due, Snapshot};

/// Writes a run's checkpoints and its log, in a thread of its own: whoever trains does not wait for the disk.
///
/// A snapshot that comes while the one before is still being written is left out, except for the last of a run.
#[derive(Debug)]
pub struct Keeper {
    sender: Sender<Message>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    /// Whether it was told that one was left out.
    told: Cell<bool>,
}

/// What the two threads both see.
#[derive(Debug, Default)]
struct Shared {
    /// Whether a checkpoint is being written.
    busy: AtomicBool,
    /// Why the last one was not.
    failed: Mutex<Option<String>>,
}

enum Message {
    Line(&'static str, Value),
    Checkpoint(Arc<Snapshot>),
}

impl Keeper {
    /// For checkpoints in `folder`, of which it keeps the last `count`.
    pub fn new(folder: PathBuf, count: usize, mut log: Log) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let write = move || {
            for message in receiver {
                match message {
                    Message::Line(event, fields) => log.write(event, &fields),
                    Message::Checkpoint(snapshot) => {
                        let start = Instant::now();
                        let written = write(&folder, &snapshot);
                        seen.busy.store(false, Ordering::Release);
                        let fields = json!({
                            "step": snapshot.steps(),
                            "epochs": snapshot.epochs(),
                            "seconds": start.elapsed().as_secs_f64(),
                        });
                        match &written {
                            Ok(()) => {
                                log.write("checkpoint", &fields);
                                prune(&folder, count);
                            }
                            Err(reason) => {
                                let text = format!(
                                    "the checkpoint of step {} could not be written: {reason}; training goes on",
                                    snapshot.steps()
                                );
                                ::log::warn!("{text}");
                                log.write(
                                    "checkpoint-failed",
                                    &json!({ "step": snapshot.steps(), "reason": reason }),
                                );
                            }
                        }
                        *seen.failed.lock().unwrap_or_else(PoisonError::into_inner) = written.err();
                    }
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("checkpoints".into())
            .spawn(write)?;
        Ok(Keeper {
            sender,
            shared,
            thread,
            told: Cell::new(false),
        })
    }

    /// Writes a snapshot, some time soon.
    pub fn keep(&self, snapshot: &Arc<Snapshot>, due: Due) {
        let busy = self.shared.busy.swap(true, Ordering::AcqRel);
        if busy && due == Due::Interval {
            if !self.told.replace(true) {
                ::log::warn!(
                    "checkpoints are due faster than they can be written; some are left out"
                );
            }
            self.line("checkpoint-left-out", json!({ "step": snapshot.steps() }));
            return;
        }
        // The thread ends when the sender does.
        let _ = self.sender.send(Message::Checkpoint(Arc::clone(snapshot)));
    }

    /// Adds a line to the log, some time soon.
    pub fn line(&self, event: &'static str, fields: Value) {
        let _ = self.sender.send(Message::Line(event, fields));
    }

    /// Waits until all is written. Returns why the last checkpoint was not, if so.
    pub fn finish(self) -> Option<String> {
        drop(self.sender);
        // A thread that panicked has said so.
        let _ = self.thread.join();
        let mut failed = self
            .shared
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        failed.take()
    }
}

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";

fn write(folder: &Path, snapshot: &Snapshot) -> Result<(), String> {
    let bytes = checkpoint::encode(snapshot)?;
    let path = folder.join(format!("{PREFIX}{:012}{SUFFIX}", snapshot.steps()));
    let write = || {
        let mut file = WholeFile::create(&path)?;
        file.write_all(&bytes)?;
        file.finish()
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

/// The checkpoints in a folder, the newest first.
pub(super) fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        let number = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        number.parse::<u64>().ok()
    };
    let paths = entries.map(|entry| entry.path());
    let mut numbered: Vec<_> = paths
        .filter_map(|path| number(&path).map(|number| (number, path)))
        .collect();
    numbered.sort_unstable_by(|one, other| other.cmp(one));
    numbered.into_iter().map(|(_, path)| path).collect()
}

/// Removes all checkpoints but the last `count`.
fn prune(folder: &Path, count: usize) {
    for path in checkpoints(folder).iter().skip(count) {
        // One that stays is no harm.
        let _ = std::fs::remove_file(path);
    }
}
