use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::{Costs, DeviceKind, Policy, Record, View, longest_first, throughput};
use crate::backend::cpu::CpuBackend;
use crate::backend::{Backend, BackendError, Data, ProgramId};
use crate::data::Matrix;
use crate::model::{Activation, Initializer, Network, Weights, initialize};
use crate::program::{
    Capacity, Hyper, Link, Loss, LossFunction, Optimizer, Program, Reduction, Step, buffer,
};
use crate::train::{Curve, Member, Options, Parts, Rows, Schedule, train};

/// As [`Throughput`](super::Throughput), but the time of a shard is predicted by a small network: from the device, the
/// shard's shape and rows, the load, and the worker's own running mean. It is trained on the last records whenever there are
/// twice as many as before; until then running means serve.
pub struct Learned {
    records: VecDeque<Record>,
    seen: usize,
    next: usize,
    fitted: Option<Fitted>,
}

/// Records that are kept.
const KEPT: usize = 2048;

/// Records from which on something can be learned.
const FIRST: usize = 64;

impl Learned {
    /// Without experience.
    pub fn new() -> Self {
        Self::with(Vec::new())
    }

    /// With the records of earlier runs.
    pub fn with(records: Vec<Record>) -> Self {
        let mut learned = Learned {
            seen: records.len(),
            records: records.into(),
            next: FIRST,
            fitted: None,
        };
        learned.learn();
        learned
    }

    fn learn(&mut self) {
        while self.records.len() > KEPT {
            self.records.pop_front();
        }
        if self.seen < self.next {
            return;
        }
        self.next = self.next.max(self.seen) * 2;
        // What cannot be learned from is no error: running means serve as before.
        match Fitted::new(self.records.make_contiguous()) {
            Ok(fitted) => self.fitted = Some(fitted),
            Err(reason) => log::debug!("nothing was learned of shards' times: {reason}"),
        }
    }

