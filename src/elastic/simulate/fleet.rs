use rand_distr::{Distribution, LogNormal, Normal, Uniform, Weibull};

use super::{Outcome, ROWS, Scheduling, Setup};
use crate::elastic::crew::Crew;
use crate::elastic::crowd::Crowd;
use crate::elastic::policy::{DeviceKind, PolicyName, Shape, Shard, Stats, Worker};
use crate::elastic::tree::Node;
use crate::random::{Purpose, Stream};

/// Schroeder and Gibson fit shapes from 0.7 to 0.8 to the times between failures: the longer a machine has run, the longer it
/// will.
const SHAPE: f64 = 0.7;

/// σ of the logarithm of repair times: they report a mean of 355 minutes and a median of 54, and exp(σ²/2) is the ratio of
/// the two.
const REPAIR_SIGMA: f64 = 1.94;

/// Workers as they are drawn.
pub(super) struct Fleet {
    pub(super) machines: Vec<Machine>,
    /// When each comes for the first time.
    pub(super) joins: Vec<f64>,
    pub(super) crew: Crew,
    pub(super) crowd: Crowd,
    pub(super) shards: Vec<Shard>,
    /// Seconds spent on shards, and those of them that counted.
    pub(super) spent: f64,
    pub(super) useful: f64,
    pub(super) failures: u64,
    pub(super) messages: u64,
}

/// One virtual worker.
pub(super) struct Machine {
    stream: Stream,
    /// Of a worker of middle speed, 1.
    speed: f64,
    slows_at: f64,
    alive_since: Option<f64>,
    /// Whether it is there, as far as that is known to whoever gives out shards; it may stand by.
    pub(super) there: bool,
    /// Rows that it could have computed while it was alive.
    potential: f64,
    /// Counts its lives, so that what belongs to an earlier one is known.
    pub(super) life: u32,
}

impl Machine {
    /// How many times as long as one of middle speed it takes for something begun now.
    fn slowness(&self, now: f64) -> f64 {
        let slow = if now >= self.slows_at { 4.0 } else { 1.0 };
        slow / self.speed
    }
}

impl Fleet {
    pub(super) fn new(setup: &Setup, workers: usize) -> Self {
        let horizon = setup.steps as f64 * f64::from(setup.shards_per_worker) * setup.shard_time;
        let some_time = |stream: &mut Stream| {
            let moment = Uniform::new(0.0, horizon.max(1e-9));
            moment.map_or(0.0, |moment| moment.sample(stream))
        };
        // The first workers of a random order: exactly the share that is asked for.
        let chosen = |share: f64, salt: u32| {
            let mut order: Vec<u32> = (0..workers as u32).collect();
            crate::random::shuffle(&mut order, setup.seed, Purpose::Simulation, u32::MAX - salt);
            order.truncate((share * workers as f64).round() as usize);
            let mut is_chosen = vec![false; workers];
            for worker in order {
                is_chosen[worker as usize] = true;
            }
            is_chosen
        };
        let slowed = chosen(setup.slowed, 0);
        let mut late = chosen(setup.joining, 1);
        // Somebody has to begin.
        if late.iter().all(|&late| late)
            && let Some(first) = late.first_mut()
        {
            *first = false;
        }
        let mut fleet = Fleet {
            machines: Vec::new(),
            joins: Vec::new(),
            crew: Crew::new(
                Vec::new(),
                Shape {
                    flops: 1e6,
                    parameters: setup.gradient / 4.0,
                },
                1.0,
            ),
            crowd: Crowd::new(0),
            shards: (0..workers as u32 * setup.shards_per_worker)
                .map(|number| Shard { number, rows: ROWS })
                .collect(),
            spent: 0.0,
            useful: 0.0,
            failures: 0,
            messages: 0,
        };
        for worker in 0..workers {
            let mut stream = Stream::new(setup.seed, Purpose::Simulation, worker as u32);
            let speed = normal(setup.spread, &mut stream).exp();
            let (slow, join) = (some_time(&mut stream), some_time(&mut stream));
            fleet.machines.push(Machine {
                stream,
                speed,
                slows_at: if slowed[worker] { slow } else { f64::INFINITY },
                alive_since: None,
                there: false,
                potential: 0.0,
                life: 0,
            });
            fleet.joins.push(if late[worker] { join } else { 0.0 });
            fleet.crew.workers.push(Worker {
                id: worker as u32,
                device: DeviceKind::Gpu,
                live: false,
                // What somebody who knows the machines would give by hand.
                weight: speed,
                stats: Stats::default(),
            });
        }
        fleet
    }

