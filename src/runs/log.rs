use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// What happened in a run, a JSON object a line, each with the `time` in seconds since 1970 and its `event`.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    /// Whether it was told that the log cannot be written.
    failed: bool,
}

impl Log {
    /// Goes on with a log, or begins one.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        // A line that was cut off with its process must not swallow the next one.
        let mut last = [b'\n'];
        let len = file.metadata()?.len();
        if len > 0 {
            file.seek(SeekFrom::Start(len - 1))?;
            file.read_exact(&mut last)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok(Log {
            path: path.into(),
            file,
            failed: false,
        })
    }

    /// Adds a line. That there is no room for it is told once, and no reason to stop.
    pub fn write(&mut self, event: &str, fields: &Value) {
        let mut line = json!({ "time": now(), "event": event });
        if let (Some(line), Some(fields)) = (line.as_object_mut(), fields.as_object()) {
            line.extend(fields.clone());
        }
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        ::log::debug!("{line}");
        if let Err(error) = written
            && !std::mem::replace(&mut self.failed, true)
        {
            ::log::warn!(
                "{}: {error}; the log has gaps from here on",
                self.path.display()
            );
        }
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |now| (now.as_secs_f64() * 1e3).round() / 1e3)
}

/// The lines of a log that are whole.
pub(super) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read(path).unwrap_or_default();
    let lines = text.split(|&byte| byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}
