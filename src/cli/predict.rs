use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use gpu_mlp::data::{Matrix, stream};
use gpu_mlp::predictor::{CHUNK, Model, has_label, most_probable};
use gpu_mlp::program::Link;

use super::device::{DeviceChoice, open};
use super::error::bad_input;
use super::interrupt::Interrupt;
use super::output::{self, Sink, flattened, is_device};

/// Answer for rows without targets, in their order
#[derive(Args)]
#[command(after_help = "Examples:
  gpu-mlp predict model.safetensors new.csv > answers.csv
  gpu-mlp predict model.safetensors images.npy --proba --out probabilities.npy
  zcat rows.csv.gz | gpu-mlp predict model.safetensors -")]
pub(super) struct Options {
    /// The model file
    model: PathBuf,
    /// Rows in any form that train takes, with or without the target; files larger than memory are streamed
    data: String,
    /// Give every class's or label's probability instead of the most probable class, or of what each label is
    #[arg(long)]
    proba: bool,
    /// Where to write: .csv or .npy [default: CSV to standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// auto, cpu, gpu, gpu:N, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let model = Model::load(&options.model)?;
    let probable = !model.classes().is_empty() || !model.labels().is_empty();
    if options.proba && !probable {
        return Err(bad_input(
            "--proba needs a model of classes; this one predicts values",
        ));
    }
    if options.proba && model.description.loss.link() == Link::Margin {
        return Err(bad_input(
            "--proba needs a model that was trained for probabilities; the loss hinge has none",
        ));
    }
    let npy = match options.out.as_deref().map(Path::extension) {
        Some(Some(extension)) if extension == "npy" => true,
        Some(Some(extension)) if extension != "csv" => {
            let given = extension.to_string_lossy();
            return Err(bad_input(format!(
                "--out: .csv or .npy is needed, not .{given}"
            )));
        }
        _ => false,
    };
    if npy && options.out.as_deref().is_some_and(is_device) {
        return Err(bad_input(
            "--out: an .npy file cannot go to a device or a pipe; name a file, or a .csv",
        ));
    }
    let mut backend = open(&options.device)?;
    let mut predictor = model.on(&mut *backend)?;
    let tables = stream(&options.data, &model.description.preprocessing, None, CHUNK)?;
    // A file that was begun is taken away again. Waiting for input cannot be ended so, and needs no file.
    let interrupt = if options.out.is_some() && options.data != "-" {
        Interrupt::listen()?
    } else {
        Interrupt::default()
    };
    let mut sink = Sink::open(options.out.as_deref())?;
    let name = sink.name.clone();
    if npy {
        // The header holds the number of rows, which a stream tells at its end.
        sink.write_all(&npy_header(0, None)).context(name.clone())?;
        let mut rows = 0;
        for table in tables {
            if interrupt.asked() {
                return Ok(stopped(&interrupt));
            }
            let answers = predictor.predict(&table?)?;
            rows += answers.rows;
            for number in values(&model, &answers, options.proba) {
                sink.write_all(&number.to_le_bytes())
                    .context(name.clone())?;
            }
        }
        let columns = Some(header(&model, options.proba).len()).filter(|&columns| columns > 1);
        sink.rewrite(&npy_header(rows, columns)).context(name)?;
    } else {
        let mut csv = csv::Writer::from_writer(&mut sink);
        csv.write_record(header(&model, options.proba))
            .map_err(flattened)
            .context(name.clone())?;
        for table in tables {
            if interrupt.asked() {
                return Ok(stopped(&interrupt));
            }
            let answers = predictor.predict(&table?)?;
            for answer in answers.values.chunks(answers.columns) {
                csv.write_record(cells(&model, answer, options.proba))
                    .map_err(flattened)
                    .context(name.clone())?;
            }
        }
        csv.flush().context(name)?;
        drop(csv);
    }
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn stopped(interrupt: &Interrupt) -> ExitCode {
    output::tell("stopped: the answers are not complete, and no file is written");
    interrupt.code()
}

fn header(model: &Model, proba: bool) -> Vec<String> {
    if proba || model.classes().is_empty() {
        model.columns()
    } else {
        model.targets()
    }
}

/// What a row of the table says: probabilities, the class, each label's value, or the values.
fn cells(model: &Model, answer: &[f32], proba: bool) -> Vec<String> {
    match (model.classes(), model.labels()) {
        (classes @ [_, ..], _) if !proba => vec![classes[most_probable(answer)].clone()],
        (_, labels @ [_, ..]) if !proba => {
            let told = labels.iter().zip(answer);
            let told = told.map(|(label, &likely)| &label.values[usize::from(has_label(likely))]);
            told.cloned().collect()
        }
        _ => answer.iter().map(ToString::to_string).collect(),
    }
}

/// What a row of the array holds: probabilities, the class's position among the model's, 1 for each label that is there and 0 for
/// all others, or the values.
fn values(model: &Model, answers: &Matrix, proba: bool) -> Vec<f32> {
    if proba {
        return answers.values.clone();
    }
    if !model.labels().is_empty() {
        let there = answers
            .values
            .iter()
            .map(|&likely| u8::from(has_label(likely)));
        return there.map(f32::from).collect();
    }
    if model.classes().is_empty() {
        return answers.values.clone();
    }
    let classes = answers.values.chunks(answers.columns);
    classes.map(|answer| most_probable(answer) as f32).collect()
}

/// The first 128 bytes of an NPY 1.0 file with little-endian f32: `[rows]`, or `[rows, columns]`.
fn npy_header(rows: usize, columns: Option<usize>) -> Vec<u8> {
    let shape = match columns {
        None => format!("({rows},)"),
        Some(columns) => format!("({rows}, {columns})"),
    };
    let description = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let mut header = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    header.extend(format!("{description:117}\n").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::npy_header;

    #[test]
    fn an_npy_header_has_its_place_whatever_the_shape() {
        for (rows, columns) in [(0, None), (usize::MAX, Some(usize::MAX))] {
            let header = npy_header(rows, columns);
            assert_eq!(
                (header.len(), usize::from(header[8]) + 10, header[127]),
                (128, 128, b'\n')
            );
        }
    }
}
