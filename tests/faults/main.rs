//! Runs that something interrupts, with the real binary and real backends.

mod devices;
#[cfg(unix)]
mod folders;
#[cfg(target_os = "linux")]
mod hangs;
#[cfg(unix)]
mod interruptions;
mod memory;
#[cfg(unix)]
mod schedules;
mod snapshots;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

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
            // Nothing is read from, or written to, the user's own.
            .env("GPU_MLP_CACHE", "")
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
    fn until(&self, words: &str, bytes: usize) -> Running {
        Running::until(self.command(words), bytes)
    }

    /// Starts it, and waits until something is so of its run's log, before the first line and behind each, or it has ended.
    fn started(&self, words: &str, so: impl FnMut(Option<&str>) -> bool) -> Running {
        Running::started(self.command(words), so)
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

/// A process, and what it has told so far.
struct Running {
    child: Child,
    told: BufReader<ChildStderr>,
    text: String,
}

impl Running {
    fn until(command: Command, bytes: usize) -> Self {
        let mut left = bytes;
        Running::started(command, |line| {
            left = left.saturating_sub(line.map_or(0, str::len));
            left == 0
        })
    }

    fn started(mut command: Command, mut so: impl FnMut(Option<&str>) -> bool) -> Self {
        let mut child = command
            .env("RUST_LOG", "off,gpu_mlp=debug")
            .spawn()
            .expect("it runs");
        let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
        let (mut text, mut line) = (String::new(), String::new());
        let mut reached = so(None);
        while !reached && told.read_line(&mut line).expect("text") > 0 {
            // What goes to the log is told, too.
            let logged = line.strip_prefix("debug: ");
            let logged = logged.filter(|line| line.starts_with('{'));
            reached = logged.is_some_and(|line| so(Some(line)));
            text += &std::mem::take(&mut line);
        }
        Running { child, told, text }
    }

    /// Waits for its end. Returns exit code and what it said.
    fn end(mut self) -> (i32, String) {
        self.told.read_to_string(&mut self.text).expect("text");
        let status = self.child.wait().expect("it ends");
        (status.code().unwrap_or(-1), self.text)
    }
}

#[cfg(unix)]
impl Running {
    /// Ends it at once. Returns whether it had not ended before.
    fn kill(&mut self) -> bool {
        self.child.kill().expect("it runs, or ran");
        let status = self.child.wait().expect("it ends");
        std::os::unix::process::ExitStatusExt::signal(&status) == Some(9)
    }

    /// As `timeout` sends it, twice, and more often: two may come as one.
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let pids = std::iter::repeat_n(pid.as_str(), 50);
        let status = Command::new("kill").arg(name).args(pids).status();
        assert!(status.expect("it runs").success());
    }
}

fn ended(output: Output) -> (i32, String) {
    let told = String::from_utf8(output.stderr).expect("text");
    (output.status.code().unwrap_or(-1), told)
}

/// The lines with errors.
fn errors(told: &str) -> Vec<&str> {
    told.lines()
        .filter(|line| line.starts_with("error: "))
        .collect()
}
