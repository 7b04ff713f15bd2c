//! Workers that are each other's peers: each deals with one thing at a time, a shard or a letter.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clock::Clock;
use super::fleet::{Fleet, note_first};
use super::{Outcome, ROWS, Scheduling, Setup};
use crate::elastic::letter::{Call, Letter};
use crate::elastic::members::Members;
use crate::elastic::peer::Peer;
use crate::elastic::policy::{Policy, PolicyName, Ran};
use crate::elastic::slice::count;
use crate::elastic::tree::Node;

enum Event {
    Arrives {
        slice: u32,
        from: usize,
        letter: Letter<()>,
    },
    /// A member is done with what it was at, in this slice: shards, or nothing that counts.
    Free {
        slice: u32,
        rank: usize,
        shards: Option<(Node, f64)>,
    },
    Fails(usize, u32),
    Noticed {
        slice: u32,
        rank: usize,
    },
    Joins(usize),
    Slice,
}

struct Desk {
    worker: usize,
    /// Shards that it is given of each step.
    given: usize,
    peer: Peer<()>,
    inbox: VecDeque<(usize, u64, Call<()>)>,
    /// Since when it is at something.
    at_work: Option<(f64, bool)>,
    link: f64,
    there: bool,
    /// What each step of the slice took it, and when it began with the next.
    times: Vec<f64>,
    began: f64,
}

struct Distributed<'a> {
    setup: &'a Setup,
    fleet: Fleet,
    policy: Box<dyn Policy>,
    clock: Clock<Event>,
    slice: u32,
    /// First step of the slice, and of the next: members stay the same in between, but for those that are lost.
    steps: std::ops::Range<u64>,
    began: f64,
    /// Seconds a step of the last slice.
    pace: Option<f64>,
    desks: Vec<Desk>,
    /// Seconds of each shard's first run in the slice, by step.
    times: Vec<Vec<f64>>,
    /// Seconds that each worker spent on letters.
    busy: Vec<f64>,
    waits: bool,
    end: f64,
}

pub(super) fn run(setup: &Setup, fleet: Fleet, name: PolicyName) -> Option<Outcome> {
    let workers = fleet.machines.len();
    let mut peers = Distributed {
        setup,
        fleet,
        policy: name.policy(Vec::new()),
        clock: Clock::new(),
        slice: 0,
        steps: 0..0,
        began: 0.0,
        pace: None,
        desks: Vec::new(),
        times: Vec::new(),
        busy: vec![0.0; workers],
        waits: false,
        end: 0.0,
    };
    for worker in 0..workers {
        peers
            .clock
            .at(peers.fleet.joins[worker], Event::Joins(worker));
    }
    peers.clock.at(0.0, Event::Slice);
    while peers.steps.end < setup.steps || !peers.desks.is_empty() {
        let (now, event) = peers.clock.next()?;
        peers.happens(now, event);
    }
    let busiest = peers.busy.iter().copied().fold(0.0, f64::max);
    let times = (peers.end, busiest);
    Some(
        peers
            .fleet
            .outcome(setup, (Scheduling::Distributed, name), times),
    )
}

