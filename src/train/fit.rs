use super::config::{BatchSize, Config};
use super::sample_weight::{row_weights, take_weights};
use super::{Fold, Member, Monitor, OptimizerChoice, Options, Parts, TrainError, folds, split};
use crate::data::{
    DataError, Loaded, Matrix, Moments, Notice, Numeric, PreprocessMode, Preprocessing, Table,
    TargetEncoding, TargetTransform, Task,
};
use crate::model::{
    Activation, NamedTensors, Network, Normalization, Weights, WeightsError, initialize,
};
use crate::predictor::Model;
use crate::program::{Hyper, Link, Loss, LossFunction, Optimizer, Rule};

/// A dataset and a configuration, brought together: encoded rows, a network, and everything that was left open decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The configuration with nothing left out.
    pub config: Config,
    /// Widths and activations.
    pub network: Network,
    /// What was found on the way.
    pub notices: Vec<Notice>,
    pub(super) options: Options,
    hyper: Hyper,
    /// Where training starts, where that is given.
    initial: Option<Weights>,
    pub(super) inputs: Matrix,
    pub(super) targets: Matrix,
    /// The targets as they were, `[rows, 1]`.
    pub(super) wanted: Vec<f32>,
    /// Training, validation and test rows; with folds, each has its own of the first two.
    pub(super) rows: [Vec<u32>; 3],
    pub(super) folds: Vec<Fold>,
    pub(super) preprocessing: Preprocessing,
    pub(super) target: TargetEncoding,
    pub(super) moments: Option<Moments>,
}

