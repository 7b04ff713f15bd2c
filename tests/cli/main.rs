//! The real binary, as a user has it.

mod answers;
mod augment;
mod bad_input;
mod distributions;
mod elastic;
mod embeddings;
mod interruption;
mod lbfgs;
mod metrics;
mod monitor;
mod networks;
mod packs;
mod precision;
mod reports;
mod targets;
mod train;
mod windows;
#[cfg(unix)]
mod workers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), contents).expect("it is written");
        self
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("gpu-mlp"));
        command
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            // Nothing is read from, or written to, the user's own.
            .env("GPU_MLP_CACHE", "")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &str) -> Output {
        self.command(words).output().expect("it runs")
    }

    fn ok(&self, words: &str) -> String {
        let output = self.run(words);
        assert!(
            output.status.success(),
            "{words}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ok(words)).expect("one JSON object")
    }

    /// Exit code and the line of the error.
    fn fails(&self, words: &str) -> (i32, String) {
        let output = self.run(words);
        let stderr = String::from_utf8(output.stderr).expect("text");
        let told = |line: &&str| !line.starts_with("info: ") && !line.starts_with("warn: ");
        let errors: Vec<&str> = stderr.lines().filter(told).collect();
        assert_eq!(errors.len(), 1, "{words}: {stderr}");
        assert!(errors[0].starts_with("error: "), "{words}: {stderr}");
        (output.status.code().unwrap_or(-1), errors[0].to_owned())
    }
}

const TABLE: &str = "size,colour,price\n1,red,10\n2,blue,19\n3,red,31\n4,blue,42\n5,red,50\n6,green,61\n7,red,69\n8,blue,81\n";

/// Twenty rows of each of three classes, told apart by their first number.
fn classes() -> String {
    let mut table = "x,y,kind\n".to_owned();
    for row in 0..60 {
        let kind = row % 3;
        table += &format!(
            "{},{},{}\n",
            kind * 10 + row % 7,
            row % 5,
            ["a", "b", "c"][kind]
        );
    }
    table
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}