impl Distributed<'_> {
    fn happens(&mut self, now: f64, event: Event) {
        match event {
            Event::Slice => self.begin(now),
            Event::Arrives {
                slice,
                from,
                letter,
            } => {
                if slice == self.slice && self.desks[letter.to].there {
                    let desk = &mut self.desks[letter.to];
                    desk.inbox.push_back((from, letter.step, letter.call));
                    self.goes_on(now, letter.to);
                }
            }
            Event::Free {
                slice,
                rank,
                shards,
            } => {
                if slice == self.slice && self.desks[rank].there {
                    self.desks[rank].at_work = None;
                    if let Some((node, seconds)) = shards {
                        self.ran(now, rank, node, seconds);
                    }
                    self.goes_on(now, rank);
                }
            }
            Event::Fails(worker, life) => {
                if self.fleet.machines[worker].life == life {
                    self.fails(now, worker);
                }
            }
            Event::Noticed { slice, rank } => {
                if slice == self.slice {
                    for other in 0..self.desks.len() {
                        if self.desks[other].there && other != rank {
                            let letters = self.desks[other].peer.lost(rank);
                            self.post(now, other, letters);
                            self.goes_on(now, other);
                        }
                    }
                }
            }
            Event::Joins(worker) => {
                if let Some(fails) = self.fleet.comes(self.setup, worker, now) {
                    let life = self.fleet.machines[worker].life;
                    self.clock.at(fails, Event::Fails(worker, life));
                }
                self.fleet.machines[worker].there = true;
                if self.waits {
                    self.begin(now);
                }
            }
        }
    }

    /// The next steps begin with all who are there.
    fn begin(&mut self, now: f64) {
        self.slice += 1;
        self.desks.clear();
        self.fleet.choose();
        let workers = self.fleet.there();
        let Fleet { crew, shards, .. } = &mut self.fleet;
        let plan = crew.members(self.steps.end, shards, &workers, &mut *self.policy);
        self.waits = plan.is_none();
        let Some((members, tries)) = plan else {
            return;
        };
        let steps = count(self.pace, &self.fleet.crowd, tries) as u64;
        self.began = now;
        self.steps = self.steps.end..(self.steps.end + steps).min(self.setup.steps);
        self.times = vec![vec![0.0; self.fleet.shards.len()]; self.steps.clone().count()];
        let members: Arc<Members> = Arc::new(members);
        let told = now + 2.0 * self.setup.delay;
        for (rank, worker) in workers.into_iter().enumerate() {
            self.fleet.messages += 2;
            let told = told + rank as f64 * self.setup.message;
            self.desks.push(Desk {
                worker,
                given: members.given(rank),
                peer: Peer::new(Arc::clone(&members), rank, self.steps.start, false),
                inbox: VecDeque::new(),
                at_work: Some((told, false)),
                link: told,
                there: true,
                times: Vec::new(),
                began: told,
            });
            let slice = self.slice;
            self.clock.at(
                told,
                Event::Free {
                    slice,
                    rank,
                    shards: None,
                },
            );
        }
    }

    /// What a member takes for a shard, as it knows itself.
    fn each(&self, rank: usize) -> f64 {
        let rate = self.fleet.crew.workers[self.desks[rank].worker].stats.rate;
        rate.map_or(self.setup.shard_time, |rate| f64::from(ROWS) / rate)
    }

    fn post(&mut self, now: f64, rank: usize, letters: Vec<Letter<()>>) {
        for letter in letters {
            let desk = &mut self.desks[rank];
            let bytes = match letter.call {
                Call::Part { .. } | Call::Total { .. } => self.setup.gradient,
                Call::Steal { .. } | Call::Give { .. } | Call::At => 0.0,
            };
            desk.link = desk.link.max(now) + bytes / self.setup.bandwidth;
            let arrives = desk.link + self.setup.delay;
            self.fleet.messages += 1;
            let (slice, from) = (self.slice, rank);
            self.clock.at(
                arrives,
                Event::Arrives {
                    slice,
                    from,
                    letter,
                },
            );
        }
    }

    /// A member is busy for a time, with letters.
    fn works(&mut self, now: f64, rank: usize, seconds: f64) {
        let desk = &mut self.desks[rank];
        desk.at_work = Some((now, false));
        self.busy[desk.worker] += seconds;
        let slice = self.slice;
        self.clock.at(
            now + seconds,
            Event::Free {
                slice,
                rank,
                shards: None,
            },
        );
    }

    /// A member that is at nothing takes the next thing.
    fn goes_on(&mut self, now: f64, rank: usize) {
        let each = self.each(rank);
        let desk = &mut self.desks[rank];
        if desk.at_work.is_some() || !desk.there {
            return;
        }
        if desk.peer.is_behind() {
            self.leaves(now, rank);
            return;
        }
        if let Some((from, step, call)) = desk.inbox.pop_front() {
            let adding = match call {
                Call::Part { .. } => self.setup.gradient / self.setup.summing,
                _ => 0.0,
            };
            let letters = desk.peer.hear(from, step, call, each);
            let seconds = self.setup.message * (1 + letters.len()) as f64 + adding;
            self.post(now + seconds, rank, letters);
            self.works(now, rank, seconds);
        } else if desk.peer.step() < self.steps.end && desk.peer.total().is_some() {
            let letters = desk.peer.advance();
            let (worker, at_end) = (desk.worker, desk.peer.step() == self.steps.end);
            desk.at_work = Some((now, false));
            let update = self.fleet.update(self.setup, worker, now);
            self.fleet.crew.workers[worker].stats.led(update);
            let done = now + update;
            desk.times.push(done - desk.began);
            desk.began = done;
            self.post(done, rank, letters);
            let slice = self.slice;
            self.clock.at(
                done,
                Event::Free {
                    slice,
                    rank,
                    shards: None,
                },
            );
            if at_end {
                self.end = self.end.max(done);
                self.look(done);
            }
        } else if desk.peer.step() < self.steps.end {
            if let Some(node) = desk.peer.begin_shards() {
                let worker = desk.worker;
                desk.at_work = Some((now, true));
                let seconds = self.fleet.draw_all(self.setup, worker, node, now);
                let slice = self.slice;
                let shards = Some((node, seconds));
                let free = Event::Free {
                    slice,
                    rank,
                    shards,
                };
                self.clock.at(now + seconds, free);
            } else if let Some(letter) = desk.peer.ask(each) {
                self.post(now + self.setup.message, rank, vec![letter]);
                self.works(now, rank, self.setup.message);
            }
        }
    }

    fn ran(&mut self, now: f64, rank: usize, node: Node, seconds: f64) {
        self.fleet.spent += seconds;
        let desk = &mut self.desks[rank];
        let times = &mut self.times[(desk.peer.step() - self.steps.start) as usize];
        note_first(times, node, seconds);
        let letters = desk.peer.ran(node, ());
        let worker = desk.worker;
        let shards = node.range(self.fleet.shards.len() as u32).len();
        let ran = Ran::among_peers((shards, ROWS), seconds, desk.given);
        self.fleet.crew.note(worker, &ran, &mut *self.policy);
        self.post(now, rank, letters);
    }

    fn fails(&mut self, now: f64, worker: usize) {
        let back = self.fleet.fails(self.setup, worker, now);
        self.fleet.gone(worker);
        let noticed = now + self.setup.notice;
        self.clock.at(back.max(noticed), Event::Joins(worker));
        let rank = self
            .desks
            .iter()
            .position(|desk| desk.worker == worker && desk.there);
        if let Some(rank) = rank {
            let desk = &mut self.desks[rank];
            desk.there = false;
            if let Some((began, true)) = desk.at_work.take() {
                self.fleet.spent += now - began;
            }
            let slice = self.slice;
            self.clock.at(noticed, Event::Noticed { slice, rank });
            self.look(now);
        }
    }

    /// A member cannot follow, and waits for the next slice.
    fn leaves(&mut self, now: f64, rank: usize) {
        self.desks[rank].there = false;
        let slice = self.slice;
        self.clock
            .at(now + self.setup.delay, Event::Noticed { slice, rank });
        self.look(now);
    }

    /// Ends the slice when all who are there are at its end; without any, it begins again.
    fn look(&mut self, now: f64) {
        let (end, start) = (self.steps.end, self.steps.start);
        let mut there = self.desks.iter().filter(|desk| desk.there);
        if !there.all(|desk| desk.peer.step() == end) {
            return;
        }
        let first = self.desks.iter().find(|desk| desk.there);
        let survived = first.is_some();
        if let Some(first) = first {
            self.fleet.crowd.steps(&first.times);
            self.pace = Some((now - self.began) / (end - start) as f64);
        }
        self.steps = if survived { end..end } else { start..start };
        if survived {
            self.fleet.useful += self.times.iter().flatten().sum::<f64>();
        }
        self.desks.clear();
        self.slice += 1;
        if self.steps.end < self.setup.steps {
            self.clock.at(now, Event::Slice);
        }
    }
}
