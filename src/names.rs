//! The command line's names of options, as text: one place for `--help`, messages and printed programs.

use std::fmt::{Display, Formatter, Result};

use clap::ValueEnum;

use crate::data::{Numeric, PreprocessMode, TargetTransform, Task};
use crate::elastic::policy::PolicyName;
use crate::elastic::simulate::Scheduling;
use crate::model::{Activation, Initializer, Normalization};
use crate::program::{Link, Reduction, Rule};
use crate::train::{Monitor, OnDivergence, OptimizerChoice, ScheduleName};

macro_rules! display_by_name {
    ($($kind:ty),*) => {$(
        impl Display for $kind {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                match self.to_possible_value() {
                    Some(value) => f.pad(value.get_name()),
                    None => Ok(()),
                }
            }
        }
    )*};
}

display_by_name!(
    Activation,
    Initializer,
    Link,
    Monitor,
    OptimizerChoice,
    Normalization,
    Numeric,
    OnDivergence,
    PreprocessMode,
    Reduction,
    Rule,
    ScheduleName,
    TargetTransform,
    Task
);

display_by_name!(PolicyName, Scheduling);
