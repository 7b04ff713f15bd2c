//! A coordinator deals with one message at a time; workers wait for it.

use super::alone::Lease;
use super::clock::Clock;
use super::fleet::{Fleet, note_first};
use super::{Outcome, Scheduling, Setup};
use crate::elastic::bench::Bench;
use crate::elastic::policy::{Policy, PolicyName};
use crate::elastic::round::{Order, Round};
use crate::elastic::tree::Node;

pub(super) enum Event {
    /// An order reaches its worker, in this life of it and for this step.
    Order(Order, u32, u64),
    /// A worker has run shards.
    Shards {
        worker: usize,
        life: u32,
        step: u64,
        node: Node,
        seconds: f64,
    },
    /// Something reaches the coordinator, which may be busy.
    Arrives(usize, u32, Report),
    /// The coordinator turns to it.
    Handled(usize, u32, Report),
    /// The only worker has made some steps.
    Made(Lease),
    Fails(usize, u32),
    Joins(usize),
}

#[derive(Clone)]
pub(super) enum Report {
    Ran {
        step: u64,
        shards: Option<(Node, f64)>,
        sums: Vec<Node>,
    },
    /// Steps were made, and ended then.
    Made(f64),
    Here,
    Gone,
}

/// What a worker is at.
pub(super) struct Desk {
    bench: Bench<()>,
    step: u64,
    /// What is under way: when it was begun.
    pub(super) began: Option<f64>,
    /// When its connection is free.
    link: f64,
    /// When it has updated its weights.
    updated: f64,
}

pub(super) struct Central<'a> {
    pub(super) setup: &'a Setup,
    pub(super) fleet: Fleet,
    pub(super) policy: Box<dyn Policy>,
    pub(super) clock: Clock<Event>,
    pub(super) desks: Vec<Desk>,
    round: Option<Round<()>>,
    /// Steps that a worker makes alone meanwhile.
    pub(super) leased: Option<Lease>,
    /// Seconds a step of those before.
    pub(super) alone: Option<f64>,
    pub(super) step: u64,
    /// When it was begun.
    since: f64,
    /// Seconds of each shard's first run in this step.
    times: Vec<f64>,
    free: f64,
    busy: f64,
    pub(super) end: f64,
}

pub(super) fn run(setup: &Setup, fleet: Fleet, name: PolicyName) -> Option<Outcome> {
    let shards = fleet.shards.len() as u32;
    let desks = fleet.machines.iter().map(|_| Desk {
        bench: Bench::new(shards),
        step: 0,
        began: None,
        link: 0.0,
        updated: 0.0,
    });
    let mut central = Central {
        setup,
        desks: desks.collect(),
        policy: name.policy(Vec::new()),
        clock: Clock::new(),
        round: None,
        leased: None,
        alone: None,
        step: 0,
        since: 0.0,
        times: vec![0.0; shards as usize],
        free: 0.0,
        busy: 0.0,
        end: 0.0,
        fleet,
    };
    for worker in 0..central.desks.len() {
        let join = central.fleet.joins[worker];
        if join > 0.0 {
            central.clock.at(join, Event::Joins(worker));
            continue;
        }
        if let Some(fails) = central.fleet.comes(setup, worker, 0.0) {
            central.clock.at(fails, Event::Fails(worker, 1));
        }
        central.fleet.machines[worker].there = true;
    }
    central.begin(0.0);
    while central.step < setup.steps {
        let (now, event) = central.clock.next()?;
        central.happens(now, event);
    }
    let times = (central.end, central.busy);
    Some(
        central
            .fleet
            .outcome(setup, (Scheduling::Central, name), times),
    )
}

