//! A trained network with all that turns raw rows into its inputs and its outputs into answers.

mod averages;
mod jury;
mod labels;
mod metrics;
mod pack;
mod scores;
mod tally;
mod values;

pub use averages::{Average, Averages};
pub(crate) use jury::{ATTEMPTS, Jury, uncounted};
use labels::label_scores;
pub use labels::{LabelAverages, LabelScores, has_label};
pub use metrics::{ClassScores, Metrics, Report, most_probable};
pub use pack::CHUNK;
pub use scores::{RankScores, average_precision, roc_auc};
pub use tally::Tally;
pub use values::{ErrorScores, QuantileScores, ValueScores};

use std::path::Path;

use serde::{Deserialize, Serialize};

use self::pack::Pack;
use crate::backend::cpu::answers::of_logits;
use crate::backend::{Backend, BackendError};
use crate::data::{
    DataError, Label, Matrix, Moments, Place, Preprocessing, Table, TargetEncoding, TargetTransform,
};
use crate::model::{Embeddings, ModelFileError, Network, Weights, load_model, save_model};
use crate::program::{Answer, Link, Loss, LossFunction};

/// A trained network, or several that answer together, and what belongs to them. One file holds it: see [`Model::save`].
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Widths and activations.
    pub network: Network,
    /// Trained values: of one network, or of each member of an ensemble, whose answers are averaged.
    pub members: Vec<Weights>,
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
    /// Mean and deviation that each of a regression's targets was standardised by; none where they were not.
    #[serde(default)]
    pub target_moments: Vec<Moments>,
    /// What a regression's targets became before.
    #[serde(default)]
    pub target_transform: TargetTransform,
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
    /// A target that the model cannot have learned.
    #[error(
        "{file}: {place}: the target {value} has no logarithm; the model is of values above -1"
    )]
    Target {
        /// The rows' file.
        file: String,
        /// The row in it.
        place: Place,
        /// The target.
        value: f32,
    },
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

impl Model {
    /// Writes the model as one safetensors file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), ModelFileError> {
        save_model(path, &self.network, &self.members, &self.description)
    }

    /// Reads a model and checks that its parts fit together.
    pub fn load(path: &Path) -> Result<Self, ModelFileError> {
        let (network, members, description) = load_model::<Description>(path)?;
        let target = &description.target;
        let classes = match target.labels() {
            [] => target.classes().len(),
            _ => 2,
        };
        let outputs = description.loss.outputs(classes) * target.names().len();
        let moments = &description.target_moments;
        let reason = if !description.loss.function.suits(classes) {
            format!(
                "its loss {} does not suit {classes} classes",
                description.loss.function
            )
        } else if !description.preprocessing.is_sound()
            || !moments.iter().all(|moments| moments.is_finite())
            || ![0, target.names().len()].contains(&moments.len())
        {
            "a number that its inputs or its target are scaled by is not usable".to_owned()
        } else if description.preprocessing.inputs() != network.inputs {
            format!(
                "its preprocessing makes {} inputs, its network takes {}",
                description.preprocessing.inputs(),
                network.inputs
            )
        } else if !suits(&network.embeddings, &description.preprocessing) {
            "its network embeds other columns than its preprocessing makes".to_owned()
        } else if outputs != network.outputs() {
            format!(
                "its network has {} outputs, its target needs {outputs}",
                network.outputs()
            )
        } else if !members.iter().all(Weights::is_finite) {
            "it has a weight that is not finite".to_owned()
        } else {
            return Ok(Model {
                network,
                members,
                description,
            });
        };
        Err(ModelFileError::Invalid {
            path: path.into(),
            reason,
        })
    }

    /// The classes, of which each row is one; empty for values, and for labels.
    pub fn classes(&self) -> &[String] {
        self.description.target.classes()
    }

    /// The labels, of which each row may have several; empty for one class a row, and for values.
    pub fn labels(&self) -> &[Label] {
        self.description.target.labels()
    }

    /// Makes the model ready to answer on a backend.
    pub fn on<'a>(&'a self, backend: &'a mut dyn Backend) -> Result<Predictor<'a>, BackendError> {
        let mut pack = Pack::new(backend, &self.network, &self.members, [CHUNK, CHUNK])?;
        let order: Vec<u32> = (0..pack.batch as u32).collect();
        for member in 0..self.members.len() {
            pack.order(member, &order)?;
        }
        Ok(Predictor {
            model: self,
            pack,
            jury: None,
        })
    }
}

