use std::fs::OpenOptions;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gpu_mlp::predictor::{ClassScores, Metrics};
use serde::Serialize;
use tempfile::NamedTempFile;

/// Prints one JSON object.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    let text = serde_json::to_string_pretty(value)?;
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .context("standard output")
}

/// Prints text.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("standard output")
}

/// Lines up cells in columns: the first to the left, the others to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            if index == 0 {
                line += cell;
                line += &padding;
            } else {
                line += "  ";
                line += &padding;
                line += cell;
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Names and values of metrics, as a table has them.
pub(crate) fn metrics(metrics: &Metrics) -> Vec<(&'static str, String)> {
    match metrics {
        Metrics::Classification { loss, accuracy } => {
            vec![
                ("loss", format!("{loss:.4}")),
                ("accuracy", format!("{accuracy:.4}")),
            ]
        }
        Metrics::Regression {
            loss,
            rmse,
            mae,
            r2,
        } => vec![
            ("loss", format!("{loss:.4}")),
            ("RMSE", significant(*rmse)),
            ("MAE", significant(*mae)),
            ("R²", format!("{r2:.4}")),
        ],
    }
}

/// Five significant digits.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if (-4..9).contains(&magnitude) {
        format!("{value:.*}", (4 - magnitude).max(0) as usize)
    } else {
        format!("{value:.4e}")
    }
}

/// Precision, recall and F1 of each class.
pub(crate) fn classes(scores: &[ClassScores]) -> String {
    let header = ["class", "precision", "recall", "F1", "rows"]
        .map(str::to_owned)
        .to_vec();
    let row = |class: &ClassScores| {
        vec![
            class.label.clone(),
            format!("{:.4}", class.precision),
            format!("{:.4}", class.recall),
            format!("{:.4}", class.f1),
            class.support.to_string(),
        ]
    };
    table(&[vec![header], scores.iter().map(row).collect()].concat())
}

/// Whether something is there that is no file.
pub(crate) fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// Where an answer is written: to a temporary name that is renamed at the end, or straight to what is no file.
pub(crate) enum Sink {
    File {
        file: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
    Direct {
        out: BufWriter<Box<dyn Write>>,
        name: String,
    },
}

impl Sink {
    /// Opens `path`, or standard output.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Sink::Direct {
                out: BufWriter::new(Box::new(io::stdout())),
                name: "standard output".into(),
            });
        };
        let name = path.display().to_string();
        // A device or a pipe takes what is written and cannot be renamed over.
        if is_device(path) {
            let file = OpenOptions::new()
                .write(true)
                .open(path)
                .context(name.clone())?;
            return Ok(Sink::Direct {
                out: BufWriter::new(Box::new(file)),
                name,
            });
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".gpu-mlp-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .context(name)?;
        Ok(Sink::File {
            file: BufWriter::new(file),
            path: path.into(),
        })
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Sink::File { path, .. } => path.display().to_string(),
            Sink::Direct { name, .. } => name.clone(),
        }
    }

    /// Writes over a file's first bytes.
    pub(crate) fn rewrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::File { file, .. } => {
                file.seek(io::SeekFrom::Start(0))?;
                file.write_all(bytes)
            }
            Sink::Direct { .. } => Err(io::ErrorKind::NotSeekable.into()),
        }
    }

    /// Makes what was written last.
    pub(crate) fn finish(self) -> Result<()> {
        let name = self.name();
        match self {
            Sink::Direct { mut out, .. } => out.flush().context(name),
            Sink::File { file, path } => {
                let file = file
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)
                    .context(name.clone())?;
                file.as_file().sync_all().context(name.clone())?;
                file.persist(path)
                    .map_err(|error| error.error)
                    .context(name)?;
                Ok(())
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::File { file, .. } => file.write(bytes),
            Sink::Direct { out, .. } => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::File { file, .. } => file.flush(),
            Sink::Direct { out, .. } => out.flush(),
        }
    }
}