impl Central<'_> {
    /// Gives out a step's shards, if there is somebody to take them; several steps to one who is alone.
    pub(super) fn begin(&mut self, now: f64) {
        if self.step == self.setup.steps {
            return;
        }
        self.fleet.choose();
        if let Some(worker) = self.lonely() {
            return self.lease(now, worker);
        }
        self.since = now;
        let shards = self.fleet.shards.clone();
        let crew = &mut self.fleet.crew;
        if let Some((round, orders)) =
            Round::new(self.step, shards, |_| false, crew, &mut *self.policy, now)
        {
            self.round = Some(round);
            self.send(orders, now);
        }
    }

    /// The coordinator is at work for some time. Returns when it is done.
    pub(super) fn works(&mut self, now: f64, seconds: f64) -> f64 {
        self.free = self.free.max(now) + seconds;
        self.busy += seconds;
        self.fleet.messages += 1;
        self.free
    }

    fn send(&mut self, orders: Vec<Order>, now: f64) {
        for order in orders {
            let (Order::Run { worker, .. } | Order::Skip { worker, .. }) = order;
            let life = self.fleet.machines[worker].life;
            let sent = self.works(now, self.setup.message);
            self.clock.at(
                sent + self.setup.delay,
                Event::Order(order, life, self.step),
            );
        }
    }

    fn happens(&mut self, now: f64, event: Event) {
        match event {
            Event::Order(order, life, step) => self.obeys(now, order, life, step),
            Event::Shards {
                worker,
                life,
                step,
                node,
                seconds,
            } => {
                if self.fleet.machines[worker].life == life && self.fleet.is_alive(worker) {
                    self.ran(now, worker, step, node, seconds);
                }
            }
            Event::Arrives(worker, life, report) => {
                let sums = match &report {
                    Report::Ran { sums, .. } => sums.len() as f64,
                    _ => 0.0,
                };
                let adding = sums * self.setup.gradient / self.setup.summing;
                let done = self.works(now, self.setup.message + adding);
                self.clock.at(done, Event::Handled(worker, life, report));
            }
            Event::Handled(worker, life, report) => self.handles(now, worker, life, report),
            Event::Made(lease) => self.made(now, lease),
            Event::Fails(worker, life) => {
                if self.fleet.machines[worker].life != life {
                    return;
                }
                if let Some(began) = self.desks[worker].began.take() {
                    self.fleet.spent += (now - began).max(0.0);
                }
                let back = self.fleet.fails(self.setup, worker, now);
                let noticed = now + self.setup.notice;
                self.clock
                    .at(noticed, Event::Arrives(worker, life, Report::Gone));
                self.clock.at(back.max(noticed), Event::Joins(worker));
            }
            Event::Joins(worker) => {
                let fails = self.fleet.comes(self.setup, worker, now);
                let life = self.fleet.machines[worker].life;
                if let Some(fails) = fails {
                    self.clock.at(fails, Event::Fails(worker, life));
                }
                let shards = self.fleet.shards.len() as u32;
                self.desks[worker] = Desk {
                    bench: Bench::new(shards),
                    step: 0,
                    began: None,
                    link: now,
                    updated: now,
                };
                let there = now + self.setup.delay;
                self.clock
                    .at(there, Event::Arrives(worker, life, Report::Here));
            }
        }
    }

    /// A worker takes an order.
    fn obeys(&mut self, now: f64, order: Order, life: u32, step: u64) {
        let (Order::Run { worker, .. } | Order::Skip { worker, .. }) = order;
        if self.fleet.machines[worker].life != life || !self.fleet.is_alive(worker) {
            return;
        }
        let desk = &mut self.desks[worker];
        if desk.step != step {
            desk.bench = Bench::new(self.fleet.shards.len() as u32);
            desk.step = step;
        }
        match order {
            Order::Run { shards, .. } => {
                desk.bench.push(&shards, |_| false);
                if desk.began.is_none() {
                    self.starts(now, worker);
                }
            }
            Order::Skip { shards, .. } => {
                let sums = desk.bench.skip(&shards);
                if !sums.is_empty() {
                    self.reports(now, worker, step, None, sums);
                }
            }
        }
    }

    /// A worker begins with its next shards.
    fn starts(&mut self, now: f64, worker: usize) {
        let desk = &mut self.desks[worker];
        desk.began = None;
        if let Some(node) = desk.bench.begin() {
            let begins = now.max(desk.updated);
            desk.began = Some(begins);
            let step = desk.step;
            let seconds = self.fleet.draw_all(self.setup, worker, node, begins);
            let life = self.fleet.machines[worker].life;
            self.clock.at(
                begins + seconds,
                Event::Shards {
                    worker,
                    life,
                    step,
                    node,
                    seconds,
                },
            );
        }
    }

    /// A worker has run shards.
    fn ran(&mut self, now: f64, worker: usize, step: u64, node: Node, seconds: f64) {
        self.fleet.spent += seconds;
        let desk = &mut self.desks[worker];
        // In a step that is over meanwhile, the shards were run twice.
        if desk.step == step {
            let sums = desk.bench.ran(node, ());
            self.reports(now, worker, step, Some((node, seconds)), sums);
        }
        self.starts(now, worker);
    }

    /// A worker tells of shards, and of sums that are done.
    fn reports(
        &mut self,
        now: f64,
        worker: usize,
        step: u64,
        shards: Option<(Node, f64)>,
        sums: Vec<(Node, ())>,
    ) {
        let sums: Vec<Node> = sums.into_iter().map(|(node, ())| node).collect();
        let desk = &mut self.desks[worker];
        let sending = sums.len() as f64 * self.setup.gradient / self.setup.bandwidth;
        desk.link = desk.link.max(now) + sending;
        let life = self.fleet.machines[worker].life;
        let report = Report::Ran { step, shards, sums };
        self.clock.at(
            desk.link + self.setup.delay,
            Event::Arrives(worker, life, report),
        );
    }

    fn handles(&mut self, now: f64, worker: usize, life: u32, report: Report) {
        let same_life = self.fleet.machines[worker].life == life;
        match report {
            Report::Ran { step, shards, sums } => {
                let Some(round) = self.round.as_mut().filter(|_| step == self.step) else {
                    return;
                };
                if let Some((node, seconds)) = shards {
                    note_first(&mut self.times, node, seconds);
                }
                for node in sums {
                    round.summed(node, ());
                }
                let (complete, mut orders) = (round.is_complete(), Vec::new());
                if let Some(ran) = shards
                    && same_life
                    && self.fleet.crew.workers[worker].live
                {
                    let crew = &mut self.fleet.crew;
                    orders = round.ran(worker, ran, crew, &mut *self.policy, now);
                }
                self.send(orders, now);
                if complete {
                    self.ends(now);
                }
            }
            Report::Made(end) => {
                if same_life {
                    self.takes_note(now, end);
                }
            }
            Report::Here => {
                if !same_life {
                    return;
                }
                self.fleet.machines[worker].there = true;
                // It gets the weights first.
                self.works(now, self.setup.gradient / self.setup.bandwidth);
                match &self.round {
                    // It takes part once those steps are made.
                    None if self.leased.is_some() => {}
                    None => self.begin(now),
                    // So it does here, unless nobody is at it any more.
                    Some(_) => self.again(None, now),
                }
            }
            Report::Gone => {
                self.fleet.gone(worker);
                if self
                    .leased
                    .take_if(|lease| lease.worker == worker)
                    .is_some()
                {
                    // Others begin with the same step.
                    self.begin(now);
                } else {
                    self.again(Some(worker), now);
                }
            }
        }
    }

    /// What nobody has of the step is given out, and what a worker had that is lost.
    fn again(&mut self, lost: Option<usize>, now: f64) {
        let Some(round) = &mut self.round else {
            return;
        };
        let there = self.fleet.there();
        let (crew, policy) = (&mut self.fleet.crew, &mut *self.policy);
        crew.call_in(&there);
        let orders = match lost {
            Some(worker) => round.lost(worker, crew, policy, now),
            None => round.again(crew, policy, now),
        };
        self.send(orders.unwrap_or_default(), now);
    }

    /// All shards are summed up: the sum goes to all workers, and the next step begins.
    fn ends(&mut self, now: f64) {
        self.fleet.useful += self.times.iter().sum::<f64>();
        self.times.fill(0.0);
        self.round = None;
        self.step += 1;
        let there = self.fleet.there();
        let each = self.setup.message + self.setup.gradient / self.setup.bandwidth;
        let sent = self.works(now, each * there.len() as f64);
        self.fleet.messages += there.len().saturating_sub(1) as u64;
        let arrived = sent + self.setup.delay;
        self.end = arrived;
        for worker in there {
            let begins = arrived.max(self.desks[worker].updated);
            let updated = begins + self.fleet.update(self.setup, worker, begins);
            self.desks[worker].updated = updated;
            self.end = self.end.max(updated);
        }
        self.fleet.crowd.steps(&[sent - self.since]);
        self.begin(sent);
    }
}
