use serde::Serialize;

use super::targets::mean_and_variance;
use super::training::attempt;
use super::{
    Epoch, FitError, Guard, Judge, Monitor, Observe, Outcome, Plan, Rows, Scores, TrainError,
    Training, train_guarded,
};
use crate::backend::cpu::CpuBackend;
use crate::backend::{Backend, BackendError};
use crate::data::{Matrix, TargetTransform, Task};
use crate::model::Weights;
use crate::predictor::{Description, Jury, Metrics, Model, Report, ValueScores};
use crate::program::Link;

/// A trained model with its figures.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// What `predict` and `evaluate` use: all networks that were trained, of every fold.
    pub model: Model,
    /// On training, validation and test rows, where there are any; with folds on the test rows alone.
    pub metrics: [Option<Metrics>; 3],
    /// With folds, what each of them says of the rows that it held out.
    pub folds: Vec<HeldOut>,
    /// With folds, on all rows that were held out.
    pub out_of_fold: Option<Metrics>,
    /// Of several values, each on the rows that the metrics are of, which are its means.
    pub targets: Vec<OfTarget>,
    /// Steps, time, histories.
    pub outcome: Outcome,
}

/// How near the answers come to one of several values; on training, validation and test rows, and on those held out.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "each field is named by its rows")]
pub struct OfTarget {
    pub target: String,
    pub train: Option<ValueScores>,
    pub validation: Option<ValueScores>,
    pub test: Option<ValueScores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_fold: Option<ValueScores>,
}

/// What a fold's networks say of rows that they never saw.
#[derive(Clone, Debug, Serialize)]
pub struct HeldOut {
    /// How well they do.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// The rows, as positions in the dataset from 0.
    #[serde(skip)]
    pub rows: Vec<u32>,
    /// As [`Model::answers`] has them, for each of the rows.
    #[serde(skip)]
    pub answers: Matrix,
}

/// Epochs that a model's history tells of: of more, every second, third and so on. What is beside the weights in a
/// safetensors file may have 100 MB.
const TOLD_EPOCHS: usize = 10_000;

impl Plan {
    /// Trains on a backend. `observe` hears of every slice of steps and every epoch, and may end the run after it.
    pub fn fit(
        &self,
        backend: &mut dyn Backend,
        observe: &mut Observe<'_>,
    ) -> Result<Fitted, FitError> {
        let mut guard = Guard::default();
        guard.on_divergence = self.config.on_divergence.unwrap_or_default();
        let trained = self.training(|training| attempt(backend, training, &mut guard, observe));
        self.fitted(trained, backend)
    }

    /// The same, from a snapshot on if there is one, leaving others on the way, and with spares for a backend that fails.
    pub fn fit_guarded(
        &self,
        backend: &mut Box<dyn Backend>,
        guard: &mut Guard<'_>,
        observe: &mut Observe<'_>,
    ) -> Result<Fitted, FitError> {
        guard.on_divergence = self.config.on_divergence.unwrap_or_default();
        let trained = self.training(|training| train_guarded(backend, training, guard, observe));
        self.fitted(trained, &mut **backend)
    }

