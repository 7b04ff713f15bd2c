use std::fmt::{Display, Formatter};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use gpu_mlp::predictor::Metrics;
use gpu_mlp::train::Monitor;
use indicatif::{ProgressBar, ProgressStyle};

use super::output;

/// Shows how far long work is: a bar on a terminal, a line every few seconds elsewhere, on standard error.
pub(super) struct Progress {
    /// What is counted, as `steps`.
    counted: &'static str,
    bar: Option<ProgressBar>,
    told: Option<Instant>,
    start: Instant,
    /// Steps that were done before.
    before: u64,
    quiet: bool,
    last: Option<Epoch>,
    workers: Option<usize>,
    /// When the bar was last told.
    shown: Option<Instant>,
}

/// What an epoch came to.
struct Epoch {
    number: usize,
    train: Option<Metrics>,
    validation: Option<Metrics>,
    judged: Option<(Monitor, f64)>,
}

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(5);

/// Between two epochs that the bar tells of. Those of small data take microseconds, and to put one into words takes longer.
const GLANCE: Duration = Duration::from_millis(50);

impl Progress {
    pub(super) fn new(counted: &'static str, quiet: bool, before: u64) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0).with_position(before);
            bar.reset_eta();
            let colours = if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
                ""
            } else {
                ".cyan/dim"
            };
            let template = format!(
                "{{bar:30{colours}}} {{pos}}/{{len}} {counted}  {{per_sec}}  {{eta}} left  {{msg}}"
            );
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar
        });
        Progress {
            counted,
            bar,
            told: None,
            start: Instant::now(),
            before,
            quiet,
            last: None,
            workers: None,
            shown: None,
        }
    }

    /// So many are done, by so many workers, if there are several.
    pub(super) fn at(&mut self, done: u64, total: u64, workers: impl Fn() -> Option<usize>) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            self.workers = workers();
            bar.set_message(self.message());
            self.shown = Some(Instant::now());
        } else if !self.quiet && self.told.unwrap_or(self.start).elapsed() > PAUSE {
            let rate = done.saturating_sub(self.before) as f64 / self.start.elapsed().as_secs_f64();
            let left = total.saturating_sub(done) as f64 / rate;
            self.workers = workers();
            let told = format!(
                "{done}/{total} {}, {rate:.0} a second, {left:.0} s left  {}",
                self.counted,
                self.message()
            );
            output::tell(told.trim_end());
            self.told = Some(Instant::now());
        }
    }

    pub(super) fn epoch(
        &mut self,
        number: usize,
        train: Option<Metrics>,
        validation: Option<Metrics>,
        judged: Option<(Monitor, f64)>,
    ) {
        self.last = Some(Epoch {
            number,
            train,
            validation,
            judged,
        });
        if let Some(bar) = &self.bar
            && self.shown.is_none_or(|shown| shown.elapsed() > GLANCE)
        {
            bar.set_message(self.message());
            self.shown = Some(Instant::now());
        }
    }

    /// Who works, and what the last epoch came to.
    fn message(&self) -> String {
        let last = self.last.as_ref().map(ToString::to_string);
        let last = last.unwrap_or_default();
        match self.workers {
            None => last,
            Some(1) => format!("1 worker  {last}"),
            Some(count) => format!("{count} workers  {last}"),
        }
    }

    pub(super) fn done(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Display for Epoch {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let told = |metrics: &Metrics| {
            let told = output::metrics(metrics).into_iter();
            let told = told.map(|(name, value)| format!("{name} {value}"));
            told.collect::<Vec<_>>().join(" ")
        };
        let trained = self.train.as_ref().map(told).unwrap_or_default();
        write!(f, "epoch {}: {trained}", self.number)?;
        if let Some(validation) = &self.validation {
            write!(f, "; validation {}", told(validation))?;
        }
        if let Some((monitor, value)) = self.judged {
            write!(f, " {monitor} {value:.4}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_are_told_before_the_epoch() {
        let mut progress = Progress::new("steps", true, 0);
        progress.epoch(3, None, None, None);
        assert_eq!(progress.message(), "epoch 3: ");
        for (count, told) in [(1, "1 worker  epoch 3: "), (3, "3 workers  epoch 3: ")] {
            progress.workers = Some(count);
            assert_eq!(progress.message(), told);
        }
    }
}
