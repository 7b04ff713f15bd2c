//! Training on several workers: which there are, and how they share the work.

use std::fmt::{Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use gpu_mlp::backend::Backend;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, AdapterInfo, adapters};
use gpu_mlp::elastic::policy::{DeviceKind, PolicyName};
use gpu_mlp::elastic::simulate::Scheduling;
use gpu_mlp::elastic::{Pool, PoolOptions, Remote, Spec, Start, load_records, save_records};
use gpu_mlp::runs::Description;
use gpu_mlp::train::{Plan, Spare};

use super::device::{DeviceChoice, cache_folder, faulty, open_adapter, open_for, spares};
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

/// Workers, as they are listed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Workers {
    /// A worker for each graphics card; without one, one for each core.
    Auto,
    These(Vec<Item>),
}

/// Some workers of a kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    device: DeviceChoice,
    /// Of each worker on the processor.
    threads: Option<usize>,
    count: usize,
    weight: f64,
}

/// Workers that one list may have.
const MOST: usize = 256;

impl FromStr for Workers {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Workers::Auto);
        }
        let items: Vec<Item> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let count: usize = items.iter().map(|item| item.count).sum();
        if count > MOST {
            return Err(format!("{count} workers are too many; {MOST} at most"));
        }
        Ok(Workers::These(items))
    }
}

impl FromStr for Item {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{text:?} {what}, as in gpu:0, cpu*2 or cpu:4*2@3");
        let (rest, weight) = match text.rsplit_once('@') {
            None => (text, 1.0),
            Some((rest, weight)) => match weight.parse() {
                Ok(weight) if weight > 0.0 && f64::is_finite(weight) => (rest, weight),
                _ => return Err(wrong("has no weight above 0 behind @")),
            },
        };
        let (device, count) = match rest.rsplit_once('*') {
            None => (rest, 1),
            Some((device, count)) => match count.parse() {
                Ok(count @ 1..=MOST) => (device, count),
                _ => return Err(wrong("has no number of workers behind *")),
            },
        };
        let threads = match device.strip_prefix("cpu:") {
            None => None,
            Some(threads) => match threads.parse() {
                Ok(threads @ 1..=1024) => Some(threads),
                _ => return Err(wrong("has no number of threads behind cpu:")),
            },
        };
        let device = match threads {
            Some(_) => DeviceChoice::Cpu,
            None => device.parse().map_err(|_| wrong("names no device"))?,
        };
        if device == DeviceChoice::Auto {
            return Err(wrong("is no list: auto stands alone"));
        }
        Ok(Item {
            device,
            threads,
            count,
            weight,
        })
    }
}

impl Display for Workers {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Workers::These(items) = self else {
            return f.write_str("auto");
        };
        for (place, item) in items.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{}", item.device)?;
            if let Some(threads) = item.threads {
                write!(f, ":{threads}")?;
            }
            write!(f, "*{}@{}", item.count, item.weight)?;
        }
        Ok(())
    }
}

impl Workers {
    fn items(&self) -> Vec<Item> {
        let item = |device, threads, count| Item {
            device,
            threads,
            count,
            weight: 1.0,
        };
        match self {
            Workers::These(items) => items.clone(),
            Workers::Auto => {
                let usable = adapters().into_iter();
                let usable =
                    usable.filter(|found| found.kind != "software" && found.unusable.is_none());
                let cards: Vec<Item> = usable
                    .map(|found| {
                        item(
                            DeviceChoice::Gpu(AdapterChoice::Index(found.index)),
                            None,
                            1,
                        )
                    })
                    .collect();
                if cards.is_empty() {
                    vec![item(DeviceChoice::Cpu, Some(1), cores())]
                } else {
                    cards
                }
            }
        }
    }

