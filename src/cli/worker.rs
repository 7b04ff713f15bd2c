use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Error, Result, anyhow};
use clap::Args;
use gpu_mlp::elastic::{Ends, Start, serve};

use super::control;
use super::device::faulty;
use super::error::bad_input;
use super::workers::Workers;

/// Work for a run that is training with --workers
#[derive(Args)]
#[command(after_help = "Examples:
  gpu-mlp worker --join RUN --device cpu:1    comes, and goes with Ctrl-C or with the run

Without --join it works over standard input and output, for train --worker-processes, which starts it.")]
pub(super) struct Options {
    /// The device: cpu:THREADS, gpu:N or a part of an adapter's name
    #[arg(long, value_name = "DEVICE")]
    device: Workers,
    /// The run's folder
    #[arg(long, value_name = "RUN")]
    join: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let specs = options.device.specs();
    let [spec] = &specs[..] else {
        return Err(bad_input("a worker has one device; name one, as cpu:1"));
    };
    let Start::Thread(open) = &spec.start else {
        return Ok(ExitCode::SUCCESS);
    };
    match &options.join {
        None => serve(
            || open(),
            Ends {
                input: Box::new(std::io::stdin()),
                output: Box::new(std::io::stdout()),
            },
        )
        // What became of it is said by the pool.
        .map(drop)?,
        Some(run) => {
            // What cannot be opened is said here, and not to the run.
            let backend = faulty(open().map_err(Error::new)?);
            let ends = control::join(run, &options.device)?;
            log::info!("working for {}, until it ends or Ctrl-C", run.display());
            if let Some(reason) = serve(|| Ok(backend), ends)? {
                return Err(anyhow!(
                    "{}: this worker works for it no longer: {reason}",
                    run.display()
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
