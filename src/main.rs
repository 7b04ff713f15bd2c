//! The command line of gpu-mlp: a thin user of the library.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::quiet_drivers();
    match cli::parse().and_then(cli::run) {
        Ok(code) => code,
        Err(error) => cli::fail(&error),
    }
}
