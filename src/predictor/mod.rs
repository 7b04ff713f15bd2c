//! A trained network with all that turns raw rows into its inputs and its outputs into answers.

mod averages;
mod metrics;

pub use averages::{Average, Averages};
pub use metrics::{ClassScores, Metrics, Report, most_probable};

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::backend::{Backend, BackendError, Data, ProgramId, run_all};
use crate::data::{DataError, Matrix, Moments, Place, Preprocessing, Table, TargetEncoding};
use crate::model::{ModelFileError, Network, Weights, load_model, save_model};
use crate::program::{Capacity, Link, Loss, Program, Step, buffer};

/// A trained network and what belongs to it. One file holds it: see [`Model::save`].
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Widths and activations.
    pub network: Network,
    /// Trained values.
    pub weights: Weights,
    /// All else.
    pub description: Description,
}

/// What a model file's metadata holds beside the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Description {
    /// What was made small.
    pub loss: Loss,
    /// How raw columns become inputs.
    pub preprocessing: Preprocessing,
    /// What the outputs mean.
    pub target: TargetEncoding,
    /// Mean and deviation that a regression's target was standardised by.
    pub target_moments: Option<Moments>,
    /// The effective configuration of the training run.
    pub configuration: serde_json::Value,
    /// An entry an epoch, as `--json` prints it.
    pub history: serde_json::Value,
}

/// Why a model could not answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The rows do not suit the model.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A row for which there is no answer.
    #[error(
        "{file}: {place}: the model's answer is no number; the row is too far from all that it was trained on"
    )]
    NotFinite {
        /// The rows' file.
        file: String,
        /// The row in it.
        place: Place,
    },
}

/// Rows that go through the network at a time.
pub const CHUNK: usize = 1024;

impl Model {
    /// Writes the model as one safetensors file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), ModelFileError> {
        save_model(path, &self.network, &self.weights, &self.description)
    }

    /// Reads a model and checks that its parts fit together.
    pub fn load(path: &Path) -> Result<Self, ModelFileError> {
        let (network, weights, description) = load_model::<Description>(path)?;
        let classes = description.target.labels().len();
        let outputs = description.loss.outputs(classes);
        let moments = description.target_moments;
        let reason = if !description.loss.function.suits(classes) {
            format!(
                "its loss {} does not suit {classes} classes",
                description.loss.function
            )
        } else if !description.preprocessing.is_sound()
            || moments
                .is_some_and(|moments| !(moments.mean.is_finite() && moments.deviation.is_finite()))
        {
            "a number that its inputs or its target are scaled by is not usable".to_owned()
        } else if description.preprocessing.inputs() != network.inputs {
            format!(
                "its preprocessing makes {} inputs, its network takes {}",
                description.preprocessing.inputs(),
                network.inputs
            )
        } else if outputs != network.outputs() {
            format!(
                "its network has {} outputs, its target needs {outputs}",
                network.outputs()
            )
        } else if !weights.is_finite() {
            "it has a weight that is not finite".to_owned()
        } else {
            return Ok(Model {
                network,
                weights,
                description,
            });
        };
        Err(ModelFileError::Invalid {
            path: path.into(),
            reason,
        })
    }

    /// The class names of a classification; empty for a regression.
    pub fn labels(&self) -> &[String] {
        self.description.target.labels()
    }

    /// Makes the model ready to answer on a backend.
    pub fn on<'a>(&'a self, backend: &'a mut dyn Backend) -> Result<Predictor<'a>, BackendError> {
        let widest = self.network.layers.iter().map(|layer| layer.units);
        let widest = widest.chain([self.network.inputs]).max().unwrap_or(1);
        let limits = backend.limits();
        let batch = CHUNK
            .min(limits.rows)
            .min(limits.tensor / widest.max(1))
            .max(1);
        let capacity = Capacity {
            members: 1,
            batch,
            rows: batch,
            order: batch,
            records: 1,
        };
        // The link is left to the host: losses are found from logits, where probabilities have lost them.
        let program = Program::inference(&self.network, Link::Identity, capacity).fused();
        let compiled = backend.compile(&program)?;
        let parameters = self.network.parameters();
        for (parameter, values) in parameters.iter().zip(&self.weights.0) {
            let offset = program
                .tensor(&parameter.name)
                .map_or(0, |tensor| tensor.offset);
            backend.write(buffer::PARAMETERS, 0, offset, Data::F32(values))?;
        }
        let order: Vec<u32> = (0..batch as u32).collect();
        backend.write(buffer::ORDER, 0, 0, Data::U32(&order))?;
        Ok(Predictor {
            model: self,
            backend,
            program: compiled,
            batch,
        })
    }
}

