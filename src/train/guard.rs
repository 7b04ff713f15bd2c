//! What a run does for the case that something fails.

use std::fmt::{Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Snapshot;

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

/// Takes the snapshots of a run. It is called from the training loop: what takes long belongs to another thread.
pub type Keep<'a> = dyn FnMut(&Arc<Snapshot>, Due) + 'a;

/// What a run begins with, and what it leaves on its way.
#[derive(Default)]
pub struct Guard<'a> {
    /// Where training goes on; from the beginning otherwise.
    pub from: Option<Arc<Snapshot>>,
    /// When snapshots are taken; never otherwise.
    pub every: Option<Interval>,
    /// What becomes of them.
    pub keep: Option<Box<Keep<'a>>>,
    /// When the last one was taken.
    taken: Option<Instant>,
}

impl Guard<'_> {
    /// Begins to count the time.
    pub(super) fn begin(&mut self) {
        self.taken = Some(Instant::now());
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
        self.keep.is_some() && (due == Due::End || self.due(steps))
    }

    /// Hands a snapshot on.
    pub(super) fn take(&mut self, snapshot: Snapshot, due: Due) {
        self.taken = Some(Instant::now());
        if let Some(keep) = &mut self.keep {
            keep(&Arc::new(snapshot), due);
        }
    }
}

#[cfg(test)]
mod tests {
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
    }
}
