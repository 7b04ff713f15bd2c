use std::ops::ControlFlow;

use crate::backend::{Backend, BackendError, Data, run_all};
use crate::data::Matrix;
use crate::model::{Network, Weights, WeightsError};
use crate::program::{Capacity, Hyper, Loss, Optimizer, Program, Step, buffer, record};
use crate::random::{Purpose, shuffle};

/// How a network is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is made small.
    pub loss: Loss,
    /// How gradients change the weights.
    pub optimizer: Optimizer,
    /// Its step size, penalty and momentum.
    pub hyper: Hyper,
    /// Rows a step; `None` for all of them.
    pub batch_size: Option<usize>,
    /// Passes over the rows.
    pub epochs: usize,
    /// Whether each epoch has its own order.
    pub shuffle: bool,
    /// What the orders follow from.
    pub seed: u64,
}

/// One pass over the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: usize,
    /// The mean of its steps' losses, weighted by their rows, as the weights were at each step.
    pub loss: f64,
    /// Share of rows whose prediction was right, for a classification.
    pub accuracy: f64,
}

/// What training leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The trained weights.
    pub weights: Weights,
    /// One entry an epoch.
    pub history: Vec<Epoch>,
}

/// Why training ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The initial weights are not this network's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Sizes that do not belong together.
    #[error("{0}")]
    Data(String),
    /// The loss is no number any more.
    #[error(
        "the loss became {loss} in epoch {epoch}: try a lower learning rate, or standardised inputs"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// When, from 1.
        epoch: usize,
    },
}

/// Trains `network` from `initial` on the given rows of a dataset: inputs `[rows, inputs]`, targets `[rows, 1]` for classes,
/// else `[rows, outputs]`. `observe` sees each epoch and may end the run after it.
pub fn train(
    backend: &mut dyn Backend,
    network: &Network,
    initial: &Weights,
    (inputs, targets): (&Matrix, &Matrix),
    rows: &[u32],
    options: &Options,
    mut observe: impl FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<Outcome, TrainError> {
    network.check(initial)?;
    let columns = (
        network.inputs,
        options.loss.target_columns(network.outputs()),
    );
    if rows.is_empty()
        || (inputs.columns, targets.columns) != columns
        || inputs.rows != targets.rows
    {
        return Err(TrainError::Data(format!(
            "{} of {} rows of {} inputs and {} targets do not train a network of {} inputs and {} targets",
            rows.len(),
            inputs.rows,
            inputs.columns,
            targets.columns,
            columns.0,
            columns.1
        )));
    }
    let batch = options
        .batch_size
        .unwrap_or(rows.len())
        .clamp(1, rows.len());
    let capacity = Capacity {
        members: 1,
        batch,
        rows: inputs.rows,
        order: rows.len(),
        records: rows.len().div_ceil(batch),
    };
    let program = Program::training(network, &options.loss, &options.optimizer, capacity).fused();
    let compiled = backend.compile(&program)?;
    backend.write(buffer::INPUTS, 0, 0, Data::F32(&inputs.values))?;
    backend.write(buffer::TARGETS, 0, 0, Data::F32(&targets.values))?;
    backend.write(
        buffer::HYPER,
        0,
        0,
        Data::F32(bytemuck::cast_slice(&[options.hyper])),
    )?;
    let offsets: Vec<usize> = network
        .parameters()
        .iter()
        .filter_map(|parameter| program.tensor(&parameter.name))
        .map(|tensor| tensor.offset)
        .collect();
    for (&offset, values) in offsets.iter().zip(&initial.0) {
        backend.write(buffer::PARAMETERS, 0, offset, Data::F32(values))?;
    }
    let mut order = rows.to_vec();
    let mut history = Vec::with_capacity(options.epochs);
    let mut updates = 0_u64;
    for epoch in 0..options.epochs {
        if options.shuffle || epoch == 0 {
            order.copy_from_slice(rows);
            if options.shuffle {
                shuffle(&mut order, options.seed, Purpose::Order, epoch as u32);
            }
            backend.write(buffer::ORDER, 0, 0, Data::U32(&order))?;
        }
        let steps: Vec<Step> = (0..rows.len())
            .step_by(batch)
            .enumerate()
            .map(|(record, first)| {
                let taken = batch.min(rows.len() - first);
                updates += 1;
                let [correction1, correction2] = options.optimizer.corrections(updates);
                Step {
                    first: first as u32,
                    rows: taken as u32,
                    record: record as u32,
                    loss_scale: options.loss.scale(taken, network.outputs()) as f32,
                    rate: 1.0,
                    correction1,
                    correction2,
                    padding: 0,
                }
            })
            .collect();
        run_all(backend, compiled, &steps)?;
        let log = backend.read(buffer::LOG, 0, 0, steps.len() * record::WIDTH)?;
        let (mut loss, mut correct) = (0.0, 0.0);
        for (values, step) in log.chunks_exact(record::WIDTH).zip(&steps) {
            let scale = options.loss.scale(step.rows as usize, network.outputs());
            let share = f64::from(step.rows) / rows.len() as f64;
            loss += f64::from(values[record::LOSS]) * scale * share;
            correct += f64::from(values[record::CORRECT]);
        }
        let number = epoch + 1;
        if !loss.is_finite() {
            return Err(TrainError::Diverged {
                loss,
                epoch: number,
            });
        }
        let summary = Epoch {
            number,
            loss,
            accuracy: correct / rows.len() as f64,
        };
        history.push(summary);
        if observe(&summary).is_break() {
            break;
        }
    }
    let mut weights = Vec::with_capacity(offsets.len());
    for (&offset, values) in offsets.iter().zip(&initial.0) {
        weights.push(backend.read(buffer::PARAMETERS, 0, offset, values.len())?);
    }
    Ok(Outcome {
        weights: Weights(weights),
        history,
    })
}