/// A model on a backend.
pub struct Predictor<'a> {
    model: &'a Model,
    pack: Pack<'a>,
    /// What counts answers, once it is asked for.
    jury: Option<Jury<'a>>,
}

impl Predictor<'_> {
    /// The networks' outputs for raw rows, as they leave their last layers: `[rows, outputs]` by member.
    pub fn logits(&mut self, table: &Table) -> Result<Vec<Matrix>, PredictError> {
        let inputs = self.model.description.preprocessing.apply(table)?;
        let width = inputs.columns.max(1);
        let mut outputs = self.pack.nothing();
        for rows in inputs.values.chunks(self.pack.batch * width) {
            self.pack.write(rows)?;
            self.pack.answer(0, rows.len() / width, &mut outputs)?;
        }
        let rows = vec![inputs.rows; outputs.len()];
        let logits = self.pack.matrices(outputs, &rows);
        for of_member in &logits {
            let answers = self.model.answers(std::slice::from_ref(of_member));
            for matrix in [of_member, &answers] {
                if let Some(at) = matrix.values.iter().position(|value| !value.is_finite()) {
                    return Err(PredictError::NotFinite {
                        file: table.origin.clone(),
                        place: table.place(at / matrix.columns.max(1)),
                    });
                }
            }
        }
        Ok(logits)
    }

    /// For a classification each class's probability `[rows, classes]`, or its margin where the loss is the hinge; for labels each
    /// one's probability; for a regression, each target's value in its own units `[rows, targets]`, its quantiles in rising
    /// order, or its mean and deviation.
    pub fn predict(&mut self, table: &Table) -> Result<Matrix, PredictError> {
        let logits = self.logits(table)?;
        Ok(self.model.answers(&logits))
    }

    /// How well the model does on rows with targets: what its networks answer, several of them together, is counted and summed up on
    /// the device.
    pub fn evaluate(&mut self, table: &Table, report: &mut Report) -> Result<(), PredictError> {
        let Model {
            members,
            description,
            ..
        } = self.model;
        let targets = description.target.apply(table)?;
        let transform = description.target_transform;
        if let Some(at) = transform.refused(&targets.values) {
            return Err(PredictError::Target {
                file: table.origin.clone(),
                place: table.place(at / targets.columns),
                value: targets.values[at],
            });
        }
        let inputs = description.preprocessing.apply(table)?;
        let width = inputs.columns.max(1);
        let backend = &mut *self.pack.backend;
        let jury = match &mut self.jury {
            Some(jury) => &*jury,
            none => {
                let jury = Jury::new(backend, self.model, members.len(), [CHUNK, CHUNK])?;
                none.insert(jury)
            }
        };
        let chunks = inputs.values.chunks(jury.batch() * width);
        let wanted = targets.values.chunks(jury.batch() * targets.columns);
        for (chunk, (inputs, wanted)) in chunks.zip(wanted).enumerate() {
            let rows = wanted.len() / targets.columns;
            jury.write(backend, inputs, wanted)?;
            jury.run(backend, rows)?;
            let answers = jury.answers(backend, 0, rows)?;
            let loss = jury.loss(backend, 0, 1)?;
            let mut values = answers.values.iter();
            let mut lost = values.position(|answer| !answer.is_finite());
            lost = lost.map(|at| at / answers.columns);
            if lost.is_none() && !loss.is_finite() {
                lost = jury.lost(backend, rows)?;
            }
            if let Some(at) = lost {
                return Err(PredictError::NotFinite {
                    file: table.origin.clone(),
                    place: table.place(chunk * jury.batch() + at),
                });
            }
            report.add_loss(loss);
            jury.tell(backend, 0, 1, report)?;
            let wanted = Matrix {
                rows,
                columns: targets.columns,
                values: wanted.to_vec(),
            };
            report.keep(&answers, &wanted);
        }
        Ok(())
    }
}

/// Whether a network embeds the numbers that come first and the rows of a table that come last, as they come.
fn suits(embeddings: &Embeddings, preprocessing: &Preprocessing) -> bool {
    let rows = preprocessing.table_rows();
    let embedded = embeddings.lookup.as_ref();
    let waves = embeddings.periodic;
    embedded.map_or(rows.is_empty(), |lookup| lookup.rows == rows)
        && waves.is_none_or(|waves| waves.numbers == preprocessing.numbers())
}

