//! What `train` and `resume` share: a plan on a device, to its end.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Error, Result};
use gpu_mlp::runs::RunFolder;
use gpu_mlp::train::{End, Event, FitError, Fitted, Guard, Plan, Snapshot};
use serde_json::json;

use super::control::{self, Desk};
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::status::Watch;
use super::workers::Trainer;
use super::{output, report};

/// A training run, ready to go.
pub(super) struct Session {
    pub(super) plan: Plan,
    pub(super) trainer: Trainer,
    /// The model file.
    pub(super) out: PathBuf,
    pub(super) out_of_fold: Option<PathBuf>,
    pub(super) json: bool,
    /// Where the run is kept, if anywhere.
    pub(super) folder: Option<RunFolder>,
    /// Where it goes on.
    pub(super) from: Option<Snapshot>,
}

impl Session {
    /// Trains, writes the model and tells about it.
    pub(super) fn run(mut self) -> Result<ExitCode> {
        let interrupt = Interrupt::listen()?;
        log::info!("training on {}", self.trainer.backend.device());
        let keeper = self.folder.as_ref().map(RunFolder::keeper).transpose()?;
        let line = |event, fields| {
            if let Some(keeper) = &keeper {
                keeper.line(event, fields);
            }
        };
        let before = self.from.as_ref().map_or(0, Snapshot::steps);
        let crew = self.trainer.crew.clone();
        let workers = || crew.as_ref().and_then(|crew| crew.remote.live());
        // What befalls workers has been told by the pool; here it comes to the run's log.
        let noted = || {
            for text in crew.iter().flat_map(|crew| crew.remote.notices()) {
                line("notice", json!({ "text": text }));
            }
        };
        let watch = Watch::new(before, self.plan.config.epochs, self.plan.config.members());
        let listening = self.folder.as_ref().map(|folder| {
            let (watch, crew) = (watch.clone(), crew.clone());
            let level = crew
                .as_ref()
                .map_or(log::Level::Debug, |_| log::Level::Warn);
            control::listen(folder.path(), Desk { watch, crew }).inspect_err(|error| {
                log::log!(
                    level,
                    "gpu-mlp status and scale do not reach this run: {error}"
                );
            })
        });
        let begun = if self.from.is_some() {
            "resume"
        } else {
            "start"
        };
        line(
            begun,
            json!({ "step": before, "device": self.trainer.backend.device() }),
        );
        let mut progress = Progress::new("steps", self.json, before);
        let plan = &self.plan;
        let mut guard = Guard::default();
        guard.from = self.from.take().map(Arc::new);
        guard.spares = std::mem::take(&mut self.trainer.spares);
        guard.tries = self.trainer.tries.take();
        guard.every = self
            .folder
            .as_ref()
            .map(|folder| folder.description.checkpoint_every);
        let learning = crew.as_ref().filter(|crew| crew.learns());
        if keeper.is_some() || learning.is_some() {
            guard.keep = Some(Box::new(|snapshot, due| {
                if let Some(keeper) = &keeper {
                    keeper.keep(snapshot, due);
                }
                // A run that is killed loses as little of these.
                learning.inspect(|crew| crew.remember());
            }));
        }
        let fitted = plan.fit_guarded(&mut self.trainer.backend, &mut guard, &mut |event| {
            noted();
            match event {
                Event::Steps {
                    done,
                    total,
                    epoch,
                    samples,
                } => {
                    watch.at([done, total], epoch, samples, Instant::now());
                    progress.at(done, total, workers);
                }
                Event::Notice(text) => {
                    log::warn!("{text}");
                    line("notice", json!({ "text": text }));
                }
                Event::Epoch(epochs) => {
                    let [train, validation] = plan.epoch(epochs);
                    let number = epochs[0].number;
                    let judged = plan.judged(epochs);
                    progress.epoch(number, train, validation, judged);
                    if keeper.is_some() {
                        let steps = watch.epoch(json!(train), json!(validation));
                        line(
                            "epoch",
                            json!({ "epoch": number, "steps": steps, "train": train, "validation": validation }),
                        );
                    }
                }
            }
            if interrupt.asked() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        noted();
        drop(guard);
        progress.done();
        let ended = self.end(fitted);
        match &ended {
            Ok(fitted) => {
                let event = match fitted.outcome.end {
                    End::Stopped => "stopped",
                    End::Done | End::Converged | End::Patience => "end",
                };
                line(
                    event,
                    json!({
                        "step": fitted.outcome.steps,
                        "end": report::end(fitted.outcome.end),
                        "samples_per_second": report::samples_per_second(&fitted.outcome),
                    }),
                );
            }
            Err(error) => line("failed", json!({ "reason": format!("{error:#}") })),
        }
        let unwritten = keeper.and_then(gpu_mlp::runs::Keeper::finish);
        if let Some(reason) = &unwritten {
            output::tell(&format!(
                "the last checkpoint could not be written: {reason}"
            ));
        }
        // Whoever asks from here on reads the log.
        drop(listening);
        let fitted = ended?;
        let stopped = fitted.outcome.end == End::Stopped;
        if let Some(folder) = &mut self.folder
            && !stopped
        {
            folder.description.end = Some(report::end(fitted.outcome.end).to_owned());
            if let Err(error) = folder.describe() {
                log::warn!("{error}; the run does not know that it is finished");
            }
        }
        if !stopped {
            return Ok(ExitCode::SUCCESS);
        }
        let more = self.folder.as_ref().map(|folder| {
            let path = folder.path().display();
            format!("; gpu-mlp resume {path} goes on with it")
        });
        output::tell(&format!(
            "stopped: the best model so far is in {}{}",
            self.out.display(),
            more.unwrap_or_default()
        ));
        Ok(interrupt.code())
    }

    /// Writes what came of it.
    fn end(&mut self, fitted: Result<Fitted, FitError>) -> Result<Fitted> {
        let fitted = match fitted {
            Ok(fitted) => fitted,
            Err(FitError::Train(error, Some(last))) => {
                last.save(&self.out)?;
                let kept = format!("the last good weights are in {}", self.out.display());
                return Err(Error::new(FitError::Train(error, None)).context(kept));
            }
            Err(error) => return Err(error.into()),
        };
        fitted.model.save(&self.out)?;
        if let Some(path) = &self.out_of_fold {
            report::out_of_fold(&fitted, path)?;
        }
        let crew = self.trainer.crew.as_ref();
        crew.inspect(|crew| crew.remember());
        let workers = crew.and_then(|crew| crew.remote.report());
        report::report(
            &fitted,
            &self.trainer.backend.device(),
            &self.out,
            self.json,
            workers,
        )?;
        Ok(fitted)
    }
}

/// Tells what there is to train, and what was odd about the data.
pub(super) fn introduce(plan: &Plan, data: &str) {
    for notice in &plan.notices {
        log::warn!("{notice}");
    }
    let [train, validation, test] = plan.counts();
    let members = plan.config.members();
    let pack = match plan.config.folds {
        Some(folds) => format!("; {folds} folds, {members} networks"),
        None if members > 1 => format!("; {members} networks"),
        None => String::new(),
    };
    log::info!(
        "{data}: {train} rows to train on, {validation} for validation, {test} for test; network {} with {} parameters{pack}",
        plan.network,
        plan.network.parameter_count()
    );
    if let Some((windows, sample)) = plan.windows() {
        log::info!(
            "rows are streamed in {} window{} of {} rows, shuffled by window and within each; {sample} of them, drawn at random, \
             decide how inputs are encoded and are what the figures of training rows are of",
            windows.count(),
            if windows.count() == 1 { "" } else { "s" },
            windows.window()
        );
    }
    if validation + test == 0 && plan.config.folds.is_none() {
        log::info!("no rows are kept from training: the figures are of the rows trained on");
    }
}
