use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

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

/// Signals that come within this time of the first are the same request: the command `timeout` sends two, one of them to all of the
/// process's group.
const SAME: Duration = Duration::from_millis(500);

/// How often it is looked for the first one.
const LOOK: Duration = Duration::from_millis(100);

impl Interrupt {
    /// From now on, such a signal asks the program to come to an end instead of ending it; one that comes later ends it at once.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Interrupt::default();
        let Interrupt { asked, signal } = &interrupt;
        let again = Arc::new(AtomicBool::new(false));
        let registered = ASKING.iter().try_for_each(|&number| {
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&again))?;
            flag::register_usize(number, Arc::clone(signal), number as usize)?;
            flag::register(number, Arc::clone(asked)).map(drop)
        });
        let asked = Arc::clone(asked);
        let watch = move || {
            while !asked.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
            }
            thread::sleep(SAME);
            again.store(true, Ordering::Relaxed);
        };
        let watched = thread::Builder::new().name("signals".into()).spawn(watch);
        registered
            .and(watched.map(drop))
            .context("Ctrl-C cannot be handled")?;
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
