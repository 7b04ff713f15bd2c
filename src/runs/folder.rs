use std::fs::{File, OpenOptions, ReadDir, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keeper::checkpoints;
use super::log::lines;
use super::{Keeper, Log, RunError, checkpoint};
use crate::elastic::policy::PolicyName;
use crate::elastic::simulate::Scheduling;
use crate::model::WholeFile;
use crate::train::{Config, Interval, Plan, Snapshot};

/// Version of the description; a run of another one is refused.
const VERSION: u32 = 1;

const DESCRIPTION: &str = "run.json";
const LOCK: &str = "lock";
const LOG: &str = "log.jsonl";
const CHECKPOINTS: &str = "checkpoints";

/// All that a run is gone on with, beside its checkpoints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// Version of this description.
    pub version: u32,
    /// Version of the program that began.
    pub program: String,
    /// The data, by its whole path, or a built-in data set.
    pub data: String,
    /// [`Plan::fingerprint`] of it.
    pub fingerprint: String,
    /// Where the first weights came from, if from a file.
    pub init_from: Option<PathBuf>,
    /// The options as they were given.
    pub given: Config,
    /// The options with all that was decided.
    pub effective: Config,
    /// What trained, as `--device` takes it.
    pub device: String,
    /// The workers, as `--workers` takes them, if there were some.
    pub workers: Option<String>,
    /// Which of them runs which shard, if that was said.
    pub policy: Option<PolicyName>,
    /// Who decides, if that was said.
    pub scheduling: Option<Scheduling>,
    /// The share of shards that are run twice, if one was said.
    pub verify: Option<f64>,
    /// Whether each is a process of its own, if that was said.
    pub worker_processes: Option<bool>,
    /// The model file, by its whole path.
    pub out: PathBuf,
    /// With folds, the file for what each row's fold answers.
    pub out_of_fold: Option<PathBuf>,
    /// Between two checkpoints.
    pub checkpoint_every: Interval,
    /// Checkpoints that are kept.
    pub keep_checkpoints: usize,
    /// Why the run came to its end, once it did.
    pub end: Option<String>,
}

/// The folder of a run that this process trains; no other process does, as long as this is there.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Locked until it is dropped, or the process ends.
    _lock: File,
    /// What the run is.
    pub description: Description,
}

/// A checkpoint that training goes on from.
#[derive(Debug)]
pub struct Found {
    /// What is in it.
    pub snapshot: Snapshot,
    /// Its file.
    pub path: PathBuf,
    /// What was wrong with those that are newer, a sentence each.
    pub notices: Vec<String>,
    /// What is lost at most, for people; nothing where the run was stopped.
    pub lost: Option<String>,
}

impl Description {
    /// Of a run that begins, without its options.
    pub fn new(data: &str, plan: &Plan, given: Config) -> std::io::Result<Self> {
        let data = match data {
            name if crate::data::BUILTIN.contains(&name) => name.to_owned(),
            path => std::path::absolute(path)?.display().to_string(),
        };
        Ok(Description {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            data,
            fingerprint: plan.fingerprint(),
            init_from: None,
            given,
            effective: plan.config.clone(),
            device: String::new(),
            workers: None,
            policy: None,
            scheduling: None,
            verify: None,
            worker_processes: None,
            out: PathBuf::new(),
            out_of_fold: None,
            checkpoint_every: Interval::default(),
            keep_checkpoints: 3,
            end: None,
        })
    }

    fn read(file: &Path) -> Result<Self, RunError> {
        let text = std::fs::read(file).map_err(|source| RunError::Io {
            path: file.into(),
            source,
        })?;
        let invalid = |reason: String| RunError::Invalid {
            path: file.into(),
            reason,
        };
        let value: Value =
            serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
        if value["version"] != VERSION {
            return Err(invalid(format!(
                "it has version {}, not {VERSION}",
                value["version"]
            )));
        }
        serde_json::from_value(value).map_err(|error| invalid(error.to_string()))
    }
}

