use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use gpu_mlp::elastic::PoolOptions;
use gpu_mlp::elastic::policy::PolicyName;
use gpu_mlp::elastic::simulate::Scheduling;
use gpu_mlp::model::{WholeFile, load_tensors};
use gpu_mlp::runs::{Description, RunError, RunFolder};
use gpu_mlp::train::{Config, Interval, Plan, range_test};

use super::device::DeviceChoice;
use super::error::bad_input;
use super::session::{Session, introduce};
use super::workers::{WorkerOptions, rate};
use super::{output, report};

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
    #[command(flatten)]
    workers: WorkerOptions,
    /// The model file to write [default: model.safetensors, in the folder of --run if there is one]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// With --folds, a CSV file for what each row's fold answers, which has not seen it
    #[arg(long, value_name = "FILE")]
    out_of_fold: Option<PathBuf>,
    /// Keep the run in this folder: checkpoints, log and model; gpu-mlp resume goes on with it
    #[arg(long, value_name = "FOLDER", help_heading = "Safety")]
    run: Option<PathBuf>,
    /// With --run, time or steps between two checkpoints, as 30s, 5m or 200 [default: 30s]
    #[arg(long, value_name = "INTERVAL", help_heading = "Safety")]
    checkpoint_every: Option<Interval>,
    /// With --run, checkpoints that are kept [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = keep_checkpoints, help_heading = "Safety")]
    keep_checkpoints: Option<usize>,
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
  gpu-mlp train houses.csv --run houses             kept, so that gpu-mlp resume houses can go on
  gpu-mlp train data.csv --config run.toml --lr 0.01 --out model.safetensors";

const LONG: &str = "Examples:
  gpu-mlp train                                     handwritten digits, built in
  gpu-mlp train houses.csv --target price           a regression
  gpu-mlp train fashion-mnist/ --hidden 128 --epochs 5 --batch-size 128
  gpu-mlp train houses.csv --folds 5 --out-of-fold answers.csv
  gpu-mlp train houses.csv --find-lr
  gpu-mlp train houses.csv --run houses             kept, so that gpu-mlp resume houses can go on
  gpu-mlp train data.csv --config run.toml --lr 0.01 --out model.safetensors

The object that --json prints:
  device              what trained
  steps, epochs       updates and passes made
  seconds             of the training loop alone, behind the first step
  steps_per_second, samples_per_second
                      in that time
  train, validation, test
                      loss, and accuracy, or rmse, mae, r2 (the means of several
                      values), or pinball and mae of quantiles; null where there are
                      no such rows
  history             epoch, train and validation of each epoch, with what --monitor
                      names; of more than 10,000, every second, third and so on
  folds, mean, deviation, out_of_fold
                      with --folds: metrics of the rows that each fold held out,
                      their mean and standard deviation, those of all such rows
  targets             of several values, rmse, mae, r2 and so on of each
  model               the file that was written
  end                 done, converged, patience or stopped

Exit codes: 0 trained, 1 the loss diverged or a device failed, 2 the input is at fault,
130 stopped by Ctrl-C, 143 by a termination.";

/// The options, from wherever they come.
struct Chosen {
    data: String,
    config: Config,
    init_from: Option<PathBuf>,
    device: DeviceChoice,
    out: PathBuf,
    out_of_fold: Option<PathBuf>,
    run: Option<PathBuf>,
    checkpoint_every: Interval,
    keep_checkpoints: usize,
    find_lr: bool,
    json: bool,
    workers: WorkerOptions,
}

/// Keys of a TOML file that are no part of [`Config`], and whether they may be numbers, true or false.
const KEYS: [(&str, bool); 13] = [
    ("data", false),
    ("init-from", false),
    ("out", false),
    ("out-of-fold", false),
    ("device", false),
    ("run", false),
    ("checkpoint-every", true),
    ("keep-checkpoints", true),
    ("workers", false),
    ("policy", false),
    ("scheduling", false),
    ("verify", true),
    ("worker-processes", true),
];

