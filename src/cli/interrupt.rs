use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Set by Ctrl-C and by termination.
static STOP: AtomicBool = AtomicBool::new(false);

/// From now on, asks the program to come to an end instead of ending it; a second time ends it at once.
pub(crate) fn listen() -> Result<()> {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(handler).context("Ctrl-C cannot be handled")
}

/// Whether the program was asked to come to an end.
pub(crate) fn asked() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// What a program gives back that came to such an end.
pub(crate) fn code() -> ExitCode {
    ExitCode::from(130)
}