/// A model on a backend.
pub struct Predictor<'a> {
    model: &'a Model,
    backend: &'a mut dyn Backend,
    program: ProgramId,
    batch: usize,
}

impl Predictor<'_> {
    /// The network's outputs for raw rows, as they leave its last layer: `[rows, outputs]`.
    pub fn logits(&mut self, table: &Table) -> Result<Matrix, PredictError> {
        let inputs = self.model.description.preprocessing.apply(table)?;
        let (width, outputs) = (inputs.columns, self.model.network.outputs());
        let mut values = Vec::with_capacity(inputs.rows * outputs);
        for rows in inputs.values.chunks(self.batch * width.max(1)) {
            let count = rows.len() / width.max(1);
            self.backend.write(buffer::INPUTS, 0, 0, Data::F32(rows))?;
            let step = Step {
                rows: count as u32,
                ..Step::default()
            };
            run_all(self.backend, self.program, &[step])?;
            values.extend(self.backend.read(buffer::OUTPUTS, 0, 0, count * outputs)?);
        }
        let answer = |value: f32| match self.model.description.loss.link() {
            Link::Exponential => value.exp(),
            _ => value,
        };
        let lost = |&value: &f32| !answer(value).is_finite();
        if let Some(at) = values.iter().position(lost) {
            return Err(PredictError::NotFinite {
                file: table.origin.clone(),
                place: table.place(at / outputs.max(1)),
            });
        }
        Ok(Matrix {
            rows: inputs.rows,
            columns: outputs,
            values,
        })
    }

    /// For a classification each class's probability `[rows, classes]`, or its margin where the loss is the hinge; for a
    /// regression the value `[rows, 1]` in the target's own units.
    pub fn predict(&mut self, table: &Table) -> Result<Matrix, PredictError> {
        let logits = self.logits(table)?;
        Ok(self.model.answers(&logits))
    }

    /// How well the model does on rows with targets, summed up row by row.
    pub fn evaluate(&mut self, table: &Table, report: &mut Report) -> Result<(), PredictError> {
        let logits = self.logits(table)?;
        let targets = self.model.description.target.apply(table)?;
        report.add(self.model, &logits, &targets);
        Ok(())
    }
}

impl Model {
    /// Turns logits into what [`Predictor::predict`] answers.
    pub fn answers(&self, logits: &Matrix) -> Matrix {
        let classes = self.labels().len();
        let mut values = Vec::with_capacity(logits.rows * classes.max(1));
        for z in logits.values.chunks(logits.columns.max(1)) {
            match (self.description.loss.link(), classes) {
                (Link::Softmax, _) => {
                    let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let powers: Vec<f32> = z.iter().map(|z| (z - largest).exp()).collect();
                    let total: f32 = powers.iter().sum();
                    values.extend(powers.iter().map(|power| power / total));
                }
                (Link::Sigmoid, _) => {
                    let e = (-z[0].abs()).exp();
                    let (likely, unlikely) = (1.0 / (1.0 + e), e / (1.0 + e));
                    values.extend(if z[0] >= 0.0 {
                        [unlikely, likely]
                    } else {
                        [likely, unlikely]
                    });
                }
                // Two classes by a value: near 0 or near 1.
                (Link::Identity, 2) => {
                    let second = z[0].clamp(0.0, 1.0);
                    values.extend([1.0 - second, second]);
                }
                (Link::Margin, _) => values.extend(z),
                (Link::Exponential, _) => values.push(z[0].exp()),
                (Link::Identity, _) => {
                    let moments = self.description.target_moments;
                    let (mean, deviation) =
                        moments.map_or((0.0, 1.0), |moments| (moments.mean, moments.deviation));
                    values.push(z[0] * deviation + mean);
                }
            }
        }
        Matrix {
            rows: logits.rows,
            columns: if classes > 0 { classes } else { 1 },
            values,
        }
    }
}
