//! What a run is given, and its way from the beginning, or from a snapshot, to an end.

use std::ops::ControlFlow;

use super::guard::Guard;
use super::layout::Layout;
use super::lbfgs::Lbfgs;
use super::outcome::{Event, Outcome, TrainError};
use super::rows::{Member, Rows, check};
use super::run::Run;
use super::sampling::Sampling;
use super::schedule::Schedule;
use super::scores::Monitor;
use super::windows::Windows;
use crate::backend::Backend;
use crate::data::{Matrix, Moments};
use crate::model::{Network, Normalization};
use crate::program::{Answer, Augmentation, Loss, Optimizer, Precision};

/// How a pack of networks is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is made small.
    pub loss: Loss,
    /// How gradients change the weights.
    pub optimizer: Optimizer,
    /// Rows a step; `None` for all of them.
    pub batch_size: Option<usize>,
    /// Batches whose gradients make one step.
    pub accumulate: usize,
    /// Passes over the training rows at most.
    pub epochs: usize,
    /// Steps at most.
    pub max_steps: Option<u64>,
    /// What tells better weights from worse, on the validation rows (the training rows, if there are none).
    pub monitor: Monitor,
    /// Epochs without a better value of it before a member learns no more and keeps its best weights; training ends with the
    /// last of them. `None` trains to the end and keeps the last weights.
    pub patience: Option<usize>,
    /// Whether each epoch has its own order.
    pub shuffle: bool,
    /// Which rows an epoch has.
    pub sampling: Sampling,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Training by iterations over all rows in the place of the optimizer's steps.
    pub lbfgs: Option<Lbfgs>,
    /// What is done to the rows of a training step.
    pub augmentation: Augmentation,
    /// Of the operands of a training step's products.
    pub precision: Precision,
}

impl Options {
    /// So many epochs of batches, with nothing that is not asked for.
    pub fn plain(loss: Loss, optimizer: Optimizer, batch_size: usize, epochs: usize) -> Self {
        Options {
            loss,
            optimizer,
            batch_size: Some(batch_size),
            accumulate: 1,
            epochs,
            max_steps: None,
            monitor: Monitor::default(),
            patience: None,
            shuffle: true,
            sampling: Sampling::default(),
            schedule: Schedule::default(),
            lbfgs: None,
            augmentation: Augmentation::default(),
            precision: Precision::default(),
        }
    }
}

/// What the answers for validation rows are, and should be, for what is monitored beside the sums of every step.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// How outputs become answers.
    pub answer: Answer,
    /// What each of a regression's targets was standardised by; none where they were not.
    pub moments: &'a [Moments],
    /// The dataset's targets as they are: `[rows, targets]`.
    pub wanted: &'a Matrix,
}

/// What hears of a run's events, and may end the run after any.
pub type Observe<'a> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 'a;

/// Trains a pack of networks. `observe` hears of every slice of steps and every epoch, and may end the run after it.
pub fn train(
    backend: &mut dyn Backend,
    network: &Network,
    members: &[Member],
    rows: Rows<'_>,
    options: &Options,
    observe: &mut Observe<'_>,
) -> Result<Outcome, TrainError> {
    train_judged(backend, network, members, rows, options, None, observe)
}

/// The same with a judge, which every [`Monitor`] that is not of the sums of every step needs.
pub fn train_judged(
    backend: &mut dyn Backend,
    network: &Network,
    members: &[Member],
    rows: Rows<'_>,
    options: &Options,
    judge: Option<Judge<'_>>,
    observe: &mut Observe<'_>,
) -> Result<Outcome, TrainError> {
    let training = Training {
        network,
        members,
        rows,
        options,
        judge,
        windows: None,
    };
    attempt(backend, training, &mut Guard::default(), observe)
}

/// All that decides what comes of a run.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The networks' shape.
    pub network: &'a Network,
    /// The networks.
    pub members: &'a [Member],
    /// What they learn from.
    pub rows: Rows<'a>,
    /// How.
    pub options: &'a Options,
    /// What the monitored value is of, where the sums of every step do not tell it.
    pub judge: Option<Judge<'a>>,
    /// Training rows that are read on the way; those for training among `rows` then only stand for them where a trained network is
    /// reported on.
    pub windows: Option<&'a Windows>,
}

/// The same from a snapshot on, if there is one, leaving others on the way, and with spares for a backend that fails. One whose
/// memory does not suffice is opened again for half as many rows at a time.
pub fn train_guarded(
    backend: &mut Box<dyn Backend>,
    training: Training<'_>,
    guard: &mut Guard<'_>,
    observe: &mut Observe<'_>,
) -> Result<Outcome, TrainError> {
    loop {
        match attempt(&mut **backend, training, guard, observe) {
            Err(TrainError::Backend(error)) if error.is_failure() => {
                if !guard.cut(backend, &error, observe) && !guard.replace(backend, &error, observe)
                {
                    return Err(error.into());
                }
            }
            ended => return ended,
        }
    }
}

/// On one backend, as far as that goes.
pub(super) fn attempt(
    backend: &mut dyn Backend,
    training: Training<'_>,
    guard: &mut Guard<'_>,
    observe: &mut Observe<'_>,
) -> Result<Outcome, TrainError> {
    let Training {
        network,
        members,
        rows,
        options,
        judge,
        windows,
    } = training;
    check(network, members, rows, options)?;
    let monitor = options.monitor;
    if !monitor.is_summed() && (judge.is_none() || rows.counts()[1] == 0) {
        return Err(TrainError::Data(format!(
            "{monitor} is of the answers for validation rows: there are none, or nothing judges them"
        )));
    }
    let mut limits = backend.limits();
    limits.rows = guard.most(limits.rows);
    let mut layout = Layout::new(network, members.len(), (rows, windows), options, limits);
    if let Some(windows) = windows {
        windows.check(layout.batch)?;
    }
    layout.cut(backend.shards());
    // A batch's statistics are of the whole batch, or of a whole shard.
    let whole = network.normalization == Normalization::Batch;
    guard.holds((!whole).then_some(layout.micro.max(layout.evaluated)));
    let mut run = Run::new(backend, training, layout)?;
    if let Some(judge) = judge.filter(|_| !monitor.is_summed()) {
        run.judge(judge)?;
    }
    match guard.begin() {
        Some(snapshot) => run.restore(&snapshot)?,
        None => run.start()?,
    }
    loop {
        match run.finished(guard, observe) {
            // Workers have made it again already (`elastic::pool`).
            Err(TrainError::Diverged { loss, epoch, .. })
                if run.backend.shards().is_none()
                    && guard.doubts(loss, epoch, run.backend.device()) =>
            {
                run.back(guard)?;
            }
            Err(TrainError::Diverged { loss, epoch, .. }) => {
                if !run.go_back(guard, (loss, epoch), observe)? {
                    let rollbacks = run.state.rollbacks;
                    return Err(TrainError::Diverged {
                        loss,
                        epoch,
                        rollbacks,
                        best: run.last_good()?.map(Box::new),
                    });
                }
            }
            ended => return ended,
        }
    }
}
