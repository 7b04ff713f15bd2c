//! What a run does for the case that something fails.

use std::fmt::{Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Event, Observe, Snapshot};
use crate::backend::cpu::CpuBackend;
use crate::backend::{Backend, BackendError};

/// How long a run goes on between two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Interval {
    /// So many steps.
    Steps(u64),
    /// So much time.
    Time(Duration),
}

impl Default for Interval {
    fn default() -> Self {
        Interval::Time(Duration::from_secs(30))
    }
}

/// Units of time, the longest first, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for Interval {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let (number, unit) = (digits.parse::<u64>(), &text[digits.len()..]);
        let number = number.ok().filter(|&number| number > 0);
        let of_unit = UNITS.iter().find(|(name, _)| *name == unit);
        let interval = match (number, of_unit) {
            (Some(steps), None) if unit.is_empty() => Some(Interval::Steps(steps)),
            (Some(number), Some((_, factor))) => number
                .checked_mul(*factor)
                .map(|time| Interval::Time(Duration::from_millis(time))),
            _ => None,
        };
        interval.ok_or_else(|| "a time as 30s, 5m or 1h, or a number of steps, is needed".into())
    }
}

impl Display for Interval {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Interval::Steps(steps) => write!(f, "{steps}"),
            Interval::Time(time) => {
                let time = time.as_millis() as u64;
                let whole = UNITS.iter().find(|(_, unit)| time.is_multiple_of(*unit));
                let (name, unit) = whole.unwrap_or(&("ms", 1));
                write!(f, "{}{name}", time / unit)
            }
        }
    }
}

impl TryFrom<String> for Interval {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Interval> for String {
    fn from(interval: Interval) -> Self {
        interval.to_string()
    }
}

/// Which of a run's snapshots one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// One of those taken on the way.
    Interval,
    /// The last: the run has come to its end, or was stopped.
    End,
}

/// What becomes of a run whose loss is no number any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnDivergence {
    /// It ends
    #[default]
    Stop,
    /// It goes back to the last good checkpoint with half the learning rate, three times at most
    Rollback,
}

/// Times that a run goes back.
pub(super) const ROLLBACKS: u32 = 3;

/// Opens a backend.
pub type Open<'a> = dyn FnMut() -> Result<Box<dyn Backend>, BackendError> + 'a;

/// What trains in place of a device that failed.
pub struct Spare<'a> {
    /// How long it is waited for before it is tried.
    pub wait: Duration,
    /// Opens it.
    pub open: Box<Open<'a>>,
}

/// Takes the snapshots of a run. It is called from the training loop: what takes long belongs to another thread.
pub type Keep<'a> = dyn FnMut(&Arc<Snapshot>, Due) + 'a;

/// What a run begins with, and what it leaves on its way.
#[derive(Default)]
pub struct Guard<'a> {
    /// Where training goes on; from the beginning otherwise.
    pub from: Option<Arc<Snapshot>>,
    /// When snapshots are taken; if it is left out, every 30 seconds where somebody wants them.
    pub every: Option<Interval>,
    /// What becomes of them.
    pub keep: Option<Box<Keep<'a>>>,
    /// What a loss that is no number leads to.
    pub on_divergence: OnDivergence,
    /// What is tried in turn when a device fails; from the first on again, once the run has come further than before.
    pub spares: Vec<Spare<'a>>,
    /// How many of these are tried, where that changes on the way; all otherwise.
    pub tries: Option<Box<dyn Fn() -> usize + 'a>>,
    /// When the last snapshot was taken.
    taken: Option<Instant>,
    /// The last one, or the one that the run began with.
    last: Option<Arc<Snapshot>>,
    /// Steps that the run has come to, and had come to when a device failed.
    reached: u64,
    failed: Option<u64>,
    /// The spare that is next.
    next: usize,
    /// The spare that trains; at first what it is the same device as.
    current: usize,
    /// Rows at a time that there are now; none that could be cut, where batches stay whole.
    rows: Option<usize>,
    /// Rows at a time at most, where the device's memory took no more.
    most: Option<usize>,
    /// A loss that was no number: its steps are made again.
    doubt: Option<Doubt>,
    /// Steps of the snapshot from which steps were last made again.
    again: Option<u64>,
}

/// A loss that was no number.
#[derive(Clone, Debug)]
struct Doubt {
    loss: f64,
    epoch: usize,
    /// What computed it: another may have come to a number.
    device: String,
}

