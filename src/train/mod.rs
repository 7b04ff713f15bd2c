//! Training: how rows are divided, and the loop that turns a program's steps into trained networks.

mod chosen;
mod class_weight;
mod config;
mod evaluate;
mod fastest;
mod fit;
mod fitted;
mod folds;
mod hidden;
mod layout;
mod lbfgs;
mod outcome;
mod range_test;
mod run;
mod sample_weight;
mod schedule;
mod scores;
mod split;

pub use chosen::{LossChoice, OptimizerChoice, ScheduleName};
pub use class_weight::ClassWeight;
pub use config::{BatchSize, Config};
pub use fastest::fastest;
pub use fit::{FitError, Plan};
pub use fitted::{Fitted, HeldOut};
pub use folds::{Fold, folds};
pub use hidden::{HiddenLayer, HiddenLayers};
pub use lbfgs::Lbfgs;
pub use outcome::{End, Epoch, Event, Outcome, TrainError, Trained};
pub use range_test::{RangeTest, range_test};
pub use run::{Judge, Member, Options, Parts, Rows, train, train_judged};
pub use schedule::{Curve, Plateau, Schedule, Warmup};
pub use scores::{Monitor, Scores};
pub use split::{Split, split};