    /// Hands out what decides the run.
    fn training<R>(&self, train: impl FnOnce(Training<'_>) -> R) -> R {
        // Answers are the model's matter, whatever its weights.
        let answer = self
            .model(Vec::new(), serde_json::Value::Null)
            .description
            .answer();
        let (members, parts) = (self.members(), self.parts());
        train(Training {
            network: &self.network,
            members: &members,
            rows: Rows {
                inputs: &self.inputs,
                targets: &self.targets.learned,
                parts: &parts,
            },
            options: &self.options,
            judge: Some(Judge {
                answer,
                moments: &self.targets.moments,
                wanted: &self.targets.wanted,
            }),
            windows: self.windows.as_ref(),
        })
    }

    /// The model, and how well it does.
    fn fitted(
        &self,
        trained: Result<Outcome, TrainError>,
        backend: &mut dyn Backend,
    ) -> Result<Fitted, FitError> {
        let outcome = trained.map_err(|mut error| {
            let best = match &mut error {
                TrainError::Diverged { best, .. } => best.take(),
                _ => None,
            };
            let model = best.map(|weights| Box::new(self.model(*weights, serde_json::Value::Null)));
            FitError::Train(error, model)
        })?;
        let weights = outcome.members.iter().map(|member| member.weights.clone());
        let model = self.model(weights.collect(), self.history(&outcome));
        let mut fitted = Fitted {
            metrics: [0, 1, 2].map(|part| {
                outcome.members[0].scores[part].map(|scores| self.metrics(scores, part))
            }),
            model,
            folds: Vec::new(),
            out_of_fold: None,
            targets: Vec::new(),
            outcome,
        };
        let transform = self.config.target_transform.unwrap_or_default();
        // What was summed up on the device is of one network, and of the transformed target.
        if self.config.members() > 1 || transform != TargetTransform::None || !self.summed() {
            let mut reported = self.report(&mut fitted, backend);
            // The processor takes what is too large for the device's bindings, too.
            let elsewhere = |error: &BackendError| {
                error.is_failure() || matches!(error, BackendError::TooLarge { .. })
            };
            if matches!(&reported, Err(TrainError::Backend(error)) if elsewhere(error)) {
                reported = self.report(&mut fitted, &mut CpuBackend::<f32>::new());
            }
            reported
                .map_err(|error| FitError::Train(error, Some(Box::new(fitted.model.clone()))))?;
        }
        Ok(fitted)
    }

    /// What the data come to, as eight hexadecimal digits: the CRC-32 of all encoded rows and of what they were encoded by.
    pub fn fingerprint(&self) -> String {
        let mut hasher = crc32fast::Hasher::new();
        let targets = &self.targets;
        let matrices = [&self.inputs, &targets.learned, &targets.wanted];
        for values in matrices.map(|matrix| &matrix.values) {
            hasher.update(&values.len().to_le_bytes());
            hasher.update(bytemuck::cast_slice(values));
        }
        for rows in &self.rows {
            hasher.update(bytemuck::cast_slice(rows));
        }
        if let Some(windows) = &self.windows {
            hasher.update(&windows.rows().to_le_bytes());
        }
        let encoding = (&self.preprocessing, &targets.encoding, &targets.moments);
        let encoding = serde_json::to_vec(&encoding);
        hasher.update(&encoding.unwrap_or_default());
        format!("{:08x}", hasher.finalize())
    }

    /// What the networks say together, in the target's own units.
    fn report(&self, fitted: &mut Fitted, backend: &mut dyn Backend) -> Result<(), TrainError> {
        let model = &fitted.model;
        let networks = model.members.len();
        // With folds there is no row but those for the test that a network has not seen.
        let there =
            |part: &usize| !self.rows[*part].is_empty() && (*part == 2 || self.folds.is_empty());
        let parts: Vec<usize> = (0..3).filter(there).collect();
        let (mut all, mut values) = ([None; 3], [const { Vec::new() }; 4]);
        // A median is of every row's answer.
        let keep = self.targets.encoding.task() == Task::Regression && model.targets().len() > 1;
        if let Some(longest) = parts.iter().map(|&part| self.rows[part].len()).max() {
            let jury = self.jury(model, networks, longest, backend)?;
            for part in parts {
                let rows = [&self.rows[part][..]];
                for report in jury.reports(backend, &self.targets.wanted, &rows, keep)? {
                    all[part] = Some(report.metrics());
                    values[part] = report.values();
                }
            }
        }
        let held_out: Vec<&[u32]> = self.folds.iter().map(|fold| &fold.held_out[..]).collect();
        let mut folds = Vec::new();
        if let Some(longest) = held_out.iter().map(|rows| rows.len()).max() {
            let each = networks / held_out.len();
            let jury = self.jury(model, each, longest, backend)?;
            let reports = jury.reports(backend, &self.targets.wanted, &held_out, true)?;
            let mut whole = Report::of(model);
            for (report, rows) in reports.iter().zip(held_out) {
                whole.add(report);
                folds.push(HeldOut {
                    metrics: report.metrics(),
                    rows: rows.to_vec(),
                    answers: report.answers().clone(),
                });
            }
            fitted.out_of_fold = Some(whole.metrics());
            values[3] = whole.values();
        }
        let reported = all.iter().flatten().chain(&fitted.out_of_fold);
        let lost = reported.map(Metrics::loss).find(|loss| !loss.is_finite());
        (fitted.metrics, fitted.folds) = (all, folds);
        let names = fitted.model.targets();
        if names.len() > 1 {
            let of_target = |(place, target): (usize, String)| {
                let of = |part: usize| values[part].get(place).copied();
                OfTarget {
                    target,
                    train: of(0),
                    validation: of(1),
                    test: of(2),
                    out_of_fold: of(3),
                }
            };
            fitted.targets = names.into_iter().enumerate().map(of_target).collect();
        }
        lost.map_or(Ok(()), |loss| {
            Err(TrainError::Diverged {
                loss,
                rollbacks: 0,
                epoch: fitted.outcome.epochs(),
                best: None,
            })
        })
    }

    /// What counts the answers of the model's networks for the rows of this run, so many of them together.
    fn jury<'a>(
        &self,
        model: &'a Model,
        together: usize,
        longest: usize,
        backend: &mut dyn Backend,
    ) -> Result<Jury<'a>, BackendError> {
        let (inputs, wanted) = (&self.inputs, &self.targets.wanted);
        let jury = Jury::new(backend, model, together, [inputs.rows, longest])?;
        jury.write(backend, &inputs.values, &wanted.values)?;
        Ok(jury)
    }

    /// Whether a network's scores are found from sums over all outputs: not of outputs in no order, nor of several values.
    fn summed(&self) -> bool {
        let values = self.targets.encoding.task() == Task::Regression;
        let several = values && self.targets.wanted.columns > 1;
        self.options.loss.link() != Link::Ordered && !several
    }

    fn history(&self, outcome: &Outcome) -> serde_json::Value {
        let epochs = outcome.epochs();
        let every = epochs.div_ceil(TOLD_EPOCHS).max(1);
        let told = |index: &usize| (index + 1).is_multiple_of(every) || index + 1 == epochs;
        let history = (0..epochs).filter(told).map(|index| {
            let of_members: Vec<Epoch> = outcome
                .members
                .iter()
                .filter_map(|member| member.history.get(index).copied())
                .collect();
            let [train, validation] = self.epoch(&of_members);
            let mut validation = serde_json::to_value(validation).unwrap_or_default();
            if let Some((monitor, value)) = self.judged(&of_members) {
                validation[monitor.to_string()] = value.into();
            }
            serde_json::json!({
                "epoch": index + 1,
                "train": train,
                "validation": validation,
            })
        });
        history.collect()
    }

    fn model(&self, members: Vec<Weights>, history: serde_json::Value) -> Model {
        Model {
            network: self.network.clone(),
            members,
            description: Description {
                loss: self.options.loss,
                preprocessing: self.preprocessing.clone(),
                target: self.targets.encoding.clone(),
                target_moments: self.targets.moments.clone(),
                target_transform: self.config.target_transform.unwrap_or_default(),
                configuration: serde_json::to_value(&self.config).unwrap_or_default(),
                history,
            },
        }
    }

    /// An epoch of the members that learned in it: their mean on training and, where there are such rows, validation rows.
    pub fn epoch(&self, members: &[Epoch]) -> [Option<Metrics>; 2] {
        let train: Vec<_> = members.iter().map(|epoch| epoch.train).collect();
        let validation: Vec<_> = members
            .iter()
            .filter_map(|epoch| epoch.validation)
            .collect();
        [
            Scores::mean(&train).map(|scores| self.metrics(scores, 0)),
            Scores::mean(&validation).map(|scores| self.metrics(scores, 1)),
        ]
    }

    /// What is monitored of an epoch, where the metrics above do not tell it: the members' mean.
    pub fn judged(&self, members: &[Epoch]) -> Option<(Monitor, f64)> {
        let values: Option<Vec<f64>> = members.iter().map(|epoch| epoch.judged).collect();
        let values = values.filter(|values| !values.is_empty())?;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Some((self.options.monitor, mean))
    }

    /// Scores of a part of the rows, in the target's own units.
    fn metrics(&self, scores: Scores, part: usize) -> Metrics {
        match self.targets.encoding.task() {
            Task::Classification => Metrics::Classification {
                loss: scores.loss,
                accuracy: scores.accuracy,
            },
            Task::Regression if !self.summed() => Metrics::Loss { loss: scores.loss },
            Task::Regression => {
                // A fold validates rows of those that are all trained on elsewhere.
                let rows = if self.rows[part].is_empty() {
                    &self.rows[0]
                } else {
                    &self.rows[part]
                };
                let rows = rows
                    .iter()
                    .map(|&row| f64::from(self.targets.learned.row(row as usize)[0]));
                let (_, variance) = mean_and_variance(rows);
                Metrics::regression(
                    scores.loss,
                    scores.absolute,
                    scores.squared,
                    variance,
                    self.targets.moments.first().copied(),
                )
            }
        }
    }
}