/// Why a dataset does not become a trained model.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Options that do not go together, or not with the data.
    #[error("{0}")]
    Option(String),
    /// Initial weights of another network.
    #[error("the initial weights do not suit the network: {0}")]
    Weights(#[from] WeightsError),
    /// Training.
    #[error("{0}")]
    Train(#[source] TrainError, Option<Box<Model>>),
}

/// Below so many rows nothing is kept from training for a test.
const FEW: usize = 50;

/// Steps that a few rows are trained for by default, and that a small table is at least.
const FEW_STEPS: usize = 2_000;
const SMALL_STEPS: usize = 500;

/// Iterations of L-BFGS at most, as scikit-learn's `MLPClassifier` has them.
const LBFGS_ITERATIONS: u32 = 200;

impl Plan {
    /// Encodes the data and decides what the configuration leaves open. With `initial` weights, training starts from them.
    pub fn new(
        loaded: &Loaded,
        config: &Config,
        initial: Option<&NamedTensors>,
    ) -> Result<Self, FitError> {
        let weighed = config.sample_weight.as_deref();
        let weighed = weighed.map(|column| take_weights(&loaded.train, column));
        let weighed = weighed.transpose().map_err(FitError::Option)?;
        let table = weighed.as_ref().map_or(&loaded.train, |(table, _)| table);
        let target = TargetEncoding::fit(table, config.task)?;
        let mut targets = target.apply(table)?;
        let mut loss = loss(config, &target)?;
        let counts = loss.link() == Link::Exponential;
        if counts {
            check_counts(table, &targets)?;
        }
        check_transform(config, table, &targets)?;
        let seed = config.seed.unwrap_or(1);
        let few = table.len() < FEW;
        let config = &if few {
            config.clone()
        } else {
            config.with_recipe()
        };
        let validation = config.validation.unwrap_or(0.0);
        let tested = loaded.test.is_some() || config.folds.is_some();
        let test = config.test.unwrap_or(if few || tested { 0.0 } else { 0.2 });
        if validation + test >= 1.0 {
            return Err(FitError::Option(format!(
                "--validation {validation} and --test {test} leave no rows to train on; make them smaller"
            )));
        }
        let classes: Vec<u32> = match target.task() {
            Task::Classification => targets.values.iter().map(|&class| class as u32).collect(),
            Task::Regression => vec![0; targets.rows],
        };
        let mut parts = split(&classes, validation, test, seed);
        let folds = match config.folds {
            None => Vec::new(),
            Some(count) => {
                let mut rows = [&parts.train[..], &parts.validation].concat();
                rows.sort_unstable();
                if rows.len() < count as usize {
                    return Err(FitError::Option(format!(
                        "--folds {count}: there are {} rows; give as many folds at most",
                        rows.len()
                    )));
                }
                parts.validation.clear();
                parts.train.clone_from(&rows);
                folds(&classes, &rows, count as usize, validation, seed)
            }
        };
        let encoded = config.encoding().map_err(FitError::Option)?;
        let mode = encoded.mode;
        let (preprocessing, mut notices) = Preprocessing::fit(table, &parts.train, encoded)?;
        notices.splice(0..0, loaded.notices.clone());
        let mut inputs = preprocessing.apply(table)?;
        let mut tested = parts.test;
        if let Some(own) = &loaded.test {
            let first = inputs.rows as u32;
            let own_targets = target.apply(own)?;
            if counts {
                check_counts(own, &own_targets)?;
            }
            check_transform(config, own, &own_targets)?;
            append(&mut inputs, preprocessing.apply(own)?);
            append(&mut targets, own_targets);
            tested.extend(first..inputs.rows as u32);
        }
        let wanted = targets.values.clone();
        transform(config, &target, loss, &mut targets)?;
        let moments = if counts || mode == PreprocessMode::None {
            None
        } else {
            standardize(&target, &mut targets, &parts.train)
        };
        let of_column = weighed.as_ref().map(|(_, weights)| &weights[..]);
        let weights = row_weights(config, &target, &classes, of_column, &parts.train);
        if let Some(weights) = weights.map_err(FitError::Option)? {
            weigh(&mut targets, &weights, &parts.train);
            loss.weighted = true;
        }
        let output = config.output_activation.unwrap_or(Activation::Identity);
        if output != Activation::Identity && loss.function != LossFunction::Mse {
            return Err(FitError::Option(format!(
                "--output-activation {output} goes with --loss mse; {} has its own",
                loss.function
            )));
        }
        let outputs = loss.outputs(target.labels().len());
        let embeddings = config
            .embeddings(preprocessing.numbers(), preprocessing.table_rows())
            .map_err(FitError::Option)?;
        let network = config
            .network(preprocessing.inputs(), embeddings, outputs)
            .map_err(FitError::Option)?;
        let lbfgs = config.chosen_lbfgs().map_err(FitError::Option)?;
        let batch = match config.batch_size {
            Some(BatchSize::Rows(rows)) => rows.min(parts.train.len()),
            Some(BatchSize::Auto) | None if lbfgs.is_none() => 1,
            Some(BatchSize::All | BatchSize::Auto) | None => parts.train.len(),
        };
        check_memory(&network, batch, config)?;
        let init = config.init.unwrap_or_default();
        let initial = initial.map(|tensors| network.named(tensors)).transpose()?;
        let rows = [parts.train, parts.validation, tested];
        let mut plan = Plan {
            options: Options {
                loss,
                optimizer: Optimizer::ADAM,
                batch_size: None,
                accumulate: config.accumulate.unwrap_or(1) as usize,
                monitor: monitor(config, loss, target.task())?,
                epochs: 1,
                max_steps: config.max_steps,
                patience: None,
                shuffle: config.shuffle.unwrap_or(true),
                sampling: config
                    .chosen_sampling(target.task())
                    .map_err(FitError::Option)?,
                schedule: config.chosen_schedule().map_err(FitError::Option)?,
                lbfgs,
                augmentation: config
                    .augmentation(Some(&preprocessing))
                    .map_err(FitError::Option)?,
            },
            hyper: Hyper::default(),
            config: Config {
                task: Some(target.task()),
                preprocess: Some(mode),
                numeric: Some(encoded.numeric),
                one_hot_up_to: Some(encoded.one_hot_up_to as u32),
                embedding_dim: network
                    .embeddings
                    .lookup
                    .as_ref()
                    .map(|lookup| lookup.width as u32),
                bins: (encoded.numeric == Numeric::Piecewise).then_some(encoded.bins as u32),
                validation: Some(validation),
                test: Some(test),
                hidden: Some(config.hidden.clone().unwrap_or_default()),
                activation: Some(config.activation.unwrap_or_default()),
                norm: Some(network.normalization),
                residual: Some(network.residual),
                output_activation: Some(output),
                init: Some(init),
                loss: Some(loss.function.into()),
                reduction: Some(loss.reduction),
                shuffle: Some(config.shuffle.unwrap_or(true)),
                seed: Some(seed),
                target: Some(target.name().to_owned()),
                ..config.clone()
            },
            network,
            notices,
            initial,
            inputs,
            targets,
            wanted,
            rows,
            folds,
            preprocessing,
            target,
            moments,
        };
        plan.decide_training()?;
        Ok(plan)
    }

    /// Batches, epochs and rates, where they are left open.
    fn decide_training(&mut self) -> Result<(), FitError> {
        let [rows, validated, _] = self.counts();
        let monitor = self.options.monitor;
        if !monitor.is_summed() && validated == 0 {
            return Err(FitError::Option(format!(
                "--monitor {monitor} looks at validation rows, and there are none; give --validation, or a larger share"
            )));
        }
        let config = &mut self.config;
        let whole = self.options.lbfgs.is_some();
        let batch = match config.batch_size.unwrap_or_default() {
            BatchSize::Auto if whole => rows,
            BatchSize::Auto if rows < FEW => rows,
            BatchSize::Auto if rows < 5_000 => 32,
            BatchSize::Auto if rows < 20_000 => 64,
            BatchSize::Auto if rows < 100_000 => 128,
            BatchSize::Auto => 256,
            BatchSize::All => rows,
            BatchSize::Rows(size) => size.min(rows),
        };
        let size = if batch == rows {
            BatchSize::All
        } else {
            BatchSize::Rows(batch)
        };
        let taken = batch.saturating_mul(self.options.accumulate).max(1);
        let steps = rows.div_ceil(taken).max(1);
        let epochs = config.epochs.unwrap_or(match rows {
            _ if whole => LBFGS_ITERATIONS,
            0..FEW => FEW_STEPS.div_ceil(steps) as u32,
            FEW..5_000 => SMALL_STEPS.div_ceil(steps).max(100) as u32,
            5_000..100_000 => 30,
            _ => 10,
        });
        let patience = config
            .patience
            .unwrap_or(if validated > 0 { 15 } else { 0 });
        if batch == 1 && self.network.normalization == Normalization::Batch {
            return Err(FitError::Option(
                "--norm batch needs batches of two rows or more; make --batch-size larger".into(),
            ));
        }
        let whole = size == BatchSize::All;
        let (optimizer, momentum) = config.chosen_optimizer(whole).map_err(FitError::Option)?;
        let rule = optimizer.rule;
        let usual_rate = if self.options.lbfgs.is_some() {
            1.0
        } else {
            rule.learning_rate()
        };
        let lr = config.lr.unwrap_or(usual_rate);
        let weight_decay = config.weight_decay.unwrap_or(rule.weight_decay());
        config.batch_size = Some(size);
        config.epochs = Some(epochs);
        config.patience = Some(patience);
        config.optimizer = Some(match self.options.lbfgs {
            Some(lbfgs) => {
                config.tolerance = Some(lbfgs.tolerance);
                OptimizerChoice::Lbfgs
            }
            None => rule.into(),
        });
        config.schedule = Some(config.schedule.unwrap_or_default());
        let used = |constant: f32| (constant > 0.0).then_some(constant);
        config.beta1 = used(optimizer.beta1);
        config.beta2 = used(optimizer.beta2);
        config.epsilon = used(optimizer.epsilon);
        config.lr = Some(lr);
        config.weight_decay = Some(weight_decay);
        if rule == Rule::Muon && self.network.layers.len() < 2 {
            return Err(FitError::Option(
                "--optimizer muon is for the matrices of hidden layers; there is none: use adamw"
                    .into(),
            ));
        }
        let has_momentum = matches!(rule, Rule::Sgd | Rule::Rmsprop | Rule::Muon);
        if has_momentum && self.options.lbfgs.is_none() {
            config.momentum = Some(momentum);
        }
        self.options.batch_size = (size != BatchSize::All).then_some(batch);
        self.options.epochs = epochs as usize;
        self.options.patience = (patience > 0).then_some(patience as usize);
        self.options.optimizer = optimizer;
        self.hyper = Hyper {
            learning_rate: lr,
            weight_decay,
            momentum,
            l1: config.l1.unwrap_or(0.0),
            dropout: config.dropout.unwrap_or(0.0),
            ..Hyper::default()
        };
        Ok(())
    }

    /// How the loop is run.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// All rows that go to the device.
    pub fn dataset(&self) -> usize {
        self.inputs.rows
    }

    /// Rows for training, validation and test; of a fold, where there are folds.
    pub fn counts(&self) -> [usize; 3] {
        let [train, validation, test] = [0, 1, 2].map(|part| self.rows[part].len());
        let least = self.folds.iter().min_by_key(|fold| fold.train.len());
        least.map_or([train, validation, test], |fold| {
            [fold.train.len(), fold.validation.len(), test]
        })
    }

    /// What rows are for, by member. A pack is tested as a whole, behind the training.
    pub(super) fn parts(&self) -> Vec<Parts<'_>> {
        let test = if self.config.members() == 1 {
            &self.rows[2][..]
        } else {
            &[]
        };
        let each = self.config.ensemble.unwrap_or(1) as usize;
        let of_folds = self.folds.iter().flat_map(|fold| {
            let parts = Parts {
                train: &fold.train,
                validation: &fold.validation,
                test,
            };
            std::iter::repeat_n(parts, each)
        });
        let parts: Vec<_> = of_folds.collect();
        if parts.is_empty() {
            let [train, validation, _] = &self.rows;
            return vec![Parts {
                train,
                validation,
                test,
            }];
        }
        parts
    }

    /// The encoded inputs and targets.
    pub fn matrices(&self) -> [&Matrix; 2] {
        [&self.inputs, &self.targets]
    }

    /// The networks that are trained: those of a fold are neighbours. Each has a seed of its own, from the run's on.
    pub fn members(&self) -> Vec<Member> {
        let seed = self.config.seed.unwrap_or(1);
        let init = self.config.init.unwrap_or_default();
        let member = |index: usize| {
            let seed = seed.wrapping_add(index as u64);
            let initial = self.initial.clone();
            Member {
                weights: initial.unwrap_or_else(|| initialize(&self.network, init, seed)),
                hyper: self.hyper,
                seed,
            }
        };
        (0..self.config.members()).map(member).collect()
    }
}

