//! Training on several workers: which there are, and how they share the work.

mod crew;
mod list;

pub(super) use crew::Crew;
pub(super) use list::Workers;

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use gpu_mlp::backend::Backend;
use gpu_mlp::elastic::policy::PolicyName;
use gpu_mlp::elastic::simulate::Scheduling;
use gpu_mlp::elastic::{Pool, PoolOptions, load_records};
use gpu_mlp::runs::Description;
use gpu_mlp::train::{Plan, Spare};

use super::device::{DeviceChoice, cache_folder, open_for, spares};
use super::error::bad_input;

/// How workers share a step.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct WorkerOptions {
    /// Train on several workers: auto, or a list as gpu:0,cpu*2 or cpu:4*2@3 (two of 4 threads each, of weight 3)
    #[arg(long, value_name = "LIST", help_heading = "Workers")]
    pub(super) workers: Option<Workers>,
    /// Which worker runs which part of a batch [default: throughput]
    #[arg(long, value_enum, value_name = "POLICY", help_heading = "Workers")]
    pub(super) policy: Option<PolicyName>,
    /// Who decides [default: central]
    #[arg(long, value_enum, help_heading = "Workers")]
    pub(super) scheduling: Option<Scheduling>,
    /// Whether each worker is a process of its own, so that a driver that crashes takes no run along [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Workers")]
    pub(super) worker_processes: Option<bool>,
    /// Share of the parts that are run twice, on two workers, to find one that computes wrong [default: 0]
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "Workers")]
    pub(super) verify: Option<f64>,
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("a share from 0 to 1 is needed".into()),
    }
}

impl WorkerOptions {
    /// Those of a run that was kept.
    pub(super) fn of(run: &Description) -> Result<WorkerOptions> {
        let list = run.workers.as_deref().map(str::parse).transpose();
        Ok(WorkerOptions {
            workers: list.map_err(|reason: String| bad_input(reason))?,
            policy: run.policy,
            scheduling: run.scheduling,
            worker_processes: run.worker_processes,
            verify: run.verify,
        })
    }

    /// A run's description with these.
    pub(super) fn describe(&self, run: Description) -> Description {
        Description {
            workers: self.workers.as_ref().map(ToString::to_string),
            policy: self.policy,
            scheduling: self.scheduling,
            worker_processes: self.worker_processes,
            verify: self.verify,
            ..run
        }
    }

    /// These, with what they leave out taken from `other`.
    pub(super) fn or(self, other: WorkerOptions) -> WorkerOptions {
        WorkerOptions {
            workers: self.workers.or(other.workers),
            policy: self.policy.or(other.policy),
            scheduling: self.scheduling.or(other.scheduling),
            worker_processes: self.worker_processes.or(other.worker_processes),
            verify: self.verify.or(other.verify),
        }
    }

    /// The first of the options that is given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let options = [
            ("--workers", self.workers.is_some()),
            ("--policy", self.policy.is_some()),
            ("--scheduling", self.scheduling.is_some()),
            ("--worker-processes", self.worker_processes.is_some()),
            ("--verify", self.verify.is_some()),
        ];
        let mut given = options.into_iter().filter(|(_, given)| *given);
        given.next().map(|(option, _)| option)
    }

    /// Refuses what does not go together.
    pub(super) fn check(&self, shards: Option<u32>) -> Result<()> {
        let given = self.given().or(shards.map(|_| "--shards"));
        match given {
            Some(option) if self.workers.is_none() => Err(bad_input(format!(
                "{option} needs --workers; give both, or neither"
            ))),
            _ => Ok(()),
        }
    }

    /// Opens what trains a plan, with a way to the workers and what takes their place if all of them fail.
    pub(super) fn open(&self, device: &mut DeviceChoice, plan: &Plan) -> Result<Trainer> {
        let (Some(workers), Some(shards)) = (&self.workers, plan.config.shards) else {
            let backend = open_for(device, plan)?;
            return Ok(Trainer {
                spares: spares(device),
                tries: None,
                backend,
                crew: None,
            });
        };
        if plan.options().lbfgs.is_some() {
            return Err(bad_input(
                "--workers is for optimizers of many small steps, not for --optimizer lbfgs; leave one of them out",
            ));
        }
        let policy = self.policy.unwrap_or_default();
        let learned = policy == PolicyName::Learned;
        let memory = cache_folder().filter(|_| learned);
        let memory = memory.map(|folder| folder.join("shard-times.json"));
        let records = memory.as_deref().map_or(Ok(Vec::new()), load_records);
        let records = records.unwrap_or_else(|notice| {
            log::warn!("{notice}");
            Vec::new()
        });
        let options = PoolOptions {
            shards: shards as usize,
            policy,
            records,
            scheduling: self.scheduling.unwrap_or_default(),
            verify: self.verify.unwrap_or(0.0),
            ..PoolOptions::default()
        };
        let program = match self.worker_processes {
            Some(true) => Some(std::env::current_exe()?.display().to_string()),
            _ => None,
        };
        let crew = Crew {
            remote: options.remote.clone(),
            program,
            memory,
        };
        let backend = Box::new(Pool::open(crew.specs(workers), options.clone())?);
        let remote = options.remote.clone();
        let again = move || {
            let pool = Pool::reopen(options.clone())?;
            Ok(Box::new(pool) as Box<dyn Backend>)
        };
        let spares = waits(list::SPARES).map(|wait| Spare {
            wait,
            open: Box::new(again.clone()),
        });
        // They may have been scaled to others since.
        let tries = move || waits(remote.others()).count();
        Ok(Trainer {
            backend,
            crew: Some(crew),
            spares: spares.collect(),
            tries: Some(Box::new(tries)),
        })
    }
}