impl Chosen {
    fn new(options: Options) -> Result<Self> {
        let (mut config, mut others) = (Config::default(), [const { None }; KEYS.len()]);
        let mut origin = String::new();
        if let Some(path) = &options.config_file {
            origin = path.display().to_string();
            let text = std::fs::read_to_string(path).context(origin.clone())?;
            let read = Config::from_toml_with(&text, KEYS);
            (config, others) = read.map_err(|reason| bad_input(format!("{origin}: {reason}")))?;
        }
        let [
            data,
            init_from,
            out,
            out_of_fold,
            device,
            run,
            every,
            keep,
            workers,
            policy,
            scheduling,
            verify,
            processes,
        ] = others;
        let wrong = |key: &str, reason: String| bad_input(format!("{origin}: {key}: {reason}"));
        let device = device.map(|device| device.parse()).transpose();
        let device = device.map_err(|reason| wrong("device", reason))?;
        let workers = workers.map(|list| list.parse()).transpose();
        let policy = policy
            .map(|name| PolicyName::from_str(&name, false))
            .transpose();
        let scheduling = scheduling
            .map(|name| Scheduling::from_str(&name, false))
            .transpose();
        let verify = verify.map(|share| rate(&share)).transpose();
        let processes = processes.map(|apart| match &*apart {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("true or false is needed".to_owned()),
        });
        let processes = processes.transpose();
        let workers = WorkerOptions {
            workers: workers.map_err(|reason| wrong("workers", reason))?,
            policy: policy.map_err(|reason| wrong("policy", reason))?,
            scheduling: scheduling.map_err(|reason| wrong("scheduling", reason))?,
            verify: verify.map_err(|reason| wrong("verify", reason))?,
            worker_processes: processes.map_err(|reason| wrong("worker-processes", reason))?,
        };
        let workers = options.workers.or(workers);
        let config = options.config.or(config);
        workers.check(config.shards)?;
        let every = every.map(|every| every.parse()).transpose();
        let every = every.map_err(|reason| wrong("checkpoint-every", reason))?;
        let keep = keep.map(|count| keep_checkpoints(&count)).transpose();
        let keep = keep.map_err(|reason| wrong("keep-checkpoints", reason))?;
        let run = options.run.or(run.map(PathBuf::from));
        let (every, keep) = (
            options.checkpoint_every.or(every),
            options.keep_checkpoints.or(keep),
        );
        let needing = [
            ("--checkpoint-every", every.is_some()),
            ("--keep-checkpoints", keep.is_some()),
        ];
        for (option, given) in needing {
            if run.is_none() && given {
                return Err(bad_input(format!(
                    "{option} needs --run; give both, or neither"
                )));
            }
        }
        let out = options.out.or(out.map(PathBuf::from));
        let name = "model.safetensors";
        Ok(Chosen {
            data: options.data.or(data).unwrap_or_else(|| "digits".into()),
            config,
            workers,
            init_from: options.init_from.or(init_from.map(PathBuf::from)),
            device: options.device.or(device).unwrap_or_default(),
            out: out.unwrap_or_else(|| run.as_ref().map_or(name.into(), |run| run.join(name))),
            out_of_fold: options.out_of_fold.or(out_of_fold.map(PathBuf::from)),
            run,
            checkpoint_every: every.unwrap_or_default(),
            keep_checkpoints: keep.unwrap_or(3),
            find_lr: options.find_lr,
            json: options.json,
        })
    }

    /// Begins the run's folder.
    fn folder(&self, path: &Path, plan: &Plan) -> Result<RunFolder> {
        let absolute = |path: &Path| std::path::absolute(path).context(path.display().to_string());
        let given = self.config.clone();
        let description = Description::new(&self.data, plan, given).context(self.data.clone())?;
        let description = Description {
            init_from: self.init_from.as_deref().map(absolute).transpose()?,
            device: self.device.to_string(),
            out: absolute(&self.out)?,
            out_of_fold: self.out_of_fold.as_deref().map(absolute).transpose()?,
            checkpoint_every: self.checkpoint_every,
            keep_checkpoints: self.keep_checkpoints,
            ..description
        };
        let description = self.workers.describe(description);
        Ok(RunFolder::create(path, description)?)
    }
}

pub(super) fn run(options: Options) -> Result<ExitCode> {
    let mut chosen = Chosen::new(options)?;
    if chosen.device != DeviceChoice::Auto && chosen.workers.workers.is_some() {
        return Err(bad_input(
            "--device and --workers both say what trains; leave one of them out",
        ));
    }
    if chosen.find_lr && chosen.workers.workers.is_some() {
        return Err(bad_input("--find-lr is of one device; leave out --workers"));
    }
    if chosen.find_lr {
        // The test is of one network, and leaves nothing.
        chosen.config.folds = None;
        chosen.config.ensemble = None;
        chosen.run = None;
    }
    match &chosen.run {
        Some(_) if chosen.data == "-" => return Err(RunError::Input.into()),
        Some(path) => RunFolder::vacant(path)?,
        None => {}
    }
    // What lies in the run's folder is seen to with it.
    let inside = chosen
        .run
        .as_ref()
        .is_some_and(|path| chosen.out.starts_with(path));
    if !chosen.find_lr && !inside {
        writable("--out", &chosen.out)?;
    }
    if let Some(path) = &chosen.out_of_fold {
        if chosen.config.folds.is_none() {
            return Err(bad_input(
                "--out-of-fold needs --folds; give both, or neither",
            ));
        }
        writable("--out-of-fold", path)?;
    }
    let initial = chosen.init_from.as_deref().map(load_tensors).transpose()?;
    let mut plan = Plan::open(&chosen.data, &chosen.config, initial.as_ref())?;
    if chosen.workers.workers.is_some() && chosen.config.shards.is_none() {
        let [rows, ..] = plan.counts();
        let batch = plan.options().batch_size.unwrap_or(rows);
        chosen.config.shards = Some(PoolOptions::shards_of(batch) as u32);
        plan.config.shards = chosen.config.shards;
    }
    introduce(&plan, &chosen.data);
    let mut trainer = chosen.workers.open(&mut chosen.device, &plan)?;
    if chosen.find_lr && plan.options().lbfgs.is_some() {
        return Err(bad_input(
            "--find-lr is for optimizers of many small steps, not for --optimizer lbfgs; leave one of them out",
        ));
    }
    if chosen.find_lr {
        let test = range_test(&mut *trainer.backend, &plan).map_err(anyhow::Error::new)?;
        report::find_lr(&test, chosen.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = chosen
        .run
        .as_deref()
        .map(|path| chosen.folder(path, &plan))
        .transpose()?;
    let session = Session {
        plan,
        trainer,
        out: chosen.out,
        out_of_fold: chosen.out_of_fold,
        json: chosen.json,
        folder,
        from: None,
    };
    session.run()
}

fn keep_checkpoints(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("a number from 1 on is needed".into()),
    }
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