impl RunFolder {
    /// Whether a run can begin in a folder: it is not there yet, or has nothing but what a run leaves that was ended as it began.
    pub fn vacant(path: &Path) -> Result<(), RunError> {
        let failed = |source| RunError::Io {
            path: path.into(),
            source,
        };
        match std::fs::read_dir(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(RunError::Occupied { path: path.into() });
            }
            entries => {
                if is_bare(entries, true).map_err(failed)? {
                    return Ok(());
                }
            }
        }
        if !path.join(DESCRIPTION).is_file() {
            return Err(RunError::Occupied { path: path.into() });
        }
        let folder = RunFolder::open(path)?;
        Err(match folder.description.end {
            None => RunError::Interrupted { path: path.into() },
            Some(_) => RunError::Finished { path: path.into() },
        })
    }

    /// Begins a run in a folder.
    pub fn create(path: &Path, description: Description) -> Result<Self, RunError> {
        let failed = |source| RunError::Io {
            path: path.into(),
            source,
        };
        RunFolder::vacant(path)?;
        std::fs::create_dir_all(path).map_err(failed)?;
        let lock = lock(path)?;
        // Another process may have begun a run since, and ended it.
        if path.join(DESCRIPTION).exists() {
            return Err(RunError::Occupied { path: path.into() });
        }
        std::fs::create_dir_all(path.join(CHECKPOINTS)).map_err(failed)?;
        let folder = RunFolder {
            path: path.into(),
            _lock: lock,
            description,
        };
        folder.describe()?;
        Ok(folder)
    }

    /// Goes on with the run in a folder.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let file = path.join(DESCRIPTION);
        if !file.is_file() {
            return Err(RunError::NoRun { path: path.into() });
        }
        let lock = lock(path)?;
        Ok(RunFolder {
            path: path.into(),
            _lock: lock,
            description: Description::read(&file)?,
        })
    }

    /// What a run is, and the lines of its log, whoever trains it.
    pub fn look(path: &Path) -> Result<(Description, Vec<Value>), RunError> {
        let file = path.join(DESCRIPTION);
        if !file.is_file() {
            return Err(RunError::NoRun { path: path.into() });
        }
        Ok((Description::read(&file)?, lines(&path.join(LOG))))
    }

    /// Whether a process has the run and has told nothing of it in its log so far: it reads the data.
    pub fn is_starting(path: &Path) -> bool {
        let lock = File::open(path.join(LOCK));
        let held = lock.is_ok_and(|lock| is_held(&lock));
        let changed = |name| std::fs::metadata(path.join(name)).and_then(|file| file.modified());
        held && changed(LOG).ok() < changed(LOCK).ok()
    }

    /// Whether a plan trains as the run began: its data, and everything that was decided.
    pub fn check(&self, plan: &Plan) -> Result<(), RunError> {
        let Description {
            effective, program, ..
        } = &self.description;
        if plan.fingerprint() != self.description.fingerprint {
            return Err(RunError::DataChanged {
                path: self.path.clone(),
                data: self.description.data.clone(),
            });
        }
        let options = |config: &Config| serde_json::to_value(config).unwrap_or_default();
        let (then, now) = (options(effective), options(&plan.config));
        let keys = now.as_object().into_iter().flatten().map(|(key, _)| key);
        // More epochs may be asked for.
        match keys
            .filter(|&key| key != "epochs")
            .find(|&key| then[key] != now[key])
        {
            None => Ok(()),
            Some(key) => Err(RunError::Decided {
                path: self.path.clone(),
                what: format!(
                    "{key} {}, where this program (version {}) has {}",
                    then[key],
                    env!("CARGO_PKG_VERSION"),
                    now[key]
                ),
                began: program.clone(),
            }),
        }
    }

    /// The newest checkpoint that is whole; `None` if none was written yet. Those that are not are put aside.
    pub fn newest(&self) -> Result<Option<Found>, RunError> {
        let paths = checkpoints(&self.path.join(CHECKPOINTS));
        let mut notices = Vec::new();
        let mut damaged: Vec<&PathBuf> = Vec::new();
        let mut first = None;
        for path in &paths {
            let read = std::fs::read(path).map_err(|error| error.to_string());
            let readable = read.is_ok();
            match read.and_then(checkpoint::decode) {
                Ok(snapshot) => {
                    for path in damaged {
                        // One that stays is seen again the next time, or written over.
                        let _ = std::fs::rename(path, path.with_extension("damaged"));
                    }
                    return Ok(Some(Found {
                        lost: self.lost(snapshot.steps()),
                        snapshot,
                        path: path.clone(),
                        notices,
                    }));
                }
                Err(reason) => {
                    notices.push(format!(
                        "{}: {reason}; the one before is taken",
                        path.display()
                    ));
                    damaged.extend(readable.then_some(path));
                    first.get_or_insert(reason);
                }
            }
        }
        first.map_or(Ok(None), |reason| {
            Err(RunError::NoCheckpoint {
                path: self.path.clone(),
                count: paths.len(),
                reason,
            })
        })
    }

    /// What came behind the checkpoint of a step at most: what the log tells of, and one interval more.
    fn lost(&self, step: u64) -> Option<String> {
        let lines = lines(&self.path.join(LOG));
        let at = |line: &&Value| line["step"] == step;
        let last = lines.last();
        if last.is_some_and(|line| line["event"] == "stopped" && at(&line)) {
            return None;
        }
        let written = lines
            .iter()
            .rev()
            .find(|line| line["event"] == "checkpoint" && at(line));
        Some(match self.description.checkpoint_every {
            Interval::Steps(every) => {
                let told = lines.iter().filter_map(|line| line["step"].as_u64()).max();
                let steps = told.unwrap_or(step).saturating_sub(step);
                format!("{} steps", steps.saturating_add(every))
            }
            Interval::Time(every) => {
                let time = |line: Option<&Value>| line.and_then(|line| line["time"].as_f64());
                let taken = time(written).zip(written.and_then(|line| line["seconds"].as_f64()));
                let taken = taken.map(|(time, seconds)| time - seconds);
                let since = time(last)
                    .zip(taken)
                    .map_or(0.0, |(last, taken)| (last - taken).max(0.0));
                let lost = every + Duration::from_secs_f64(since.min(1e9));
                format!("{:.1} s of training", lost.as_secs_f64())
            }
        })
    }

    /// What writes checkpoints and the log of this run.
    pub fn keeper(&self) -> Result<Keeper, RunError> {
        let path = self.path.join(LOG);
        let log = Log::open(&path).map_err(|source| RunError::Io { path, source })?;
        let folder = self.path.join(CHECKPOINTS);
        // What a process had begun when it was ended.
        let entries = [&self.path, &folder].map(std::fs::read_dir);
        for entry in entries.into_iter().flatten().flatten().flatten() {
            if WholeFile::is_left(&entry.path()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let count = self.description.keep_checkpoints;
        Keeper::new(folder, count, log).map_err(|source| RunError::Io {
            path: self.path.clone(),
            source,
        })
    }

    /// Writes the description as it is now.
    pub fn describe(&self) -> Result<(), RunError> {
        let path = self.path.join(DESCRIPTION);
        let write = || {
            let mut file = WholeFile::create(&path)?;
            let told = told(serde_json::to_value(&self.description)?);
            file.write_all(&serde_json::to_vec_pretty(&told)?)?;
            file.write_all(b"\n")?;
            file.finish()
        };
        write().map_err(|source| RunError::Io {
            path: path.clone(),
            source,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether nothing is in a folder but files that were not finished and, if it is a run's, its lock and a folder for checkpoints of which
/// the same is true.
fn is_bare(entries: std::io::Result<ReadDir>, of_run: bool) -> std::io::Result<bool> {
    for entry in entries? {
        let (entry, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
        let left = match entry.to_str() {
            Some(LOCK) => of_run,
            Some(CHECKPOINTS) if of_run && path.is_dir() => {
                is_bare(std::fs::read_dir(&path), false)?
            }
            _ => WholeFile::is_temporary(&path),
        };
        if !left {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Without what is nothing.
fn told(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            fields.map(|(key, value)| (key, told(value))).collect()
        }
        other => other,
    }
}

/// A lock that ends with its process at the latest.
fn lock(path: &Path) -> Result<File, RunError> {
    let file = path.join(LOCK);
    let failed = |source| RunError::Io {
        path: file.clone(),
        source,
    };
    let lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&file)
        .map_err(failed)?;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if is_held(&lock) => {
                return Err(RunError::Locked { path: path.into() });
            }
            // Somebody has looked whether it is held.
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    // Who asks for a run's standing sees by it whether the log is of this process; at worst it is told as before.
    let _ = lock.set_modified(SystemTime::now());
    Ok(lock)
}

/// Whether a process trains by it; others may look at the same time.
fn is_held(lock: &File) -> bool {
    let looked = lock.try_lock_shared();
    let _ = lock.unlock();
    looked.is_err()
}