/// Puts weights behind the targets: those of the training rows, 1 for all others, so that what is validated is what counts.
fn weigh(targets: &mut Matrix, weights: &[f32], train: &[u32]) {
    let mut of_rows = vec![1.0; targets.rows];
    for &row in train {
        of_rows[row as usize] = weights[row as usize];
    }
    let rows = targets.values.chunks(targets.columns).zip(of_rows);
    targets.values = rows
        .flat_map(|(target, weight)| [target, &[weight]].concat())
        .collect();
    targets.columns += 1;
}

fn append(matrix: &mut Matrix, other: Matrix) {
    matrix.rows += other.rows;
    matrix.values.extend(other.values);
}

/// Refuses networks that there is no memory for, before it runs out.
fn check_memory(network: &Network, batch: usize, config: &Config) -> Result<(), FitError> {
    // Parameters, their gradients, up to three moments, the initial and the best values, and a snapshot of five of them; activations
    // and their gradients of as many rows as a step takes at a time.
    const COPIES: usize = 12;
    // With two matrices more, and two products of theirs.
    const MUON_COPIES: usize = 15;
    // With ten steps and changes, some places and gradients, in 64 bits.
    const LBFGS_COPIES: usize = 60;
    const ROWS: usize = 16_384;
    let units: usize = network.layers.iter().map(|layer| layer.units).sum();
    let units = units.saturating_add(network.fan_in(0));
    let members = config.members();
    let copies = match config.optimizer {
        Some(OptimizerChoice::Lbfgs) => LBFGS_COPIES,
        Some(OptimizerChoice::Steps(Rule::Muon)) => MUON_COPIES,
        _ => COPIES,
    };
    let parameters = network.parameter_count().saturating_mul(copies);
    let activations = units.saturating_mul(2 * batch.min(ROWS));
    let bytes = parameters
        .saturating_add(activations)
        .saturating_mul(4 * members);
    // The system tells, where it does not promise more than it has; the memory is not touched.
    let all = network.parameter_count().saturating_mul(members);
    let there = u32::try_from(all).is_ok() && Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
    if there {
        return Ok(());
    }
    Err(FitError::Option(format!(
        "--hidden: the network {network} needs {} GiB of memory, more than there is; make its layers narrower, or --batch-size \
         smaller",
        bytes >> 30
    )))
}

