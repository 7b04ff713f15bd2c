//! Which worker runs which shard of a step: a file a policy, behind one trait.
//!
//! A policy sees data and gives data, and is deterministic given what it has seen. Whatever it decides, a step's result has
//! the same bits: shards are summed up in an order of their own.

mod divide;
mod learned;
mod least_response_time;
mod round_robin;
mod throughput;
mod weighted;

pub use divide::{Late, neighbours, steal, worth_stealing};
pub use learned::Learned;
pub use least_response_time::LeastResponseTime;
pub use round_robin::RoundRobin;
pub use throughput::Throughput;
pub(super) use throughput::rate;
pub use weighted::Weighted;

use serde::{Deserialize, Serialize};

use self::divide::{Costs, apportion, longest_first};

/// What a worker computes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// The processor, with so many threads.
    Cpu {
        /// Threads of this worker alone.
        threads: u32,
    },
    /// A graphics card.
    Gpu,
    /// An adapter that runs on the processor.
    SoftwareGpu,
}

/// Running means of what a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Rows a second while it computes; `None` before its first shard.
    pub rate: Option<f64>,
    /// Seconds from a shard's order to its answer, waiting and transport included.
    pub response: Option<f64>,
    /// Seconds of a step before its first shard is begun: the update behind the step before, and the order's way.
    pub lead: Option<f64>,
    /// The share of a step's shards, one behind the other, whose rows took far longer than the mean; negative, if far shorter.
    strayed: f64,
}

/// What a worker did.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// Rows of a shard.
    pub rows: u32,
    /// Seconds that it took.
    pub computing: f64,
    /// Seconds from its order to its answer.
    pub response: f64,
    /// What was run with it, as a share of what the worker has of the step.
    pub share: f64,
    /// Seconds of the step before, where it was the first.
    pub lead: Option<f64>,
}

impl Ran {
    /// So many shards that were run together among peers in so many seconds, by one that has `own` of the step. What is stolen is beyond those.
    pub(in crate::elastic) fn among_peers(
        (shards, rows): (usize, u32),
        seconds: f64,
        own: usize,
    ) -> Self {
        let count = shards.max(1) as f64;
        Ran {
            rows,
            computing: seconds / count,
            response: seconds / count,
            share: count / count.max(own as f64),
            lead: None,
        }
    }
}

/// Share of the newest value in a running mean.
const NEWEST: f64 = 0.3;

/// How many times as long, or as short, is far from the mean.
const FAR: f64 = 1.5;

/// A step's shards, but for rounding of what they are together.
const ALL: f64 = 0.999;

impl Stats {
    /// Takes in a shard. Where all of a step are far from the mean, this is another worker than before, of whom the mean knows nothing: if it
    /// was for once, the next step shows it likewise. Less than that is smoothed as noise is.
    pub fn add(&mut self, ran: &Ran) {
        // Times are averaged, not rates: a mean of rates would be too high.
        let each = ran.computing.max(1e-9) / f64::from(ran.rows.max(1));
        let before = self.rate.map(|rate| 1.0 / rate);
        let stray = match before {
            Some(before) if each > FAR * before => ran.share,
            Some(before) if before > FAR * each => -ran.share,
            _ => 0.0,
        };
        let goes_on = stray * self.strayed > 0.0;
        self.strayed = if goes_on { self.strayed + stray } else { stray };
        let newest = if self.strayed.abs() > ALL {
            self.strayed = 0.0;
            1.0
        } else {
            NEWEST * ran.share
        };
        let mean = |before: Option<f64>, now: f64| {
            Some(before.map_or(now, |before| before + newest * (now - before)))
        };
        self.rate = mean(before, each).map(|each| 1.0 / each);
        self.response = mean(self.response, ran.response);
        // Before its first shards a worker takes in the data, which it does once.
        if let (Some(lead), Some(_)) = (ran.lead, before) {
            self.lead = mean(self.lead, lead);
        }
    }

