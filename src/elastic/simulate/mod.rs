//! A discrete-event simulation of the scheduler: the policies, the coordinator and the peers are those of the pool, the
//! workers, their failures and the network are drawn.
//!
//! A worker is alive for a time from a Weibull distribution of shape 0.7, and away for one from a lognormal distribution: the
//! families and shapes that B. Schroeder and G. A. Gibson found for 23,000 failures of high-performance computers at Los
//! Alamos ("A Large-Scale Study of Failures in High-Performance Computing Systems", IEEE TDSC 7(4), 2010; DSN 2006).

mod alone;
mod central;
mod clock;
mod distributed;
mod fleet;
mod plot;

pub use plot::plot;

use serde::{Deserialize, Serialize};

use self::fleet::Fleet;
use super::policy::PolicyName;

/// Who decides which worker runs which shard.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scheduling {
    /// A coordinator gives out each step's shards and sums them up
    #[default]
    Central,
    /// Workers claim, steal and sum up shards among themselves
    Distributed,
}

impl Scheduling {
    /// Both.
    pub const ALL: [Scheduling; 2] = [Scheduling::Central, Scheduling::Distributed];
}

/// What is simulated. Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case")]
pub struct Setup {
    /// Steps of the run
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub steps: u64,
    /// Shards of a step for each worker
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub shards_per_worker: u32,
    /// Seconds of a shard on a worker of middle speed
    #[arg(long, default_value_t = 0.05, value_parser = positive, value_name = "SECONDS")]
    pub shard_time: f64,
    /// Standard deviation of the logarithm of the workers' speeds
    #[arg(long, default_value_t = 0.3, value_parser = not_negative)]
    pub spread: f64,
    /// Standard deviation of the logarithm of a shard's time on one worker
    #[arg(long, default_value_t = 0.05, value_parser = not_negative)]
    pub noise: f64,
    /// Share of the workers that become four times slower at some moment
    #[arg(long, default_value_t = 0.1, value_parser = share)]
    pub slowed: f64,
    /// Share of the workers that join at some moment, and are not there from the beginning
    #[arg(long, default_value_t = 0.1, value_parser = share)]
    pub joining: f64,
    /// Mean time to a worker's failure; 0 for none
    #[arg(long, default_value_t = 3600.0, value_parser = not_negative, value_name = "SECONDS")]
    pub mtbf: f64,
    /// Median time until a worker that failed is back
    #[arg(long, default_value_t = 5.0, value_parser = positive, value_name = "SECONDS")]
    pub repair: f64,
    /// Time until a failure is noticed
    #[arg(long, default_value_t = 0.5, value_parser = not_negative, value_name = "SECONDS")]
    pub notice: f64,
    /// Time of a message on its way
    #[arg(long, default_value_t = 1e-4, value_parser = not_negative, value_name = "SECONDS")]
    pub delay: f64,
    /// Bytes a second of each machine's connection
    #[arg(long, default_value_t = 1e10, value_parser = positive, value_name = "BYTES")]
    pub bandwidth: f64,
    /// Time that a message takes its receiver or sender
    #[arg(long, default_value_t = 5e-6, value_parser = not_negative, value_name = "SECONDS")]
    pub message: f64,
    /// Bytes of a gradient
    #[arg(long, default_value_t = 1e6, value_parser = not_negative, value_name = "BYTES")]
    pub gradient: f64,
    /// Bytes a second at which gradients are summed up
    #[arg(long, default_value_t = 1e10, value_parser = positive, value_name = "BYTES")]
    pub summing: f64,
    /// Time of the update of the weights on a worker of middle speed
    #[arg(long, default_value_t = 1e-3, value_parser = not_negative, value_name = "SECONDS")]
    pub update: f64,
    /// Seed of all that is drawn
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn number(text: &str, fits: impl Fn(f64) -> bool, needed: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && fits(value) => Ok(value),
        _ => Err(format!("{needed} is needed")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0, "a positive number")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0, "a number from 0 on")
}

fn share(text: &str) -> Result<f64, String> {
    number(
        text,
        |value| (0.0..=1.0).contains(&value),
        "a share from 0 to 1",
    )
}

/// Rows of a shard; a worker of middle speed does as many in a shard's time.
const ROWS: u32 = 64;

/// What came of a simulated run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Workers, those that joined later included.
    pub workers: usize,
    /// Those that are used at the end; the others stand by, or are not there.
    pub used: usize,
    /// Who decided.
    pub scheduling: Scheduling,
    /// By what.
    pub policy: PolicyName,
    /// Simulated time.
    pub seconds: f64,
    /// Steps a second.
    pub steps_per_second: f64,
    /// Rows of finished steps, as a share of what the living workers could have computed in the time.
    pub goodput: f64,
    /// Share of the computing whose result was lost with a worker or was there already.
    pub lost: f64,
    /// Share of the time in which the coordinator was busy; of the busiest member, without one.
    pub busy: f64,
    /// Failures in the time.
    pub failures: u64,
    /// Messages a step.
    pub messages_per_step: f64,
}

/// Simulates a run; `None` if all workers failed for good, which a repair time beyond the run's end comes to.
pub fn simulate(
    setup: &Setup,
    workers: usize,
    scheduling: Scheduling,
    policy: PolicyName,
) -> Option<Outcome> {
    let fleet = Fleet::new(setup, workers);
    match scheduling {
        Scheduling::Central => central::run(setup, fleet, policy),
        Scheduling::Distributed => distributed::run(setup, fleet, policy),
    }
}

/// The smallest of the sizes at which a coordinator is busy for more than half of the time.
pub fn bottleneck(outcomes: &[Outcome]) -> Option<&Outcome> {
    let central = outcomes
        .iter()
        .filter(|outcome| outcome.scheduling == Scheduling::Central);
    let busy = central.filter(|outcome| outcome.busy > 0.5);
    busy.min_by_key(|outcome| outcome.workers)
}

#[cfg(test)]
mod tests;