/// The loss that suits the target, or the one asked for.
fn loss(config: &Config, target: &TargetEncoding) -> Result<Loss, FitError> {
    let classes = target.labels().len();
    let function = config.loss_function(classes).map_err(FitError::Option)?;
    if !function.suits(classes) {
        let what = if classes > 0 {
            format!("{classes} classes")
        } else {
            "values".to_owned()
        };
        return Err(FitError::Option(format!(
            "--loss {function} does not suit a target of {what}; leave it out for {}",
            LossFunction::suiting(classes)
        )));
    }
    Ok(Loss::new(function, config.reduction.unwrap_or_default()))
}

/// What early stopping looks at, if the target and its loss have it.
fn monitor(config: &Config, loss: Loss, task: Task) -> Result<Monitor, FitError> {
    let monitor = config.monitor.unwrap_or_default();
    let probable = ![Monitor::LogLoss, Monitor::RocAuc].contains(&monitor);
    let refused = if !monitor.suits(task) {
        match task {
            Task::Regression => "is for classes; the target has values: use loss, mae or r2",
            Task::Classification => "is for values; the target has classes: use loss or accuracy",
        }
    } else if loss.link() == Link::Margin && !probable {
        "needs probabilities; --loss hinge gives none"
    } else if loss.link() == Link::Ordered && monitor != Monitor::Loss {
        "is of single values; --loss quantile answers several: use loss"
    } else {
        return Ok(monitor);
    };
    Err(FitError::Option(format!("--monitor {monitor} {refused}")))
}

