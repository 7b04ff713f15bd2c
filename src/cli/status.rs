//! `status`: how far a run is, as its trainer says, or its folder where nobody trains in it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use gpu_mlp::elastic::PoolReport;
use gpu_mlp::runs::RunFolder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::control::{self, Asked};
use super::{output, report};

/// Show how far a run is, and its workers while it trains
#[derive(Args)]
pub(super) struct Options {
    /// The run's folder
    run: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How far a run is; nothing of what is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Training, starting, or why it does not.
    state: String,
    step: u64,
    /// Steps if all epochs are trained.
    steps: Option<u64>,
    epoch: u64,
    epochs: Option<u32>,
    /// What the last epoch came to, on the rows trained on and on those of the validation.
    train: Value,
    validation: Value,
    samples_per_second: Option<f64>,
    /// The workers, if there are some.
    #[serde(flatten)]
    pub(super) pool: Option<PoolReport>,
}

/// A state's word, where it is not why the run has come to its end.
const TRAINING: &str = "training";
const STARTING: &str = "starting";
const INTERRUPTED: &str = "interrupted";

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    // It may be training by the time that it is asked.
    let starting = RunFolder::is_starting(&options.run);
    let standing = match control::standing(&options.run)? {
        Asked::Answer(standing) => standing,
        Asked::Nobody if starting => Standing {
            state: STARTING.to_owned(),
            ..kept(&options.run, STARTING)?
        },
        Asked::Nobody => kept(&options.run, INTERRUPTED)?,
        Asked::Unreachable(reason) => {
            let standing = kept(&options.run, "not at its end")?;
            log::warn!("{reason}; what follows is from the run's log");
            standing
        }
    };
    if options.json {
        output::json(&standing)?;
    } else {
        output::text(&told(&standing))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a run's folder tells. `otherwise` is the state of one that has come to no end.
fn kept(run: &Path, otherwise: &str) -> Result<Standing> {
    let (description, lines) = RunFolder::look(run)?;
    let epochs = description.effective.epochs;
    Ok(of_log(
        &lines,
        (epochs, description.end.as_deref()),
        otherwise,
    ))
}

/// What a log tells of a run of so many epochs, whose folder knows its end or does not.
fn of_log(
    lines: &[Value],
    (epochs, end): (Option<u32>, Option<&str>),
    otherwise: &str,
) -> Standing {
    let mut standing = Standing {
        state: otherwise.to_owned(),
        epochs,
        ..Standing::default()
    };
    let mut ended: Vec<&Value> = Vec::new();
    for line in lines {
        let step = line["step"].as_u64().unwrap_or(standing.step);
        match line["event"].as_str() {
            Some("start" | "resume") => {
                otherwise.clone_into(&mut standing.state);
                standing.step = step;
                standing.samples_per_second = None;
                // What came behind the checkpoint is made again.
                ended.retain(|epoch| epoch["steps"].as_u64().is_some_and(|steps| steps <= step));
            }
            Some("epoch") => {
                standing.step = line["steps"].as_u64().unwrap_or(standing.step);
                ended.push(line);
            }
            Some("end") => {
                let end = line["end"].as_str().unwrap_or("end");
                end.clone_into(&mut standing.state);
            }
            Some(event @ ("stopped" | "failed")) => event.clone_into(&mut standing.state),
            _ => {}
        }
        // A checkpoint's line may come behind those of later steps.
        standing.step = standing.step.max(step);
        let rate = line["samples_per_second"].as_f64();
        standing.samples_per_second = rate.or(standing.samples_per_second);
    }
    if let Some(last) = ended.last() {
        standing.epoch = last["epoch"].as_u64().unwrap_or(0);
        standing.train = last["train"].clone();
        standing.validation = last["validation"].clone();
    }
    if let Some(end) = end {
        end.clone_into(&mut standing.state);
    }
    standing
}

/// In words.
fn told(standing: &Standing) -> String {
    let of = |count: Option<String>| count.map_or(String::new(), |count| format!(" of {count}"));
    let mut line = format!(
        "{}: step {}{}, epoch {}{}",
        standing.state,
        standing.step,
        of(standing.steps.map(|steps| steps.to_string())),
        standing.epoch,
        of(standing.epochs.map(|epochs| epochs.to_string())),
    );
    let parts = [("", &standing.train), ("validation ", &standing.validation)];
    for (part, scores) in parts {
        if let Some(loss) = scores["loss"].as_f64() {
            line += &format!(", {part}loss {loss:.4}");
        }
    }
    if let Some(rate) = standing.samples_per_second {
        line += &format!(", {rate:.0} samples/s");
    }
    let workers = standing.pool.iter().flat_map(report::workers);
    let lines = std::iter::once(line).chain(workers);
    lines.map(|line| line + "\n").collect()
}

/// A run's standing, as it is told while it trains.
#[derive(Clone)]
pub(super) struct Watch(Arc<Mutex<Watched>>);

struct Watched {
    standing: Standing,
    members: u64,
    /// Samples that were trained on up to a moment.
    mark: Option<(Instant, u64)>,
}

/// For how long samples are counted before that is a rate.
const SPAN: Duration = Duration::from_secs(1);

impl Watch {
    /// Of a run of so many networks that begins behind so many steps.
    pub(super) fn new(step: u64, epochs: Option<u32>, members: usize) -> Self {
        let standing = Standing {
            state: TRAINING.to_owned(),
            step,
            epochs,
            ..Standing::default()
        };
        Watch(Arc::new(Mutex::new(Watched {
            standing,
            members: members as u64,
            mark: None,
        })))
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn standing(&self) -> Standing {
        self.watched().standing.clone()
    }

    /// So many steps are done, and each network has seen so many samples.
    pub(super) fn at(&self, [done, total]: [u64; 2], epoch: usize, samples: u64, now: Instant) {
        let mut watched = self.watched();
        let standing = &mut watched.standing;
        (standing.step, standing.steps) = (done, Some(total));
        standing.epoch = epoch as u64;
        // A run that went back begins to count anew.
        let mark = watched.mark.filter(|(_, before)| *before <= samples);
        let Some((since, before)) = mark else {
            watched.mark = Some((now, samples));
            return;
        };
        let time = now.duration_since(since);
        if time >= SPAN {
            let trained = watched.members * (samples - before);
            watched.standing.samples_per_second = Some(trained as f64 / time.as_secs_f64());
            watched.mark = Some((now, samples));
        }
    }

    /// What an epoch came to. Returns the steps that are done.
    pub(super) fn epoch(&self, train: Value, validation: Value) -> u64 {
        let standing = &mut self.watched().standing;
        (standing.train, standing.validation) = (train, validation);
        standing.step
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_log_tells_the_end_and_no_epoch_behind_the_checkpoint_that_was_resumed() {
        let epoch = |epoch: u64, loss: f64| json!({ "event": "epoch", "epoch": epoch, "steps": 10 * epoch, "train": { "loss": loss } });
        let mut lines = vec![
            json!({ "event": "start", "step": 0 }),
            epoch(1, 0.5),
            epoch(2, 0.25),
            json!({ "event": "resume", "step": 15 }),
        ];
        let found = |lines: &[Value]| told(&of_log(lines, (None, None), "interrupted"));
        let line = "interrupted: step 15, epoch 1, loss 0.5000\n";
        assert_eq!(found(&lines), line);
        lines.push(json!({ "event": "resume", "step": 5 }));
        assert_eq!(found(&lines), "interrupted: step 5, epoch 0\n");
        lines.push(epoch(1, 0.5));
        lines.push(json!({ "event": "end", "step": 10, "end": "converged" }));
        let line = "converged: step 10, epoch 1, loss 0.5000\n";
        assert_eq!(found(&lines), line);
    }

    #[test]
    fn samples_a_second_are_of_all_networks_over_a_second_at_least() {
        let (watch, start) = (Watch::new(40, Some(9), 3), Instant::now());
        let rate = |step: u64, samples, seconds| {
            let now = start + Duration::from_secs_f64(seconds);
            watch.at([step, 90], 5, samples, now);
            watch.standing().samples_per_second
        };
        assert_eq!(rate(41, 1000, 0.0), None);
        assert_eq!(rate(42, 1100, 0.5), None);
        assert_eq!(rate(43, 1400, 2.0), Some(600.0));
        assert_eq!(rate(44, 1500, 2.5), Some(600.0));
        assert_eq!(rate(45, 1600, 3.0), Some(600.0));
        // It goes back.
        assert_eq!(rate(41, 1100, 9.0), Some(600.0));
        assert_eq!(rate(42, 1200, 10.0), Some(300.0));
        watch.epoch(json!({ "loss": 0.25 }), Value::Null);
        let line = "training: step 42 of 90, epoch 5 of 9, loss 0.2500, 300 samples/s\n";
        assert_eq!(told(&watch.standing()), line);
    }
}