    pub(super) fn specs(&self) -> Vec<Spec> {
        let items = self.items();
        let sharing = items
            .iter()
            .filter(|item| item.device == DeviceChoice::Cpu && item.threads.is_none());
        let sharing: usize = sharing.map(|item| item.count).sum();
        let each = (cores() / sharing.max(1)).max(1);
        let known = adapters();
        items
            .iter()
            .flat_map(|item| {
                let spec = match &item.device {
                    DeviceChoice::Gpu(adapter) => card(adapter, &known, item.weight),
                    DeviceChoice::Cpu | DeviceChoice::Auto => {
                        processor(item.threads.unwrap_or(each), item.weight)
                    }
                };
                std::iter::repeat_n(spec, item.count)
            })
            .collect()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn processor(threads: usize, weight: f64) -> Spec {
    Spec {
        name: format!("cpu:{threads}"),
        kind: DeviceKind::Cpu {
            threads: threads as u32,
        },
        weight,
        start: Start::Thread(Arc::new(move || {
            Ok(Box::new(CpuBackend::<f32>::with_threads(threads)))
        })),
        spares: Vec::new(),
    }
}

/// Another graphics card than this one, if there is one, and the processor.
fn in_place_of(index: usize, known: &[AdapterInfo], weight: f64) -> Vec<Spec> {
    let mut others = known.iter().filter(|other| {
        other.index != index && other.kind != "software" && other.unusable.is_none()
    });
    let other = others.next().map(|other| {
        let choice = AdapterChoice::Index(other.index);
        let name = DeviceChoice::Gpu(choice.clone()).to_string();
        adapter(name, &choice, DeviceKind::Gpu, weight)
    });
    other
        .into_iter()
        .chain([processor(cores(), weight)])
        .collect()
}

fn card(choice: &AdapterChoice, known: &[AdapterInfo], weight: f64) -> Spec {
    let index = match choice {
        AdapterChoice::Index(index) => *index,
        _ => 0,
    };
    let software = known
        .get(index)
        .is_some_and(|found| found.kind == "software");
    let kind = if software {
        DeviceKind::SoftwareGpu
    } else {
        DeviceKind::Gpu
    };
    let name = DeviceChoice::Gpu(choice.clone()).to_string();
    Spec {
        spares: in_place_of(index, known, weight),
        ..adapter(name, choice, kind, weight)
    }
}

fn adapter(name: String, choice: &AdapterChoice, kind: DeviceKind, weight: f64) -> Spec {
    let choice = choice.clone();
    Spec {
        name,
        kind,
        weight,
        start: Start::Thread(Arc::new(move || Ok(Box::new(open_adapter(&choice)?)))),
        spares: Vec::new(),
    }
}

/// Has a worker, and what takes its place, fail as it was asked for.
fn failing(spec: &mut Spec) {
    if let Start::Thread(open) = &spec.start {
        let open = Arc::clone(open);
        spec.start = Start::Thread(Arc::new(move || Ok(faulty(open()?))));
    }
    for spare in &mut spec.spares {
        failing(spare);
    }
}

/// Has a worker, and what takes its place, be a process of its own.
fn apart(spec: &mut Spec, program: &str) {
    let device = format!("--device={}", spec.name);
    let words = [program, "worker", &device];
    spec.start = Start::Process(words.map(str::to_owned).into());
    for spare in &mut spec.spares {
        apart(spare, program);
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
                spares: spares(device, &backend.device()),
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
        let records = memory.as_deref().map(load_records).unwrap_or_default();
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
        let specs = crew.specs(workers);
        let backend = Box::new(Pool::open(specs.clone(), options.clone())?);
        let again = move || {
            let pool = Pool::open(specs.clone(), options.clone())?;
            Ok(Box::new(pool) as Box<dyn Backend>)
        };
        let waits = [1, 5].map(Duration::from_secs).into_iter();
        let spares = waits.map(|wait| Spare {
            wait,
            open: Box::new(again.clone()),
        });
        Ok(Trainer {
            backend,
            crew: Some(crew),
            spares: spares.collect(),
        })
    }
}

/// What trains.
pub(super) struct Trainer {
    pub(super) backend: Box<dyn Backend>,
    /// The workers, if there are some.
    pub(super) crew: Option<Crew>,
    /// What takes its place when it fails.
    pub(super) spares: Vec<Spare<'static>>,
}

/// The workers of a run: a way to them, and how more of them come to be.
#[derive(Clone)]
pub(super) struct Crew {
    pub(super) remote: Remote,
    /// The program that each is a process of, if each is one of its own.
    program: Option<String>,
    /// Where the policy `learned` keeps its records.
    memory: Option<PathBuf>,
}

impl Crew {
    /// Workers to be, as this run has them.
    fn specs(&self, workers: &Workers) -> Vec<Spec> {
        let mut specs = workers.specs();
        for spec in &mut specs {
            failing(spec);
            if let Some(program) = &self.program {
                apart(spec, program);
            }
        }
        specs
    }

    /// Asks for these workers in place of those that are there.
    pub(super) fn scale(&self, workers: &Workers) {
        self.remote.scale(self.specs(workers));
    }

    /// Whether there is something to [remember](Crew::remember).
    pub(super) fn learns(&self) -> bool {
        self.memory.is_some()
    }

    /// Keeps what the policy has learned from for the next run.
    pub(super) fn remember(&self) {
        let records = self.remote.records();
        // Before the first step there is nothing, which is not to take the place of what is kept.
        if let Some(path) = self.memory.as_ref().filter(|_| !records.is_empty())
            && let Err(error) = save_records(path, &records)
        {
            log::warn!(
                "{}: {error}; the next run begins without these",
                path.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<String> {
        let workers: Workers = list.parse().expect(list);
        let specs = workers.specs().into_iter();
        specs.map(|spec| spec.name).collect()
    }

    #[test]
    fn cores_are_divided_among_workers_that_have_no_number_of_threads() {
        let each = (cores() / 2).max(1);
        let named = [3, each, each].map(|threads| format!("cpu:{threads}"));
        assert_eq!(names("cpu:3,cpu*2"), named);
        let workers: Workers = "cpu:1@3,cpu:1".parse().expect("a list");
        let weights = workers.specs().into_iter().map(|spec| spec.weight);
        assert_eq!(weights.collect::<Vec<_>>(), [3.0, 1.0]);
    }

    #[test]
    fn auto_is_every_graphics_card_or_every_core() {
        let found = names("auto");
        let cards = adapters().into_iter();
        let cards =
            cards.filter(|adapter| adapter.kind != "software" && adapter.unusable.is_none());
        let cards: Vec<String> = cards.map(|card| format!("gpu:{}", card.index)).collect();
        if cards.is_empty() {
            assert_eq!(found, vec!["cpu:1"; cores()]);
        } else {
            assert_eq!(found, cards);
        }
    }

    #[test]
    fn workers_of_a_run_of_processes_are_processes_and_so_is_what_takes_their_place() {
        let workers: Workers = "cpu:1,gpu".parse().expect("a list");
        for program in [None, Some("gpu-mlp".to_owned())] {
            let crew = Crew {
                remote: Remote::default(),
                program: program.clone(),
                memory: None,
            };
            let specs = crew.specs(&workers);
            let all = specs
                .iter()
                .flat_map(|spec| spec.spares.iter().chain([spec]));
            for spec in all {
                match &spec.start {
                    Start::Process(words) => {
                        let device = format!("--device={}", spec.name);
                        assert_eq!(words[..], ["gpu-mlp", "worker", &device]);
                        assert!(program.is_some());
                    }
                    _ => assert!(program.is_none()),
                }
            }
        }
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        for text in [
            "auto",
            "cpu*2@1",
            "gpu:0*1@1,cpu*2@1",
            "cpu:4*2@3",
            "gpu*4@0.5",
        ] {
            let workers: Workers = text.parse().expect(text);
            assert_eq!(workers.to_string(), text);
        }
        let short: Workers = "gpu:0,cpu*2".parse().expect("a list");
        assert_eq!(short.to_string(), "gpu:0*1@1,cpu*2@1");
        for text in [
            "",
            "cpu*",
            "cpu*0",
            "cpu:0",
            "cpu:x*2",
            "cpu@0",
            "cpu@-1",
            "auto,cpu",
            "gpu:x",
            "cpu*200,cpu*200",
        ] {
            text.parse::<Workers>().expect_err(text);
        }
    }
}