/// Waits before workers that were lost all at once are opened again: twice, and as often with each of so many devices that take the
/// place of theirs, where the third loss is what puts them there.
fn waits(others: usize) -> impl Iterator<Item = Duration> {
    let each = std::iter::repeat_n([0, 1, 5], 1 + others).flatten();
    each.skip(1).map(Duration::from_secs)
}

/// What trains.
pub(super) struct Trainer {
    pub(super) backend: Box<dyn Backend>,
    /// The workers, if there are some.
    pub(super) crew: Option<Crew>,
    /// What takes its place when it fails.
    pub(super) spares: Vec<Spare<'static>>,
    /// How many of these are tried, where that changes on the way.
    pub(super) tries: Option<Box<dyn Fn() -> usize>>,
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;

    use gpu_mlp::backend::cpu::CpuBackend;
    use gpu_mlp::backend::faults::{Fault, Faults, Faulty};
    use gpu_mlp::elastic::{Spec, Start};
    use gpu_mlp::train::{Config, Event, Guard};

    use super::*;

    #[test]
    fn a_card_that_a_run_was_scaled_to_makes_room_for_another_device() {
        let config = Config::from_toml("hidden = [4]\nepochs = 1000000\npatience = 0\nshards = 4");
        let plan = Plan::open("xor", &config.expect("it is valid"), None);
        let plan = plan.expect("it is built in");
        let cpu: Workers = "cpu:1".parse().expect("a list");
        let [processor] = &cpu.specs()[..] else {
            panic!("it is one");
        };
        let options = WorkerOptions {
            workers: Some(cpu.clone()),
            ..WorkerOptions::default()
        };
        let trainer = options.open(&mut DeviceChoice::Cpu, &plan);
        let mut trainer = trainer.expect("it opens");
        // There is no other, and it is lost at whatever it does.
        let lost = || {
            let faults = Faults::new(vec![(0, Fault::Lose)]);
            let inner = Box::new(CpuBackend::<f32>::with_threads(1));
            Ok(Box::new(Faulty::new(inner, faults)) as Box<dyn Backend>)
        };
        let card = Spec {
            name: "card".into(),
            start: Start::Thread(Arc::new(lost)),
            spares: vec![processor.clone()],
            ..processor.clone()
        };
        let remote = trainer.crew.expect("there are workers").remote;
        remote.scale(vec![card]);
        let mut guard = Guard::default();
        (guard.spares, guard.tries) = (trainer.spares, trainer.tries);
        for spare in &mut guard.spares {
            spare.wait = Duration::ZERO;
        }
        let mut times = 0;
        let mut watch = |event: Event<'_>| {
            times += u32::from(matches!(event, Event::Notice(_)));
            match event {
                Event::Steps { .. } if times == 3 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let fitted = plan.fit_guarded(&mut trainer.backend, &mut guard, &mut watch);
        fitted.expect("the processor trains");
        let noted = remote.notices();
        let moved = "worker 0 goes on as cpu:1: ";
        assert!(
            noted.iter().any(|line| line.starts_with(moved)),
            "{noted:?}"
        );
    }

    #[test]
    fn each_device_is_opened_twice_more_before_another_takes_its_place() {
        let seconds = |others| waits(others).map(|wait| wait.as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(0), [1, 5]);
        assert_eq!(seconds(2), [1, 5, 0, 1, 5, 0, 1, 5]);
    }
}
