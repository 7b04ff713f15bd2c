//! Runs that something interrupts, with the real binary and real backends.

mod devices;
#[cfg(unix)]
mod folders;
#[cfg(unix)]
mod interruptions;
mod snapshots;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a binary that runs in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Place {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("gpu-mlp"));
        command
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// What it says on standard error; it succeeds.
    fn ok(&self, words: &str) -> String {
        let (code, told) = ended(self.command(words).output().expect("it runs"));
        assert_eq!(code, 0, "{words}: {told}");
        told
    }

    /// Exit code and what it says on standard error.
    fn run(&self, words: &str) -> (i32, String) {
        ended(self.command(words).output().expect("it runs"))
    }

    /// Starts it, and waits until its run's log has so many bytes more, or it has ended.
    fn until(&self, words: &str, run: &str, bytes: u64) -> Child {
        let log = self.path(run).join("log.jsonl");
        let size = || fs::metadata(&log).map_or(0, |log| log.len());
        let bytes = size() + bytes;
        self.started(words, || size() >= bytes)
    }

    /// Starts it, and waits for something to be so, or for its end.
    fn started(&self, words: &str, so: impl Fn() -> bool) -> Child {
        let mut child = self.command(words).spawn().expect("it runs");
        let begun = Instant::now();
        while !so() && child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(100), "{words}");
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }

    fn bytes(&self, path: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.folder.path().join(path)).expect("it is there")
    }

    /// The lines of a run's log.
    fn log(&self, run: &str) -> Vec<Value> {
        let text = self.bytes(Path::new(run).join("log.jsonl"));
        let lines = text.split(|&byte| byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    fn checkpoints(&self, run: &str) -> Vec<PathBuf> {
        let folder = self.path(run).join("checkpoints");
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let mut paths: Vec<_> = paths
            .filter(|path| {
                path.extension()
                    .is_some_and(|ending| ending == "safetensors")
            })
            .collect();
        paths.sort();
        paths
    }
}

fn ended(output: Output) -> (i32, String) {
    let told = String::from_utf8(output.stderr).expect("text");
    (output.status.code().unwrap_or(-1), told)
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args([name, &pid]).status();
    assert!(status.expect("it runs").success());
}

/// The lines with errors.
fn errors(told: &str) -> Vec<&str> {
    told.lines()
        .filter(|line| line.starts_with("error: "))
        .collect()
}