impl Description {
    /// How outputs become answers.
    pub fn answer(&self) -> Answer {
        let logarithm = self.target_transform == TargetTransform::Log;
        let labels = !self.target.labels().is_empty();
        match (self.loss.link(), self.loss.function) {
            (Link::Softmax, _) => Answer::Softmax,
            (Link::Sigmoid, _) if labels => Answer::Labels,
            (Link::Sigmoid, _) => Answer::Pair,
            (Link::Margin, _) => Answer::Margins,
            (Link::Exponential, _) => Answer::Exponential,
            (Link::Normal, _) => Answer::Normal,
            (_, LossFunction::Quantile { levels }) => Answer::Quantiles { levels, logarithm },
            _ if self.target.classes().len() == 2 => Answer::Clamped,
            _ => Answer::Values { logarithm },
        }
    }

    /// What each of so many targets was standardised by: mean and deviation, one behind the other.
    pub(crate) fn moments(&self, targets: usize) -> Vec<f32> {
        let of = |target: usize| match self.target_moments.get(target) {
            Some(moments) => [moments.mean, moments.deviation],
            None => [0.0, 1.0],
        };
        (0..targets).flat_map(of).collect()
    }

    /// What the network should have put out for rows of so many targets.
    fn wished(&self, targets: &[f32], columns: usize) -> Vec<f32> {
        let of = |(place, &value): (usize, &f32)| {
            let learned = self.target_transform.forward(value.into());
            let moments = self.target_moments.get(place % columns);
            let wished = moments.map_or(learned, |moments| {
                (learned - f64::from(moments.mean)) / f64::from(moments.deviation)
            });
            wished as f32
        };
        targets.iter().enumerate().map(of).collect()
    }
}

impl Model {
    /// The targets' names.
    pub fn targets(&self) -> Vec<String> {
        let names = self.description.target.names().into_iter();
        let told = names.map(|name| if name.is_empty() { "prediction" } else { name });
        told.map(str::to_owned).collect()
    }

    /// Names of the columns of [`Model::answers`]: classes, or the targets, with a quantile or the deviation behind them.
    pub fn columns(&self) -> Vec<String> {
        if !self.classes().is_empty() {
            return self.classes().to_vec();
        }
        let of = |target: String| match self.description.loss.function {
            LossFunction::Quantile { levels } => {
                let levels = levels.values().iter();
                levels.map(|level| format!("{target}_q{level}")).collect()
            }
            LossFunction::Gaussian => vec![target.clone(), format!("{target}_deviation")],
            _ => vec![target],
        };
        self.targets().into_iter().flat_map(of).collect()
    }

    /// Turns logits, by member, into what [`Predictor::predict`] answers: the mean of the members' answers. A deviation is that
    /// of the members' normal distributions together (Lakshminarayanan et al. 2017).
    pub fn answers(&self, logits: &[Matrix]) -> Matrix {
        let each: Vec<Matrix> = logits
            .iter()
            .map(|logits| self.answers_of_one(logits))
            .collect();
        let [first, others @ ..] = &each[..] else {
            return Matrix::default();
        };
        let mut answers = first.clone();
        if others.is_empty() {
            return answers;
        }
        for others in others {
            for (value, other) in answers.values.iter_mut().zip(&others.values) {
                *value += other;
            }
        }
        let share = 1.0 / each.len() as f32;
        answers.values.iter_mut().for_each(|value| *value *= share);
        if self.description.loss.link() == Link::Normal {
            for (at, pair) in answers.values.chunks_exact_mut(2).enumerate() {
                let mean = f64::from(pair[0]);
                let variances = each.iter().map(|answers| {
                    let away = f64::from(answers.values[2 * at]) - mean;
                    away.powi(2) + f64::from(answers.values[2 * at + 1]).powi(2)
                });
                pair[1] = (variances.sum::<f64>() / each.len() as f64).sqrt() as f32;
            }
        }
        answers
    }

    fn answers_of_one(&self, logits: &Matrix) -> Matrix {
        let how = self.description.answer();
        let outputs = self.network.outputs();
        let moments = self.description.moments(how.tallied(outputs).targets());
        let double = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        let answers = of_logits(how, &double(&logits.values), outputs, &double(&moments));
        Matrix {
            rows: logits.rows,
            columns: how.columns(outputs),
            values: answers.into_iter().map(|value| value as f32).collect(),
        }
    }
}