    /// Seconds for so many rows, of some workers: the network's answers, or else running means.
    fn seconds(&mut self, view: &View<'_>, workers: &[usize], rows: u32) -> Vec<f64> {
        let usual = |&worker: &usize| f64::from(rows) / throughput::rate(view, worker);
        let inputs = workers.iter().map(|&worker| {
            let rate = throughput::rate(view, worker);
            features(&Record {
                device: view.workers[worker].device,
                shape: view.shape,
                rows,
                load: view.load,
                recent: Some(1.0 / rate),
                seconds: 0.0,
            })
        });
        let answers = self.fitted.as_mut().map(|fitted| fitted.answer(inputs));
        match answers {
            Some(Ok(answers)) => answers,
            _ => workers.iter().map(usual).collect(),
        }
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Learned {
    fn assign(&mut self, view: &View<'_>) -> Option<Vec<usize>> {
        let all: Vec<usize> = (0..view.workers.len()).collect();
        let mut sizes: Vec<u32> = view.shards.iter().map(|shard| shard.rows).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let table: Vec<Vec<f64>> = sizes
            .iter()
            .map(|&rows| self.seconds(view, &all, rows))
            .collect();
        let seconds = |worker: usize, rows| {
            let size = sizes.binary_search(&rows).unwrap_or(0);
            table.get(size).map_or(1.0, |seconds| seconds[worker])
        };
        let lead = |worker| throughput::lead(view, worker);
        longest_first(view, &Costs { lead, seconds })
    }

    fn note(&mut self, record: &Record) {
        self.records.push_back(*record);
        self.seen += 1;
        self.learn();
    }

    fn predicted(&mut self, view: &View<'_>, worker: usize, rows: u32) -> Option<f64> {
        self.seconds(view, &[worker], rows).first().copied()
    }

    fn records(&self) -> Vec<Record> {
        self.records.iter().copied().collect()
    }
}

/// What the network sees of a shard.
const FEATURES: usize = 8;

/// Logarithm of the running mean of seconds a row.
const RECENT: usize = 7;

fn features(record: &Record) -> [f64; FEATURES] {
    let (gpu, software, threads) = match record.device {
        DeviceKind::Cpu { threads } => (0.0, 0.0, f64::from(threads.max(1))),
        DeviceKind::Gpu => (1.0, 0.0, 1.0),
        DeviceKind::SoftwareGpu => (0.0, 1.0, 1.0),
    };
    let log = |value: f64| value.max(1e-12).ln();
    [
        gpu,
        software,
        log(threads),
        log(record.shape.flops.max(1.0)),
        log(record.shape.parameters.max(1.0)),
        log(f64::from(record.rows.max(1))),
        log(record.load),
        record.recent.map_or(0.0, log),
    ]
}

/// A trained network, and what its numbers are scaled by.
struct Fitted {
    backend: CpuBackend<f32>,
    program: ProgramId,
    inputs: [Known; FEATURES],
    target: Known,
}

/// Rows that are answered at a time.
const BATCH: usize = 64;

/// Mean and deviation; of values that are all the same, a deviation of 1.
fn moments(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    [mean, if deviation > 1e-9 { deviation } else { 1.0 }]
}

fn scaled(value: f64, [mean, deviation]: [f64; 2]) -> f32 {
    ((value - mean) / deviation) as f32
}

/// Deviations from the mean that an input shows at most.
const FURTHEST: f32 = 3.0;

/// What the network knows of an input: where its values lie.
#[derive(Clone, Copy)]
struct Known {
    moments: [f64; 2],
    least: f64,
    most: f64,
}

impl Known {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        Known {
            moments: moments(values.clone()),
            least: values.clone().fold(f64::INFINITY, f64::min),
            most: values.fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// As the network sees a value. One beyond all that was seen tells it nothing, and is the mean.
    fn scaled(&self, value: f64) -> f32 {
        if self.least <= value && value <= self.most {
            scaled(value, self.moments).clamp(-FURTHEST, FURTHEST)
        } else {
            0.0
        }
    }
}

/// Logarithm of the seconds that a row takes by its worker's running mean.
fn usual(features: &[f64; FEATURES]) -> f64 {
    features[RECENT]
}

impl Fitted {
    /// Learns how many rows of its worker's running mean a shard takes as long as, as a logarithm: so a worker that becomes slower is
    /// seen as soon as its mean shows it.
    fn new(records: &[Record]) -> Result<Self, String> {
        let records: Vec<Record> = records
            .iter()
            .filter(|record| record.recent.is_some() && record.seconds > 0.0)
            .copied()
            .collect();
        if records.len() < FIRST / 2 {
            return Err(format!("{} records are too few", records.len()));
        }
        let rows: Vec<[f64; FEATURES]> = records.iter().map(features).collect();
        let inputs: [Known; FEATURES] =
            std::array::from_fn(|k| Known::of(rows.iter().map(|row| row[k])));
        let longer: Vec<f64> = records
            .iter()
            .zip(&rows)
            .map(|(record, row)| record.seconds.ln() - usual(row))
            .collect();
        let target = Known::of(longer.iter().copied());
        let each = rows.iter().flatten().zip(inputs.iter().cycle());
        let encoded = Matrix {
            rows: rows.len(),
            columns: FEATURES,
            values: each.map(|(&value, known)| known.scaled(value)).collect(),
        };
        let wanted = Matrix {
            rows: rows.len(),
            columns: 1,
            values: longer
                .iter()
                .map(|&value| scaled(value, target.moments))
                .collect(),
        };
        let network = Network::new(FEATURES, &[16], Activation::Tanh, 1, Activation::Identity);
        let trained = fit(&network, &encoded, &wanted).map_err(|error| error.to_string())?;
        let (backend, program) = ready(&network, &trained).map_err(|error| error.to_string())?;
        Ok(Fitted {
            backend,
            program,
            inputs,
            target,
        })
    }

    /// Seconds: the running mean's, longer or shorter by no more than was ever seen.
    fn answer(
        &mut self,
        rows: impl Iterator<Item = [f64; FEATURES]>,
    ) -> Result<Vec<f64>, BackendError> {
        let rows: Vec<[f64; FEATURES]> = rows.collect();
        let each = rows.iter().flatten().zip(self.inputs.iter().cycle());
        let values: Vec<f32> = each.map(|(&value, known)| known.scaled(value)).collect();
        let mut means = rows.iter().map(usual);
        let mut answers = Vec::with_capacity(values.len() / FEATURES);
        for chunk in values.chunks(BATCH * FEATURES) {
            let rows = chunk.len() / FEATURES;
            self.backend.write(buffer::INPUTS, 0, 0, Data::F32(chunk))?;
            let step = Step {
                rows: rows as u32,
                ..Step::default()
            };
            self.backend.run(self.program, &[step])?;
            let [mean, deviation] = self.target.moments;
            for output in self.backend.read(buffer::OUTPUTS, 0, 0, rows)? {
                let longer = f64::from(output) * deviation + mean;
                let usual = means.next().unwrap_or_default();
                answers.push((usual + longer.clamp(self.target.least, self.target.most)).exp());
            }
        }
        Ok(answers)
    }
}

fn fit(
    network: &Network,
    inputs: &Matrix,
    targets: &Matrix,
) -> Result<Weights, crate::train::TrainError> {
    let all: Vec<u32> = (0..inputs.rows as u32).collect();
    let epochs = 1000_usize.div_ceil(inputs.rows.div_ceil(32));
    let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
    let options = Options {
        schedule: Schedule {
            curve: Curve::Cosine { cycles: 1 },
            ..Schedule::default()
        },
        ..Options::plain(loss, Optimizer::ADAM, 32, epochs)
    };
    let member = Member {
        weights: initialize(network, Initializer::Auto, 1),
        hyper: Hyper {
            learning_rate: 0.01,
            ..Hyper::default()
        },
        seed: 1,
    };
    let parts = [Parts {
        train: &all,
        validation: &[],
        test: &[],
    }];
    let rows = Rows {
        inputs,
        targets,
        parts: &parts,
    };
    let mut backend = CpuBackend::<f32>::new();
    let mut watch = |_: crate::train::Event<'_>| ControlFlow::Continue(());
    let outcome = train(&mut backend, network, &[member], rows, &options, &mut watch)?;
    Ok(outcome
        .members
        .into_iter()
        .next()
        .map_or(Weights(Vec::new()), |member| member.weights))
}

/// The network on a backend of its own.
fn ready(
    network: &Network,
    weights: &Weights,
) -> Result<(CpuBackend<f32>, ProgramId), BackendError> {
    let capacity = Capacity {
        members: 1,
        batch: BATCH,
        rows: BATCH,
        order: BATCH,
        records: 1,
    };
    let mut backend = CpuBackend::new();
    let program = Program::inference(network, Link::Identity, capacity).fused();
    let compiled = backend.compile(&program)?;
    for (parameter, values) in network.parameters().iter().zip(&weights.0) {
        let offset = program
            .tensor(&parameter.name)
            .map_or(0, |tensor| tensor.offset);
        backend.write(buffer::PARAMETERS, 0, offset, Data::F32(values))?;
    }
    let order: Vec<u32> = (0..BATCH as u32).collect();
    backend.write(buffer::ORDER, 0, 0, Data::U32(&order))?;
    Ok((backend, compiled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elastic::policy::{Shape, Stats, Worker};

    /// A device whose time for a shard is an overhead and a rate, which a running mean over shards of one size does not tell
    /// apart.
    fn record(rows: u32) -> Record {
        Record {
            device: DeviceKind::Gpu,
            shape: Shape {
                flops: 1e6,
                parameters: 1e4,
            },
            rows,
            load: 1.0,
            recent: Some(1.5e-4),
            seconds: 0.01 + 1e-4 * f64::from(rows),
        }
    }

    #[test]
    fn an_overhead_is_learned_where_a_rate_alone_is_wrong() {
        let mut policy = Learned::new();
        (0..512).for_each(|n| policy.note(&record(1 + n * 37 % 256)));
        let workers = [Worker {
            id: 0,
            device: DeviceKind::Gpu,
            live: true,
            weight: 1.0,
            stats: Stats {
                rate: Some(1.0 / 1.5e-4),
                ..Stats::default()
            },
        }];
        let view = View {
            step: 0,
            shape: record(1).shape,
            workers: &workers,
            shards: &[],
            load: 1.0,
        };
        let mut slow = workers;
        slow[0].stats.rate = Some(1.0 / 6e-4);
        let slowed = View {
            workers: &slow,
            ..view
        };
        for rows in [8, 64, 200] {
            let predicted = policy.predicted(&view, 0, rows).expect("it predicts");
            let truth = record(rows).seconds;
            assert!(
                (predicted / truth - 1.0).abs() < 0.1,
                "{rows}: {predicted} for {truth}"
            );
            // Never seen so slow before, and yet known at once.
            let slower = policy.predicted(&slowed, 0, rows).expect("it predicts");
            let ratio = slower / predicted;
            assert!((ratio - 4.0).abs() < 0.4, "{rows}: {ratio} times as long");
        }
        assert_eq!(policy.records().len(), 512);
    }

    #[test]
    fn what_is_learned_of_noise_is_not_said_of_a_worker_that_becomes_slower() {
        // Means stray by a tenth from what shards take all the same: the lower they are, the more of them a shard is.
        let mut policy = Learned::new();
        let each = 1e-3;
        for n in 0..512 {
            let strayed = (f64::from(n) * 2.4).sin() * 0.1;
            policy.note(&Record {
                recent: Some(each * strayed.exp()),
                seconds: 64.0 * each,
                ..record(64)
            });
        }
        let worker = |each: f64| Worker {
            id: 0,
            device: DeviceKind::Gpu,
            live: true,
            weight: 1.0,
            stats: Stats {
                rate: Some(1.0 / each),
                ..Stats::default()
            },
        };
        for (now, expected) in [(1.1 * each, each), (4.0 * each, 4.0 * each)] {
            let view = View {
                step: 0,
                shape: record(64).shape,
                workers: &[worker(now)],
                shards: &[],
                load: 1.0,
            };
            let predicted = policy.predicted(&view, 0, 64).expect("it predicts");
            let ratio = predicted / (64.0 * expected);
            assert!((ratio - 1.0).abs() < 0.03, "{now}: {ratio} times as long");
        }
    }
}
