use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::elastic::{Start, serve};

use super::error::bad_input;
use super::workers::Workers;

/// Work for a trainer over standard input and output; train --worker-processes starts it
#[derive(Args)]
pub(super) struct Options {
    /// The device: cpu:THREADS, gpu:N or a part of an adapter's name
    device: Workers,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let specs = options.device.specs();
    let [spec] = &specs[..] else {
        return Err(bad_input("a worker has one device; name one, as cpu:1"));
    };
    if let Start::Thread(open) = &spec.start {
        serve(open)?;
    }
    Ok(ExitCode::SUCCESS)
}