/// Refuses targets that counts cannot have.
fn check_counts(table: &Table, targets: &Matrix) -> Result<(), FitError> {
    let negative = targets.values.iter().position(|&count| count < 0.0);
    negative.map_or(Ok(()), |row| {
        Err(FitError::Option(format!(
            "--loss poisson needs counts from 0 on; {}: {} has {}",
            table.origin,
            table.place(row),
            targets.values[row]
        )))
    })
}

/// Refuses targets that the transformation asked for has nothing for.
fn check_transform(config: &Config, table: &Table, targets: &Matrix) -> Result<(), FitError> {
    let transform = config.target_transform.unwrap_or_default();
    transform.refused(&targets.values).map_or(Ok(()), |row| {
        Err(FitError::Option(format!(
            "--target-transform {transform} needs values above -1; {}: {} has {}",
            table.origin,
            table.place(row),
            targets.values[row]
        )))
    })
}

/// Makes of a regression's targets what the network learns.
fn transform(
    config: &Config,
    target: &TargetEncoding,
    loss: Loss,
    targets: &mut Matrix,
) -> Result<(), FitError> {
    let transform = config.target_transform.unwrap_or_default();
    if transform == TargetTransform::None {
        return Ok(());
    }
    let refused = match loss.link() {
        Link::Exponential => Some("--loss poisson, which has a logarithm of its own"),
        Link::Normal => {
            Some("--loss gaussian, whose answer is a deviation in the target's own units")
        }
        _ if target.task() == Task::Classification => Some("classes"),
        _ => None,
    };
    if let Some(what) = refused {
        return Err(FitError::Option(format!(
            "--target-transform {transform} does not go with {what}; leave it out"
        )));
    }
    for value in &mut targets.values {
        *value = transform.forward(f64::from(*value)) as f32;
    }
    Ok(())
}

/// Brings a regression's targets to mean 0 and deviation 1, as they are on the training rows.
fn standardize(target: &TargetEncoding, targets: &mut Matrix, train: &[u32]) -> Option<Moments> {
    if target.task() == Task::Classification {
        return None;
    }
    let rows = train
        .iter()
        .map(|&row| f64::from(targets.values[row as usize]));
    let (mean, variance) = mean_and_variance(rows);
    let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    for value in &mut targets.values {
        *value = ((f64::from(*value) - mean) / deviation) as f32;
    }
    Some(Moments {
        mean: mean as f32,
        deviation: deviation as f32,
    })
}

pub(super) fn mean_and_variance(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    (
        mean,
        values.map(|value| (value - mean).powi(2)).sum::<f64>() / count,
    )
}
