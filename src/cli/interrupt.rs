use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The signals that ask a program to come to an end.
#[cfg(unix)]
const ASKING: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const ASKING: [i32; 2] = [SIGINT, SIGTERM];

/// Whether somebody asked the program to come to an end, by Ctrl-C or otherwise.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// From now on, such a signal asks the program to come to an end instead of ending it; a second one ends it at once.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Interrupt::default();
        let Interrupt { asked, signal } = &interrupt;
        let registered = ASKING.iter().try_for_each(|&number| {
            // In this order: the first signal finds nothing asked yet.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(asked))?;
            flag::register_usize(number, Arc::clone(signal), number as usize)?;
            flag::register(number, Arc::clone(asked)).map(drop)
        });
        registered.context("Ctrl-C cannot be handled")?;
        Ok(interrupt)
    }

    /// Whether there was such a signal.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// What a program gives back that came to such an end: 130 behind Ctrl-C, 143 behind a termination.
    pub(crate) fn code(&self) -> ExitCode {
        let signal = self.signal.load(Ordering::Relaxed);
        ExitCode::from(128 + u8::try_from(signal).unwrap_or(SIGINT as u8))
    }
}
