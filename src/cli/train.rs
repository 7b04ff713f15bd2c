use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use gpu_mlp::data::{ReadOptions, load};
use gpu_mlp::model::{WholeFile, load_weights};
use gpu_mlp::train::{Config, End, Event, FitError, Fitted, Plan};
use serde::Serialize;

use super::device::{DeviceChoice, open_for};
use super::error::bad_input;
use super::progress::Progress;
use super::{interrupt, output};

/// Train a network and write it as a model file
#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub(super) struct Options {
    /// CSV, TSV, NPY, NPZ (all .gz too), a folder of IDX images, - for standard input, digits or xor [default: digits]
    data: Option<String>,
    #[command(flatten)]
    config: Config,
    /// TOML file with any of these options, as hidden = [128, 64], and data; the command line wins
    #[arg(long = "config", value_name = "FILE", id = "config_file")]
    config_file: Option<PathBuf>,
    /// Safetensors file with the initial layers.N.weight and layers.N.bias
    #[arg(long, value_name = "FILE")]
    init_from: Option<PathBuf>,
    /// auto (the fastest), cpu, gpu, gpu:N, or a part of an adapter's name
    /// [default: auto]
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// The model file to write [default: model.safetensors]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object at the end, and no progress
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  gpu-mlp train                                     handwritten digits, built in
  gpu-mlp train houses.csv --target price           a regression
  gpu-mlp train fashion-mnist/ --hidden 128 --epochs 5 --batch-size 128
  gpu-mlp train data.csv --config run.toml --lr 0.01 --out model.safetensors";

const LONG: &str = "Examples:
  gpu-mlp train                                     handwritten digits, built in
  gpu-mlp train houses.csv --target price           a regression
  gpu-mlp train fashion-mnist/ --hidden 128 --epochs 5 --batch-size 128
  gpu-mlp train data.csv --config run.toml --lr 0.01 --out model.safetensors

The object that --json prints:
  device              what trained
  steps, epochs       updates and passes made
  seconds             of the training loop alone, behind the first step
  steps_per_second, samples_per_second
                      in that time
  train, validation, test
                      loss, and accuracy or rmse, mae, r2; null where there are no such rows
  history             epoch, train and validation of each epoch; of more than
                      10,000, every second, third and so on
  model               the file that was written
  end                 done, patience or stopped

Exit codes: 0 trained, 1 the loss diverged or a device failed, 2 the input is at fault, 130 stopped by Ctrl-C.";

#[derive(Serialize)]
struct Summary<'a> {
    device: String,
    steps: u64,
    epochs: usize,
    seconds: f64,
    steps_per_second: f64,
    samples_per_second: f64,
    train: Option<gpu_mlp::predictor::Metrics>,
    validation: Option<gpu_mlp::predictor::Metrics>,
    test: Option<gpu_mlp::predictor::Metrics>,
    history: &'a serde_json::Value,
    model: String,
    end: &'static str,
}

/// The options, from wherever they come.
struct Run {
    data: String,
    config: Config,
    init_from: Option<PathBuf>,
    device: DeviceChoice,
    out: PathBuf,
    json: bool,
}

impl Run {
    fn new(options: Options) -> Result<Self> {
        let (mut config, mut others, mut device) = (Config::default(), [const { None }; 3], None);
        if let Some(path) = &options.config_file {
            let wrong = |reason: String| bad_input(format!("{}: {reason}", path.display()));
            let text = std::fs::read_to_string(path).context(path.display().to_string())?;
            let keys = ["data", "init-from", "out", "device"];
            let (read, [data, init_from, out, named]) =
                Config::from_toml_with(&text, keys).map_err(wrong)?;
            (config, others) = (read, [data, init_from, out]);
            device = named
                .map(|device| device.parse())
                .transpose()
                .map_err(|reason: String| wrong(format!("device: {reason}")))?;
        }
        let [data, init_from, out] = others;
        let (data, init_from) = (
            options.data.or(data),
            options.init_from.or(init_from.map(PathBuf::from)),
        );
        let out = options.out.or(out.map(PathBuf::from));
        Ok(Run {
            data: data.unwrap_or_else(|| "digits".into()),
            config: options.config.or(config),
            init_from,
            device: options.device.or(device).unwrap_or_default(),
            out: out.unwrap_or_else(|| "model.safetensors".into()),
            json: options.json,
        })
    }
}

