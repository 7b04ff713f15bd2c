use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use gpu_mlp::data::{ReadOptions, load};
use gpu_mlp::model::{WholeFile, load_tensors};
use gpu_mlp::train::{Config, End, Event, FitError, Plan, range_test};

use super::device::{DeviceChoice, open_for};
use super::error::bad_input;
use super::progress::Progress;
use super::{interrupt, output, report};

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
    /// Safetensors file with the initial layers.N.weight, layers.N.bias and what else the network has
    #[arg(long, value_name = "FILE")]
    init_from: Option<PathBuf>,
    /// auto (the fastest), cpu, gpu, gpu:N, or a part of an adapter's name
    /// [default: auto]
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// The model file to write [default: model.safetensors]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// With --folds, a CSV file for what each row's fold answers, which has not seen it
    #[arg(long, value_name = "FILE")]
    out_of_fold: Option<PathBuf>,
    /// Train nothing: let the learning rate rise over 256 steps and tell what the loss does
    #[arg(long)]
    find_lr: bool,
    /// Print one JSON object at the end, and no progress
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  gpu-mlp train                                     handwritten digits, built in
  gpu-mlp train houses.csv --target price           a regression
  gpu-mlp train fashion-mnist/ --hidden 128 --epochs 5 --batch-size 128
  gpu-mlp train houses.csv --folds 5 --out-of-fold answers.csv
  gpu-mlp train houses.csv --find-lr
  gpu-mlp train data.csv --config run.toml --lr 0.01 --out model.safetensors";

const LONG: &str = "Examples:
  gpu-mlp train                                     handwritten digits, built in
  gpu-mlp train houses.csv --target price           a regression
  gpu-mlp train fashion-mnist/ --hidden 128 --epochs 5 --batch-size 128
  gpu-mlp train houses.csv --folds 5 --out-of-fold answers.csv
  gpu-mlp train houses.csv --find-lr
  gpu-mlp train data.csv --config run.toml --lr 0.01 --out model.safetensors

The object that --json prints:
  device              what trained
  steps, epochs       updates and passes made
  seconds             of the training loop alone, behind the first step
  steps_per_second, samples_per_second
                      in that time
  train, validation, test
                      loss, and accuracy or rmse, mae, r2; null where there are no such rows
  history             epoch, train and validation of each epoch, with what --monitor
                      names; of more than 10,000, every second, third and so on
  folds, mean, deviation, out_of_fold
                      with --folds: metrics of the rows that each fold held out,
                      their mean and standard deviation, those of all such rows
  model               the file that was written
  end                 done, converged, patience or stopped

Exit codes: 0 trained, 1 the loss diverged or a device failed, 2 the input is at fault, 130 stopped by Ctrl-C.";

/// The options, from wherever they come.
struct Run {
    data: String,
    config: Config,
    init_from: Option<PathBuf>,
    device: DeviceChoice,
    out: PathBuf,
    out_of_fold: Option<PathBuf>,
    find_lr: bool,
    json: bool,
}

impl Run {
    fn new(options: Options) -> Result<Self> {
        let (mut config, mut others, mut device) = (Config::default(), [const { None }; 4], None);
        if let Some(path) = &options.config_file {
            let wrong = |reason: String| bad_input(format!("{}: {reason}", path.display()));
            let text = std::fs::read_to_string(path).context(path.display().to_string())?;
            let keys = ["data", "init-from", "out", "out-of-fold", "device"];
            let (read, [data, init_from, out, out_of_fold, named]) =
                Config::from_toml_with(&text, keys).map_err(wrong)?;
            (config, others) = (read, [data, init_from, out, out_of_fold]);
            device = named
                .map(|device| device.parse())
                .transpose()
                .map_err(|reason: String| wrong(format!("device: {reason}")))?;
        }
        let [data, init_from, out, out_of_fold] = others;
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
            out_of_fold: options.out_of_fold.or(out_of_fold.map(PathBuf::from)),
            find_lr: options.find_lr,
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
        out_of_fold,
        find_lr,
        json,
    } = Run::new(options)?;
    if !find_lr {
        writable("--out", &out)?;
    }
    if let Some(path) = &out_of_fold {
        if config.folds.is_none() {
            return Err(bad_input(
                "--out-of-fold needs --folds; give both, or neither",
            ));
        }
        writable("--out-of-fold", path)?;
    }
    let initial = init_from.as_deref().map(load_tensors).transpose()?;
    let read = ReadOptions {
        target: config.target.clone(),
    };
    let loaded = load(&data, &read)?;
    let config = if find_lr {
        // The test is of one network.
        Config {
            folds: None,
            ensemble: None,
            ..config
        }
    } else {
        config
    };
    let plan = Plan::new(&loaded, &config, initial.as_ref())?;
    drop(loaded);
    for notice in &plan.notices {
        log::warn!("{notice}");
    }
    let [train, validation, test] = plan.counts();
    let members = plan.config.members();
    let pack = match plan.config.folds {
        Some(folds) => format!("; {folds} folds, {members} networks"),
        None if members > 1 => format!("; {members} networks"),
        None => String::new(),
    };
    log::info!(
        "{}: {train} rows to train on, {validation} for validation, {test} for test; network {} with {} parameters{pack}",
        data,
        plan.network,
        plan.network.parameter_count()
    );
    if validation + test == 0 && plan.config.folds.is_none() {
        log::info!("no rows are kept from training: the figures are of the rows trained on");
    }
    let mut backend = open_for(&device, &plan)?;
    if find_lr && plan.options().lbfgs.is_some() {
        return Err(bad_input(
            "--find-lr is for optimizers of many small steps, not for --optimizer lbfgs; leave one of them out",
        ));
    }
    if find_lr {
        let test = range_test(&mut *backend, &plan).map_err(anyhow::Error::new)?;
        report::find_lr(&test, json)?;
        return Ok(ExitCode::SUCCESS);
    }
    log::info!("training on {}", backend.device());
    interrupt::listen()?;
    let mut progress = Progress::new(json);
    let fitted = plan.fit(&mut *backend, &mut |event| {
        match event {
            Event::Steps { done, total, .. } => progress.steps(done, total),
            Event::Epoch(epochs) => {
                let [train, validation] = plan.epoch(epochs);
                let judged = plan.judged(epochs);
                progress.epoch(
                    epochs[0].number,
                    train.as_ref(),
                    validation.as_ref(),
                    judged,
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
    if let Some(path) = &out_of_fold {
        report::out_of_fold(&fitted, path)?;
    }
    report::report(&fitted, &backend.device(), &out, json)?;
    Ok(match fitted.outcome.end {
        End::Stopped => {
            output::tell(&format!(
                "stopped: the best model so far is in {}",
                out.display()
            ));
            interrupt::code()
        }
        End::Done | End::Converged | End::Patience => ExitCode::SUCCESS,
    })
}

/// Finds out before training whether a file can be written after it.
fn writable(option: &str, path: &Path) -> Result<()> {
    let name = || format!("{option} {}", path.display());
    if output::is_device(path) {
        return Err(bad_input(format!(
            "{}: it is no file; name a file to write",
            name()
        )));
    }
    WholeFile::create(path).map(drop).with_context(name)
}
