use super::config::{BatchSize, Config, Window};
use super::division::{Division, encoded};
use super::sample_weight::take_weights;
use super::streamed::Source;
use super::targets::Targets;
use super::windows::Windows;
use super::{Fold, Member, OptimizerChoice, Options, Parts, Sampling, TrainError};
use crate::data::{
    DataError, Drawn, Loaded, Matrix, Notice, Numeric, PreprocessMode, Preprocessing, Table,
};
use crate::model::{
    Activation, NamedTensors, Network, Normalization, Weights, WeightsError, initialize,
};
use crate::predictor::Model;
use crate::program::{Hyper, LossFunction, Optimizer, Rule};

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
    pub(super) targets: Targets,
    /// Training, validation and test rows; with folds, each has its own of the first two.
    pub(super) rows: [Vec<u32>; 3],
    pub(super) folds: Vec<Fold>,
    pub(super) preprocessing: Preprocessing,
    /// Where the training rows are, if those above only stand for them.
    source: Option<Source>,
    pub(super) windows: Option<Windows>,
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
        Plan::build(loaded, config, initial, None)
    }

    /// The same of rows that were drawn of a larger dataset, which is read in windows.
    pub(super) fn build(
        loaded: &Loaded,
        config: &Config,
        initial: Option<&NamedTensors>,
        streamed: Option<(&Drawn, Window, bool)>,
    ) -> Result<Self, FitError> {
        let weighed = config.sample_weight.as_deref();
        let weighed = weighed.map(|column| take_weights(&loaded.train, column));
        let weighed = weighed.transpose().map_err(FitError::Option)?;
        let table = weighed.as_ref().map_or(&loaded.train, |(table, _)| table);
        let mut targets = Targets::new(config, table, loaded.test.as_ref())?;
        let few = streamed.map_or(table.len(), |(drawn, ..)| drawn.stored.len()) < FEW;
        let config = &if few {
            config.clone()
        } else {
            config.with_recipe()
        };
        let own = loaded.test.as_ref().map(Table::len);
        let mut classes = targets.classes();
        classes.truncate(table.len());
        let mut division = match streamed {
            Some((drawn, ..)) => Division::drawn(config, drawn, own, few)?,
            None => Division::new(config, &classes, own, few)?,
        };
        let train = &division.rows[0][..];
        let encoding = config.encoding().map_err(FitError::Option)?;
        let mode = encoding.mode;
        let (preprocessing, mut notices) = Preprocessing::fit(table, train, encoding)?;
        notices.splice(0..0, loaded.notices.clone());
        let narrowed = streamed
            .and_then(|(drawn, ..)| division.narrowed(drawn, preprocessing.inputs()))
            .map(|mut narrowed| (narrowed.renumber(), narrowed));
        let mut inputs = match &narrowed {
            Some((kept, _)) => encoded(&preprocessing, table, kept)?,
            None => preprocessing.apply(table)?,
        };
        if let Some(own) = &loaded.test {
            let more = preprocessing.apply(own)?;
            inputs.rows += more.rows;
            inputs.values.extend(more.values);
        }
        targets.scale(config, mode == PreprocessMode::None, train)?;
        let of_column = weighed.as_ref().map(|(_, weights)| &weights[..]);
        targets.weigh(config, of_column, train)?;
        if let Some((kept, narrowed)) = narrowed {
            targets.keep(&kept);
            division = narrowed;
        }
        let loss = targets.loss;
        let output = config.output_activation.unwrap_or(Activation::Identity);
        if output != Activation::Identity && loss.function != LossFunction::Mse {
            return Err(FitError::Option(format!(
                "--output-activation {output} goes with --loss mse; {} has its own",
                loss.function
            )));
        }
        let embeddings = config
            .embeddings(preprocessing.numbers(), preprocessing.table_rows())
            .map_err(FitError::Option)?;
        let network = config
            .network(preprocessing.inputs(), embeddings, targets.outputs())
            .map_err(FitError::Option)?;
        let lbfgs = config.chosen_lbfgs().map_err(FitError::Option)?;
        let batch = match config.batch_size {
            Some(BatchSize::Rows(rows)) => rows.min(division.rows[0].len()),
            Some(BatchSize::Auto) | None if lbfgs.is_none() => 1,
            Some(BatchSize::All | BatchSize::Auto) | None => division.rows[0].len(),
        };
        check_memory(&network, batch, config)?;
        let init = config.init.unwrap_or_default();
        let initial = initial.map(|tensors| network.named(tensors)).transpose()?;
        let task = targets.encoding.task();
        let sampling = config.chosen_sampling(task).map_err(FitError::Option)?;
        if sampling == Sampling::Balanced && targets.encoding.classes().is_empty() {
            return Err(FitError::Option(
                "--sampling balanced needs one class a row; there are several labels: use --pos-weight".into(),
            ));
        }
        let mut plan = Plan {
            options: Options {
                loss,
                optimizer: Optimizer::ADAM,
                batch_size: None,
                accumulate: config.accumulate.unwrap_or(1) as usize,
                monitor: targets.monitor(config)?,
                epochs: 1,
                max_steps: config.max_steps,
                patience: None,
                shuffle: config.shuffle.unwrap_or(true),
                sampling,
                schedule: config.chosen_schedule().map_err(FitError::Option)?,
                lbfgs,
                augmentation: config
                    .augmentation(Some(&preprocessing))
                    .map_err(FitError::Option)?,
                precision: config.precision.unwrap_or_default(),
            },
            hyper: Hyper::default(),
            config: Config {
                task: Some(task),
                preprocess: Some(mode),
                numeric: Some(encoding.numeric),
                one_hot_up_to: Some(encoding.one_hot_up_to as u32),
                embedding_dim: network
                    .embeddings
                    .lookup
                    .as_ref()
                    .map(|lookup| lookup.width as u32),
                bins: (encoding.numeric == Numeric::Piecewise).then_some(encoding.bins as u32),
                validation: Some(division.shares[0]),
                test: Some(division.shares[1]),
                hidden: Some(config.hidden.clone().unwrap_or_default()),
                activation: Some(config.activation.unwrap_or_default()),
                norm: Some(network.normalization),
                residual: Some(network.residual),
                output_activation: Some(output),
                init: Some(init),
                loss: Some(loss.function.into()),
                reduction: Some(loss.reduction),
                shuffle: Some(config.shuffle.unwrap_or(true)),
                seed: Some(config.seed.unwrap_or(1)),
                target: Some(targets.encoding.names().join(",")),
                window: None,
                ..config.clone()
            },
            network,
            notices,
            initial,
            inputs,
            targets,
            source: streamed.map(|(drawn, window, asked)| Source {
                stored: drawn.stored.clone(),
                held_out: division.held_out,
                window,
                asked,
            }),
            windows: None,
            rows: division.rows,
            folds: division.folds,
            preprocessing,
        };
        plan.decide_training()?;
        plan.decide_window()?;
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

    /// Rows of a window, where the training rows stay in their files.
    fn decide_window(&mut self) -> Result<(), FitError> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let rows = source.rows();
        let batch = self.options.batch_size.unwrap_or(rows);
        let step = batch.saturating_mul(self.options.accumulate).min(rows);
        let width = self.inputs.columns + self.targets.learned.columns;
        let window = source.window(step, width)?;
        self.config.window = Some(Window::Rows(window));
        let windows =
            source
                .clone()
                .windows(window, &self.config, &self.preprocessing, &self.targets);
        self.windows = Some(windows);
        Ok(())
    }

    /// The windows that training rows are read in, if they stay in their files, and how many of them stand for all where these are
    /// encoded and reported.
    pub fn windows(&self) -> Option<(&Windows, usize)> {
        let windows = self.windows.as_ref()?;
        Some((windows, self.rows[0].len()))
    }

    /// How the loop is run.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// All rows that go to the device.
    pub fn dataset(&self) -> usize {
        let window = self.windows.as_ref().map_or(0, Windows::window);
        self.inputs.rows + window
    }

    /// Rows for training, validation and test; of a fold, where there are folds.
    pub fn counts(&self) -> [usize; 3] {
        let [mut train, validation, test] = [0, 1, 2].map(|part| self.rows[part].len());
        if let Some(source) = &self.source {
            train = source.rows();
        }
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
        [&self.inputs, &self.targets.learned]
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