pub(super) fn run(options: Options) -> Result<ExitCode> {
    let Run {
        data,
        config,
        init_from,
        device,
        out,
        json,
    } = Run::new(options)?;
    writable(&out)?;
    let initial = init_from.as_deref().map(load_weights).transpose()?;
    let read = ReadOptions {
        target: config.target.clone(),
    };
    let loaded = load(&data, &read)?;
    let plan = Plan::new(&loaded, &config, initial)?;
    drop(loaded);
    for notice in &plan.notices {
        log::warn!("{notice}");
    }
    let [train, validation, test] = plan.counts();
    log::info!(
        "{}: {train} rows to train on, {validation} for validation, {test} for test; network {} with {} parameters",
        data,
        plan.network,
        plan.network.parameter_count()
    );
    if validation + test == 0 {
        log::info!("no rows are kept from training: the figures are of the rows trained on");
    }
    let mut backend = open_for(&device, &plan)?;
    log::info!("training on {}", backend.device());
    interrupt::listen()?;
    let mut progress = Progress::new(json);
    let fitted = plan.fit(&mut *backend, &mut |event| {
        match event {
            Event::Steps { done, total, .. } => progress.steps(done, total),
            Event::Epoch(epochs) => {
                let epoch = epochs[0];
                let validation = epoch.validation.map(|scores| plan.metrics(scores, 1));
                progress.epoch(
                    epoch.number,
                    &plan.metrics(epoch.train, 0),
                    validation.as_ref(),
                );
            }
        }
        if interrupt::asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    progress.done();
    let fitted = match fitted {
        Ok(fitted) => fitted,
        Err(FitError::Train(error, Some(last))) => {
            last.save(&out)?;
            let kept = format!("the last good weights are in {}", out.display());
            return Err(anyhow::Error::new(FitError::Train(error, None)).context(kept));
        }
        Err(error) => return Err(error.into()),
    };
    fitted.model.save(&out)?;
    report(&fitted, &backend.device(), &out, json)?;
    Ok(match fitted.outcome.end {
        End::Stopped => {
            output::tell(&format!(
                "stopped: the best model so far is in {}",
                out.display()
            ));
            interrupt::code()
        }
        End::Done | End::Patience => ExitCode::SUCCESS,
    })
}

/// Finds out before training whether the model can be written after it.
fn writable(path: &Path) -> Result<()> {
    let name = || format!("--out {}", path.display());
    if output::is_device(path) {
        return Err(bad_input(format!(
            "{}: it is no file; name a file to write",
            name()
        )));
    }
    WholeFile::create(path).map(drop).with_context(name)
}

fn report(fitted: &Fitted, device: &str, out: &Path, json: bool) -> Result<()> {
    let outcome = &fitted.outcome;
    let (steps, samples, time) = outcome.measured;
    let seconds = time.as_secs_f64();
    let rate = |count: u64| {
        if seconds > 0.0 {
            count as f64 / seconds
        } else {
            0.0
        }
    };
    let [train, validation, test] = fitted.metrics;
    let epochs = outcome.members[0].history.len();
    if json {
        return output::json(&Summary {
            device: device.to_owned(),
            steps: outcome.steps,
            epochs,
            seconds,
            steps_per_second: rate(steps),
            samples_per_second: rate(samples),
            train,
            validation,
            test,
            history: &fitted.model.description.history,
            model: out.display().to_string(),
            end: match outcome.end {
                End::Done => "done",
                End::Patience => "patience",
                End::Stopped => "stopped",
            },
        });
    }
    let mut rows = Vec::new();
    for (name, metrics) in [("train", train), ("validation", validation), ("test", test)] {
        let Some(metrics) = metrics else { continue };
        let cells = output::metrics(&metrics);
        if rows.is_empty() {
            let header = cells.iter().map(|(name, _)| (*name).to_owned());
            rows.push([String::new()].into_iter().chain(header).collect());
        }
        rows.push(
            [name.to_owned()]
                .into_iter()
                .chain(cells.into_iter().map(|(_, value)| value))
                .collect(),
        );
    }
    let why = match outcome.end {
        End::Done => "",
        End::Patience => ", as the validation loss no longer fell",
        End::Stopped => ", as it was stopped",
    };
    output::text(&format!(
        "{}\n{epochs} epochs, {} steps in {seconds:.2} s{why}: {:.0} samples/s on {device}\nmodel: {}\n",
        output::table(&rows),
        outcome.steps,
        rate(samples),
        out.display()
    ))
}