    /// Takes in what some steps had before their first shards, in the mean.
    pub(in crate::elastic) fn led(&mut self, lead: f64) {
        let before = self.lead.unwrap_or(lead);
        self.lead = Some(before + NEWEST * (lead - before));
    }
}

/// A worker, as a policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its number, which it keeps.
    pub id: u32,
    /// What it computes on.
    pub device: DeviceKind,
    /// Whether it takes shards: it is there, and has not been put out.
    pub live: bool,
    /// The share that it was given by hand.
    pub weight: f64,
    /// What it did so far.
    pub stats: Stats,
}

/// A part of a step's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its number in the step, which its place in the sum follows from.
    pub number: u32,
    /// Its rows.
    pub rows: u32,
}

/// What a shard costs beside its rows: the same for all of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Floating-point operations a row.
    pub flops: f64,
    /// Values of the gradient.
    pub parameters: f64,
}

/// A step before its shards are given out.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its number in the run.
    pub step: u64,
    /// What a shard costs.
    pub shape: Shape,
    /// All workers, live or not.
    pub workers: &'a [Worker],
    /// In order of their numbers.
    pub shards: &'a [Shard],
    /// Workers that compute at a time for each core of the machine, where they share one.
    pub load: f64,
}

impl<'a> View<'a> {
    /// Positions of the workers that take shards.
    pub fn live(&self) -> impl Iterator<Item = usize> + use<'a> {
        let workers = self.workers.iter().enumerate();
        workers
            .filter(|(_, worker)| worker.live)
            .map(|(position, _)| position)
    }
}

/// A shard that a worker ran, for policies that learn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What ran it.
    pub device: DeviceKind,
    /// What a shard costs.
    pub shape: Shape,
    /// Rows of the shard.
    pub rows: u32,
    /// Workers that computed at a time for each core.
    pub load: f64,
    /// The worker's running mean of seconds a row before this shard.
    pub recent: Option<f64>,
    /// What it took.
    pub seconds: f64,
}

/// Maps shards onto workers.
pub trait Policy: Send {
    /// The position of each shard's worker, which is live; `None` if no worker is.
    fn assign(&mut self, view: &View<'_>) -> Option<Vec<usize>>;

    /// Whether it goes by what workers took. One that was slow may then be given nothing, by which it would show that it is no more.
    fn measures(&self) -> bool {
        true
    }

    /// Takes note of a shard that was run.
    fn note(&mut self, _record: &Record) {}

    /// Seconds that a worker probably takes for a shard of `rows` rows, where the policy has late shards stolen.
    fn predicted(&mut self, _view: &View<'_>, _worker: usize, _rows: u32) -> Option<f64> {
        None
    }

    /// What it has learned from and would like to see again in the next run.
    fn records(&self) -> Vec<Record> {
        Vec::new()
    }
}

/// A policy's name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyName {
    /// As many shards for each worker
    RoundRobin,
    /// By the weights that workers are given
    Weighted,
    /// Each shard to the worker that would answer first, going by its answers so far
    LeastResponseTime,
    /// By predicted finish times from running means, and late shards are stolen
    #[default]
    Throughput,
    /// As throughput, with times predicted by a small network that learns from the run's own records
    Learned,
}

impl PolicyName {
    /// All of them.
    pub const ALL: [PolicyName; 5] = [
        PolicyName::RoundRobin,
        PolicyName::Weighted,
        PolicyName::LeastResponseTime,
        PolicyName::Throughput,
        PolicyName::Learned,
    ];

    /// The policy; what earlier runs recorded is to the one that learns.
    pub fn policy(self, records: Vec<Record>) -> Box<dyn Policy> {
        match self {
            PolicyName::RoundRobin => Box::new(RoundRobin),
            PolicyName::Weighted => Box::new(Weighted),
            PolicyName::LeastResponseTime => Box::new(LeastResponseTime),
            PolicyName::Throughput => Box::new(Throughput),
            PolicyName::Learned => Box::new(Learned::with(records)),
        }
    }
}

#[cfg(test)]
mod tests;
