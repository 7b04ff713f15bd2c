use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use gpu_mlp::model::WholeFile;
use gpu_mlp::predictor::{ClassScores, Metrics, ValueScores};
use serde::Serialize;

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
        Metrics::Quantiles { loss, pinball, mae } => {
            let mut told = vec![
                ("loss", format!("{loss:.4}")),
                ("pinball", significant(*pinball)),
            ];
            told.extend(mae.map(|mae| ("MAE", significant(mae))));
            told
        }
        Metrics::Loss { loss } => vec![("loss", format!("{loss:.4}"))],
    }
}

/// Names of what [`value_row`] tells.
pub(crate) fn value_header(name: &str) -> Vec<String> {
    [name, "RMSE", "MAE", "R²"].map(str::to_owned).to_vec()
}

/// How near the answers come to a target.
pub(crate) fn value_row(name: &str, scores: &ValueScores) -> Vec<String> {
    vec![
        name.to_owned(),
        significant(scores.rmse),
        significant(scores.mae),
        format!("{:.4}", scores.r2),
    ]
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

/// Says something on standard error, in a line. Nobody may listen there any more, which is no reason to stop.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether something is there that is no file.
pub(crate) fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// The error beneath, which says what the system said.
pub(crate) fn flattened(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Where answers are written, with its name for messages.
pub(crate) struct Sink {
    pub(crate) name: String,
    out: Out,
}

enum Out {
    File(WholeFile),
    Standard(BufWriter<io::Stdout>),
}

impl Sink {
    /// Opens `path`, or standard output.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Sink {
                name: "standard output".into(),
                out: Out::Standard(BufWriter::new(io::stdout())),
            });
        };
        let name = path.display().to_string();
        let out = Out::File(WholeFile::create(path).context(name.clone())?);
        Ok(Sink { name, out })
    }

    /// Writes over a file's first bytes.
    pub(crate) fn rewrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.out {
            Out::File(file) => file.rewrite_start(bytes),
            Out::Standard(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }

    /// Makes what was written last.
    pub(crate) fn finish(self) -> Result<()> {
        let finished = match self.out {
            Out::File(file) => file.finish(),
            Out::Standard(mut out) => out.flush(),
        };
        finished.context(self.name)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Out::File(file) => file.write(bytes),
            Out::Standard(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::File(file) => file.flush(),
            Out::Standard(out) => out.flush(),
        }
    }
}