impl Guard<'_> {
    /// What the run goes on from; from now on the time is counted.
    pub(super) fn begin(&mut self) -> Option<Arc<Snapshot>> {
        self.taken = Some(Instant::now());
        if let Some(from) = self.from.take() {
            self.last = Some(from);
        }
        if self.keep.is_some() || self.remembers() {
            self.every.get_or_insert_default();
        }
        self.last()
    }

    /// Whether the last snapshot stays in memory, as the run may go back to it.
    fn remembers(&self) -> bool {
        self.on_divergence == OnDivergence::Rollback || !self.spares.is_empty()
    }

    /// What the run can go back to; to its beginning otherwise.
    pub(super) fn last(&self) -> Option<Arc<Snapshot>> {
        self.last.clone()
    }

    /// Hears of every few steps how far the run has come.
    pub(super) fn come(&mut self, steps: u64) {
        self.reached = self.reached.max(steps);
    }

    /// Whether what led to a loss that is no number is made again before it counts, which tells a device that erred from a model that
    /// diverges. Not a second time, and not where there is no snapshot, as all of the run might have to be made again.
    pub(super) fn doubts(&mut self, loss: f64, epoch: usize, device: String) -> bool {
        let from = Some(self.last.as_ref().map_or(0, |last| last.steps()));
        // Where a snapshot found it out before, an epoch's loss may do so now, or the end.
        let seen = |before: Doubt| epoch <= before.epoch + 1;
        let model = self.doubt.take().is_some_and(seen) || self.again == from;
        if !self.remembers() || model {
            self.again = None;
            return false;
        }
        self.doubt = Some(Doubt {
            loss,
            epoch,
            device,
        });
        self.again = from;
        true
    }

    /// Hears of an epoch whose loss is a number. Tells of a device that had erred, if the steps were made again.
    pub(super) fn settle(&mut self, epoch: usize, observe: &mut Observe<'_>) {
        if let Some(Doubt { loss, device, .. }) = self.doubt.take_if(|doubt| epoch > doubt.epoch) {
            let text = format!(
                "the loss had become {loss}, and is a number now that the steps were made again: {device} had erred; \
                 gpu-mlp devices --check tries all its kernels"
            );
            // Whoever wants the run to end says so again.
            let _ = observe(Event::Notice(&text));
        }
    }

    /// Steps from `steps` on until a snapshot is due at the latest.
    pub(super) fn until(&self, steps: u64) -> usize {
        match self.every {
            Some(Interval::Steps(every)) => {
                usize::try_from(every - steps % every).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        }
    }

    /// Whether one is due after so many steps.
    pub(super) fn due(&self, steps: u64) -> bool {
        match self.every {
            None => false,
            Some(Interval::Steps(every)) => steps.is_multiple_of(every),
            Some(Interval::Time(time)) => self.taken.is_none_or(|taken| taken.elapsed() >= time),
        }
    }

    /// Whether somebody wants one after so many steps.
    pub(super) fn wants(&self, steps: u64, due: Due) -> bool {
        match due {
            Due::End => self.keep.is_some(),
            Due::Interval => (self.keep.is_some() || self.remembers()) && self.due(steps),
        }
    }

    /// Hands a snapshot on.
    pub(super) fn take(&mut self, snapshot: Snapshot, due: Due) {
        self.taken = Some(Instant::now());
        let snapshot = Arc::new(snapshot);
        if self.remembers() {
            self.last = Some(Arc::clone(&snapshot));
        }
        if let Some(keep) = &mut self.keep {
            keep(&snapshot, due);
        }
    }

    /// Rows at a time at most, of those that a device takes.
    pub(super) fn most(&self, rows: usize) -> usize {
        self.most.map_or(rows, |most| most.min(rows))
    }

    /// Hears how many rows there are at a time, if these may become fewer.
    pub(super) fn holds(&mut self, rows: Option<usize>) {
        self.rows = rows;
    }

    /// Opens a device whose memory did not suffice anew, for half as many rows at a time; false where that is no way out.
    pub(super) fn cut(
        &mut self,
        backend: &mut Box<dyn Backend>,
        error: &BackendError,
        observe: &mut Observe<'_>,
    ) -> bool {
        let BackendError::OutOfMemory { device, reason } = error else {
            return false;
        };
        let (Some(rows @ 2..), Some(spare)) = (self.rows, self.spares.get_mut(self.current)) else {
            return false;
        };
        // What it holds is free before it is opened again.
        drop(std::mem::replace(
            backend,
            Box::new(CpuBackend::<f32>::new()),
        ));
        let opened = (spare.open)();
        let text = match &opened {
            Ok(opened) => format!(
                "{device} has no memory left: {reason}; training goes on behind step {}, with {} rows at a time at most, on {}",
                self.last.as_ref().map_or(0, |last| last.steps()),
                rows / 2,
                opened.device()
            ),
            Err(error) => error.to_string(),
        };
        // Whoever wants the run to end says so again.
        let _ = observe(Event::Notice(&text));
        let Ok(opened) = opened else {
            return false;
        };
        *backend = opened;
        self.most = Some(rows / 2);
        true
    }

    /// Puts a spare in the place of a backend that failed; false if there is none left.
    pub(super) fn replace(
        &mut self,
        backend: &mut Box<dyn Backend>,
        error: &BackendError,
        observe: &mut Observe<'_>,
    ) -> bool {
        if self.failed.is_none_or(|before| self.reached > before) {
            self.next = 0;
        }
        self.failed = Some(self.reached);
        if self.spares.is_empty() {
            return false;
        }
        let device = backend.device();
        // What it holds is free before another is opened.
        let failed = std::mem::replace(backend, Box::new(CpuBackend::<f32>::new()));
        if matches!(error, BackendError::Hung { .. }) {
            // Its end would be waited for, too.
            std::mem::forget(failed);
        } else {
            drop(failed);
        }
        let tries = self.tries.as_ref().map_or(usize::MAX, |tries| tries());
        let tries = tries.min(self.spares.len());
        while let Some(spare) = self.spares[..tries].get_mut(self.next) {
            self.current = self.next;
            self.next += 1;
            std::thread::sleep(spare.wait);
            match (spare.open)() {
                Ok(opened) => {
                    *backend = opened;
                    if backend.device() != device {
                        // Its memory is another.
                        self.most = None;
                    }
                    let step = self.last.as_ref().map_or(0, |last| last.steps());
                    let text = format!(
                        "{error}; training goes on behind step {step}, on {}",
                        backend.device()
                    );
                    // Whoever wants the run to end says so again.
                    let _ = observe(Event::Notice(&text));
                    return true;
                }
                Err(reason) => {
                    let _ = observe(Event::Notice(&reason.to_string()));
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::ops::ControlFlow;

    use super::*;

    #[test]
    fn an_interval_is_read_as_it_is_written() {
        for text in ["200", "30s", "1500ms", "5m", "2h", "1ms", "90s"] {
            let interval: Interval = text.parse().expect(text);
            assert_eq!(interval.to_string(), text);
        }
        assert_eq!("60s".parse(), Ok(Interval::Time(Duration::from_secs(60))));
        for text in [
            "",
            "0",
            "0s",
            "-3",
            "3 s",
            "s",
            "3d",
            "1.5h",
            "99999999999999999999",
        ] {
            text.parse::<Interval>().expect_err(text);
        }
    }

    #[test]
    fn who_erred_is_told_by_name_though_another_device_came_to_a_number() {
        let spare = Spare {
            wait: Duration::ZERO,
            open: Box::new(|| Ok(Box::new(CpuBackend::<f32>::new()))),
        };
        let mut guard = Guard {
            spares: vec![spare],
            ..Guard::default()
        };
        assert!(guard.doubts(f64::NAN, 3, "a card".into()));
        let (mut backend, device): (Box<dyn Backend>, String) =
            (Box::new(CpuBackend::<f32>::new()), "a card".into());
        let lost = BackendError::Lost {
            device,
            reason: "it fell out".into(),
        };
        let mut told = Vec::new();
        let mut observe = |event: Event<'_>| {
            if let Event::Notice(text) = event {
                told.push(text.to_owned());
            }
            ControlFlow::Continue(())
        };
        assert!(guard.replace(&mut backend, &lost, &mut observe));
        guard.settle(3, &mut observe);
        guard.settle(4, &mut observe);
        guard.settle(5, &mut observe);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].contains(": a card had erred"), "{told:?}");
    }

    #[test]
    fn as_many_spares_are_tried_as_there_are_to_be_when_a_device_fails() {
        let lost = || BackendError::Lost {
            device: "a card".into(),
            reason: "it fell out".into(),
        };
        for (now, tried) in [(0, 0), (1, 1), (3, 3), (9, 4)] {
            let (mut told, count) = (0, Cell::new(0));
            let spare = || Spare {
                wait: Duration::ZERO,
                open: Box::new(|| Err(lost())),
            };
            let mut guard = Guard {
                spares: vec![spare(), spare(), spare(), spare()],
                tries: Some(Box::new(|| count.get())),
                ..Guard::default()
            };
            // What there is by then counts.
            count.set(now);
            let mut backend: Box<dyn Backend> = Box::new(CpuBackend::<f32>::new());
            let mut observe = |_: Event<'_>| {
                told += 1;
                ControlFlow::Continue(())
            };
            assert!(!guard.replace(&mut backend, &lost(), &mut observe));
            assert_eq!(told, tried);
        }
    }

    #[test]
    fn snapshots_by_steps_fall_on_multiples_wherever_a_run_begins() {
        let guard = Guard {
            every: Some(Interval::Steps(10)),
            ..Guard::default()
        };
        assert_eq!(
            [0, 1, 9, 10].map(|steps| guard.until(steps)),
            [10, 9, 1, 10]
        );
        assert_eq!([10, 11].map(|steps| guard.due(steps)), [true, false]);
        // Nothing is copied where none is due, or nobody wants it.
        let wants = |guard: &Guard<'_>| [9, 10].map(|steps| guard.wants(steps, Due::Interval));
        assert_eq!(wants(&guard), [false, false]);
        let kept = Guard {
            keep: Some(Box::new(|_, _| {})),
            ..guard
        };
        assert_eq!(wants(&kept), [false, true]);
    }
}
