use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::model::load_tensors;
use gpu_mlp::runs::{Description, Found, RunFolder};
use gpu_mlp::train::{Config, Plan, Window};

use super::device::DeviceChoice;
use super::error::bad_input;
use super::session::{Session, introduce};
use super::workers::WorkerOptions;

/// Go on with a run that train --run began and something interrupted
#[derive(Args)]
#[command(after_help = "Examples:
  gpu-mlp train houses.csv --run houses      interrupted by whatever
  gpu-mlp resume houses                      as if it had not been
  gpu-mlp resume houses --epochs 200         a finished run, for longer

On the device that it began on, the run ends with the very bits that it had ended with uninterrupted.
Exit codes: 0 trained, 1 the loss diverged or a device failed, 2 the input is at fault,
130 stopped by Ctrl-C, 143 by a termination.")]
#[command(mut_arg("workers", |arg| arg.help("Workers for a run that began with some, as train takes them [default: the run's own]")))]
#[command(mut_arg("policy", |arg| arg.help("Which worker runs which part of a batch [default: the run's own]")))]
#[command(mut_arg("scheduling", |arg| arg.help("Who decides [default: the run's own]")))]
#[command(mut_arg("worker_processes", |arg| arg.help("Whether each worker is a process of its own [default: the run's own]")))]
#[command(mut_arg("verify", |arg| arg.help("Share of the parts that are run twice, on two workers [default: the run's own]")))]
pub(super) struct Options {
    /// The run's folder
    run: PathBuf,
    /// auto (the fastest), cpu, gpu, gpu:N, or a part of an adapter's name [default: the run's own]
    #[arg(long)]
    device: Option<DeviceChoice>,
    #[command(flatten)]
    workers: WorkerOptions,
    /// Passes over the training rows at most, in all [default: the run's own]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    epochs: Option<u32>,
    /// Print one JSON object at the end, and no progress
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: Options) -> Result<ExitCode> {
    let mut folder = RunFolder::open(&options.run)?;
    let name = options.run.display();
    let run = folder.description.clone();
    if options.device.is_some() && run.workers.is_some() {
        return Err(bad_input(format!(
            "--device: {name} trains on workers; name others with --workers, or leave it out"
        )));
    }
    let epochs = run.effective.epochs.unwrap_or(1);
    let more = options.epochs.unwrap_or(epochs);
    if more < epochs {
        return Err(bad_input(format!(
            "--epochs {more}: the run was to have {epochs}; give as many or more"
        )));
    }
    if let Some(end) = &run.end {
        let why = match end.as_str() {
            "patience" => "it got no better",
            "converged" => "it has converged",
            _ if more > epochs && run.given.max_steps.is_none() => "",
            _ => "all steps are done",
        };
        if !why.is_empty() {
            let advice = if end == "done" && run.given.max_steps.is_none() {
                format!("; --epochs with more than {epochs} goes on")
            } else {
                String::new()
            };
            return Err(bad_input(format!(
                "{name}: the run is finished: {why}, and its model is in {}{advice}",
                run.out.display()
            )));
        }
    }
    let config = Config {
        epochs: if more > epochs {
            Some(more)
        } else {
            run.given.epochs
        },
        ..run.given.clone()
    };
    let found = folder.newest()?;
    // Behind a checkpoint it is of no account where the weights came from.
    let initial = match &found {
        Some(_) => None,
        None => run.init_from.as_deref().map(load_tensors).transpose()?,
    };
    // However much memory there is now, the rows are read as they were.
    let read = Config {
        window: Some(run.effective.window.unwrap_or(Window::None)),
        ..config.clone()
    };
    let plan = Plan::open(&run.data, &read, initial.as_ref())?;
    folder.check(&plan)?;
    introduce(&plan, &run.data);
    let mut device = match options.device {
        Some(device) => device,
        None => run
            .device
            .parse()
            .map_err(|reason: String| bad_input(reason))?,
    };
    if plan.config.shards.is_none()
        && let Some(option) = options.workers.given()
    {
        return Err(bad_input(format!(
            "{option}: {name} began without workers, and would come to other bits with them; leave it out"
        )));
    }
    let workers = options.workers.or(WorkerOptions::of(&run)?);
    let trainer = workers.open(&mut device, &plan)?;
    folder.description = workers.describe(Description {
        given: config,
        effective: plan.config.clone(),
        device: device.to_string(),
        end: None,
        ..run
    });
    match &found {
        None => log::warn!("{name}: no checkpoint was written yet; the run begins anew"),
        Some(Found {
            snapshot,
            path,
            notices,
            lost,
        }) => {
            for notice in notices {
                log::warn!("{notice}");
            }
            log::info!(
                "going on behind step {}, from {}: {} lost",
                snapshot.steps(),
                path.display(),
                lost.as_ref()
                    .map_or("nothing is".into(), |lost| format!("at most {lost} are"))
            );
        }
    }
    if let Err(error) = folder.describe() {
        log::warn!("{error}; the run goes on all the same");
    }
    let session = Session {
        out: folder.description.out.clone(),
        out_of_fold: folder.description.out_of_fold.clone(),
        plan,
        trainer,
        json: options.json,
        folder: Some(folder),
        from: found.map(|found| found.snapshot),
    };
    session.run()
}
