//! Subcommands, a file each; what they share of options, output and errors.

mod control;
mod device;
mod devices;
mod error;
mod evaluate;
mod inspect;
mod interrupt;
mod output;
mod plan;
mod predict;
mod progress;
mod report;
mod resume;
mod session;
mod simulate;
mod status;
mod train;
mod worker;
mod workers;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

pub(crate) use error::fail;

/// Trains and serves multilayer perceptrons on any GPU, or none.
#[derive(Parser)]
#[command(version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Tells more (-v: what is decided, -vv: what is done)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// Tries anew which kernels are the fastest on the GPU for this network, instead of taking what is remembered of it
    #[arg(long, global = true)]
    retune: bool,
}

const EXAMPLES: &str = "Examples:
  gpu-mlp train                            train on built-in handwritten digits
  gpu-mlp train data.csv --target price    train on a table
  gpu-mlp predict model.safetensors new.csv > answers.csv
  gpu-mlp devices                          what there is to train on";

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Options>),
    Resume(resume::Options),
    Evaluate(evaluate::Options),
    Predict(predict::Options),
    Inspect(inspect::Options),
    Plan(Box<plan::Options>),
    Devices(devices::Options),
    Simulate(simulate::Options),
    Scale(control::ScaleOptions),
    Status(status::Options),
    Worker(worker::Options),
}

/// Leaves out Mesa's device-select layer, which asks a Wayland server for the default GPU and complains on standard error
/// where there is none; we choose adapters ourselves. Called first of all.
pub(crate) fn quiet_drivers() {
    if std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: the program has one thread yet, so that none reads the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// Reads the command line; help and version are printed here.
pub(crate) fn parse() -> Result<Cli> {
    match Cli::try_parse() {
        Ok(cli) => Ok(cli),
        Err(error) if !error.use_stderr() => {
            let code = i32::from(error.print().is_err());
            std::process::exit(code);
        }
        Err(error) => Err(error::usage(&error)),
    }
}

/// Runs the subcommand. Its answer goes to standard output, all else to standard error.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    let level = match cli.verbose {
        // What wgpu and drivers have to say is in our own errors, in a line.
        0 => "off,gpu_mlp=info",
        1 => "off,gpu_mlp=debug",
        _ => "info,gpu_mlp=trace",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .format(|out, record| {
            let style = out.default_level_style(record.level());
            let level = record.level().as_str().to_lowercase();
            writeln!(out, "{style}{level}{style:#}: {}", record.args())
        })
        .init();
    device::check_faults()?;
    if cli.retune {
        device::retune();
    }
    match cli.command {
        Command::Train(options) => train::run(*options),
        Command::Resume(options) => resume::run(options),
        Command::Evaluate(options) => evaluate::run(&options),
        Command::Predict(options) => predict::run(&options),
        Command::Inspect(options) => inspect::run(&options),
        Command::Plan(options) => plan::run(&options),
        Command::Devices(options) => devices::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        Command::Scale(options) => control::scale(&options),
        Command::Status(options) => status::run(&options),
        Command::Worker(options) => worker::run(&options),
    }
}
