use super::Pool;
use crate::elastic::policy::PolicyName;
use crate::elastic::simulate::Scheduling;

/// What a worker did, for the report.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct WorkerReport {
    /// Its number.
    pub worker: u32,
    /// Its device.
    pub device: String,
    /// Whether it is there now.
    pub live: bool,
    /// Shards that it ran.
    pub shards: u64,
    /// Rows a second while it computes shards, as a running mean; none before its first.
    pub rows_per_second: Option<f64>,
    /// Share of the training time since it came in which it computed no shard.
    pub waiting: f64,
    /// How often it was lost.
    pub losses: u32,
    /// Why it is used no more, if it computed wrong, and what the check of its kernels found.
    pub put_out: Option<String>,
}

/// What a pool did.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PoolReport {
    /// Each worker.
    pub workers: Vec<WorkerReport>,
    /// Workers that are used; the others stand by.
    pub used: usize,
    /// Parts of a batch.
    pub shards: usize,
    /// Who decides which worker runs which.
    pub policy: PolicyName,
    /// Central or distributed.
    pub scheduling: Scheduling,
    /// Shards that were stolen from a late worker.
    pub stolen: u64,
    /// Shards that were given out again as their worker was lost or late.
    pub repeated: u64,
    /// Shards that were run once more and had the same bits.
    pub verified: u64,
}

impl Pool {
    /// What the workers did.
    pub fn report(&self) -> PoolReport {
        let workers = self.links.iter().zip(&self.crew.workers);
        PoolReport {
            workers: workers
                .map(|(link, worker)| WorkerReport {
                    worker: worker.id,
                    device: link.device.clone(),
                    live: link.live,
                    shards: link.shards,
                    rows_per_second: worker.stats.rate,
                    waiting: link.waiting(),
                    losses: link.losses,
                    put_out: link.put_out.as_ref().map(ToString::to_string),
                })
                .collect(),
            used: self.crew.used(),
            shards: self.options.shards,
            policy: self.options.policy,
            scheduling: self.options.scheduling,
            stolen: self.stolen,
            repeated: self.repeated,
            verified: self.verify.agreed,
        }
    }
}