    /// Seconds that a worker takes for a shard begun now.
    pub(super) fn draw(&mut self, setup: &Setup, worker: usize, now: f64) -> f64 {
        let machine = &mut self.machines[worker];
        let noise = normal(setup.noise, &mut machine.stream).exp();
        setup.shard_time * noise * machine.slowness(now)
    }

    /// Seconds that a worker takes for an update begun now.
    pub(super) fn update(&self, setup: &Setup, worker: usize, now: f64) -> f64 {
        setup.update * self.machines[worker].slowness(now)
    }

    /// The same for shards that are run together.
    pub(super) fn draw_all(&mut self, setup: &Setup, worker: usize, node: Node, now: f64) -> f64 {
        let shards = node.range(self.shards.len() as u32);
        shards.map(|_| self.draw(setup, worker, now)).sum()
    }

    /// A worker comes, or comes back. Returns when it fails.
    pub(super) fn comes(&mut self, setup: &Setup, worker: usize, now: f64) -> Option<f64> {
        let machine = &mut self.machines[worker];
        machine.alive_since = Some(now);
        machine.life += 1;
        if setup.mtbf <= 0.0 {
            return None;
        }
        let scale = setup.mtbf / libm::tgamma(1.0 + 1.0 / SHAPE);
        let lives = Weibull::new(scale, SHAPE).ok()?;
        Some(now + lives.sample(&mut machine.stream))
    }

    /// A worker fails. Returns when it is back.
    pub(super) fn fails(&mut self, setup: &Setup, worker: usize, now: f64) -> f64 {
        self.failures += 1;
        self.stops(setup, worker, now);
        let machine = &mut self.machines[worker];
        let away = LogNormal::new(setup.repair.ln(), REPAIR_SIGMA);
        now + away.map_or(setup.repair, |away| away.sample(&mut machine.stream))
    }

    pub(super) fn is_alive(&self, worker: usize) -> bool {
        self.machines[worker].alive_since.is_some()
    }

    /// Workers that are there, whether they work or stand by.
    pub(super) fn there(&self) -> Vec<usize> {
        let workers = 0..self.machines.len();
        workers
            .filter(|&worker| self.machines[worker].there)
            .collect()
    }

    /// Of those who are there as many work as help.
    pub(super) fn choose(&mut self) {
        let there = self.there();
        self.crowd.choose(&there, &mut self.crew);
    }

    /// A worker is there no longer.
    pub(super) fn gone(&mut self, worker: usize) {
        self.machines[worker].there = false;
        self.crew.workers[worker].live = false;
    }

    fn stops(&mut self, setup: &Setup, worker: usize, now: f64) {
        let machine = &mut self.machines[worker];
        if let Some(since) = machine.alive_since.take() {
            let fast = machine.slows_at.clamp(since, now) - since;
            let slow = now - machine.slows_at.clamp(since, now);
            let rows = machine.speed * f64::from(ROWS) / setup.shard_time;
            machine.potential += rows * (fast + slow / 4.0);
        }
    }

    pub(super) fn outcome(
        mut self,
        setup: &Setup,
        (scheduling, policy): (Scheduling, PolicyName),
        (seconds, busy): (f64, f64),
    ) -> Outcome {
        let workers = self.machines.len();
        (0..workers).for_each(|worker| self.stops(setup, worker, seconds));
        let potential: f64 = self.machines.iter().map(|machine| machine.potential).sum();
        let rows = setup.steps as f64 * self.shards.len() as f64 * f64::from(ROWS);
        Outcome {
            workers,
            used: self.crew.used(),
            scheduling,
            policy,
            seconds,
            steps_per_second: setup.steps as f64 / seconds,
            goodput: rows / potential,
            lost: (1.0 - self.useful / self.spent).max(0.0),
            busy: (busy / seconds).min(1.0),
            failures: self.failures,
            messages_per_step: self.messages as f64 / setup.steps as f64,
        }
    }
}

/// Notes what shards took that were run together, where none of them was run before.
pub(super) fn note_first(times: &mut [f64], node: Node, seconds: f64) {
    let shards = node.range(times.len() as u32);
    let each = seconds / shards.len().max(1) as f64;
    for shard in shards {
        let time = &mut times[shard as usize];
        *time = if *time == 0.0 { each } else { *time };
    }
}

fn normal(deviation: f64, stream: &mut Stream) -> f64 {
    Normal::new(0.0, deviation).map_or(0.0, |normal| normal.sample(stream))
}
