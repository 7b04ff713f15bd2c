//! A worker among its peers: steps without a coordinator.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::awake::receive;
use super::letter::{Call, Letter};
use super::message::{Answer, Order, Reached, Slice};
use super::peer::Peer;
use super::sums::{Summed, Values};
use super::worker::{Outbox, Station, Stop, hash};

/// How long an idle member waits before it asks the next peer whether it is there.
const TICK: Duration = Duration::from_millis(10);

/// A member's part in a slice of steps.
pub(super) struct Member {
    slice: Slice,
    peer: Peer<Summed>,
    /// Peers found gone, by rank.
    gone: Vec<usize>,
    /// The peer that is asked whether it is there, and since when it has not answered.
    asked: Option<(usize, Instant)>,
    turn: usize,
    /// Running mean of seconds a shard.
    each: f64,
}

impl Member {
    fn new(slice: &Slice) -> Self {
        Member {
            // What is compared is run alone by both.
            peer: Peer::new(
                slice.members.clone(),
                slice.rank,
                slice.first,
                slice.verify > 0.0,
            ),
            slice: slice.clone(),
            gone: Vec::new(),
            asked: None,
            turn: 0,
            each: 0.0,
        }
    }

    /// Sends letters. A peer that cannot be reached is gone, which leads to more of them.
    fn post(&mut self, letters: Vec<Letter<Summed>>) {
        let mut letters: std::collections::VecDeque<_> = letters.into();
        while let Some(Letter { to, step, call }) = letters.pop_front() {
            let letter = Order::Letter {
                first: self.slice.first,
                from: self.slice.rank,
                step,
                call,
            };
            if self.slice.peers[to].send(letter).is_err() {
                letters.extend(self.lost(to));
            }
        }
    }

    /// Notes that a peer is gone, and tells the others.
    fn lost(&mut self, rank: usize) -> Vec<Letter<Summed>> {
        if rank == self.slice.rank || self.gone.contains(&rank) {
            return Vec::new();
        }
        self.gone.push(rank);
        if self.asked.is_some_and(|(asked, _)| asked == rank) {
            self.asked = None;
        }
        for (other, peer) in self.slice.peers.iter().enumerate() {
            if other != self.slice.rank && !self.gone.contains(&other) {
                // Who is gone too will be noticed in its turn.
                let _ = peer.send(Order::Gone {
                    first: self.slice.first,
                    rank,
                });
            }
        }
        self.peer.lost(rank)
    }

    /// Takes what is for this slice; what is not is of one that is over.
    pub(super) fn take(&mut self, order: Order) {
        match order {
            Order::Letter {
                first,
                from,
                step,
                call,
            } if first == self.slice.first => {
                if self.asked.is_some_and(|(asked, _)| asked == from) {
                    self.asked = None;
                }
                let letters = self.peer.hear(from, step, call, self.each);
                self.post(letters);
            }
            Order::Gone { first, rank } if first == self.slice.first => {
                let letters = self.lost(rank);
                self.post(letters);
            }
            _ => {}
        }
    }

    /// Nothing has come for a while: asks one peer after the other whether it is there, and gives up one that does not answer.
    fn tick(&mut self) {
        let patience = self.slice.limit.max(8.0 * self.each);
        match self.asked {
            Some((rank, since)) if since.elapsed().as_secs_f64() > patience => {
                let letters = self.lost(rank);
                self.post(letters);
            }
            Some(_) => {}
            None => {
                let count = self.slice.peers.len();
                self.turn = (self.turn + 1) % count;
                let rank = self.turn;
                if rank != self.slice.rank && !self.gone.contains(&rank) {
                    self.asked = Some((rank, Instant::now()));
                    // A thief that takes for ever gets nothing but an answer.
                    let call = Call::Steal {
                        each: f64::INFINITY,
                    };
                    let step = self.peer.step();
                    self.post(vec![Letter {
                        to: rank,
                        step,
                        call,
                    }]);
                }
            }
        }
    }
}

/// Runs those shards of others once more that it has to, before the step's weights are gone.
fn check(
    station: &mut Station,
    slice: &Slice,
    number: u64,
    outbox: &mut dyn Outbox,
) -> Result<(), Stop> {
    let parts = &slice.steps[(number - slice.first) as usize];
    for shard in slice.checked(number) {
        let (value, _) = station.gradient(slice.programs[0], &parts[shard as usize..][..1])?;
        let hash = hash(&value);
        outbox.send(Answer::Checked {
            number,
            shard,
            hash,
        })?;
    }
    Ok(())
}

/// Whether an order is of a slice.
fn is_of_slice(order: &Order) -> bool {
    matches!(order, Order::Letter { .. } | Order::Gone { .. })
}

/// Makes the steps of a slice. What is left of the member answers peers that are not done yet. Where something else is ordered before
/// the end, the pool waits for this member no longer: that is returned, too, to be done now.
pub(super) fn make(
    station: &mut Station,
    slice: &Slice,
    orders: &Receiver<Order>,
    outbox: &mut dyn Outbox,
) -> Result<(Member, Option<Order>), Stop> {
    let mut member = Member::new(slice);
    let end = slice.first + slice.steps.len() as u64;
    let [gradients, update] = slice.programs;
    let mut sound = true;
    let (mut times, mut began, mut updating) = (Vec::new(), Instant::now(), 0.0);
    while member.peer.step() < end && !member.peer.is_behind() {
        let step = &slice.steps[(member.peer.step() - slice.first) as usize];
        if let Some(sum) = member.peer.total().cloned() {
            sound = sum.sound;
            if !sound && slice.doubts {
                // All find the same, and none has updated its weights by it.
                break;
            }
            if let Some(last) = step.last() {
                check(station, slice, member.peer.step(), outbox)?;
                let start = Instant::now();
                station.update(update, gradients, last, step.len() as u32, &sum.total)?;
                updating += start.elapsed().as_secs_f64();
            }
            drop(sum);
            let letters = member.peer.advance();
            member.post(letters);
            times.push(began.elapsed().as_secs_f64());
            began = Instant::now();
            continue;
        }
        loop {
            match orders.try_recv() {
                Ok(Order::Leave(why)) => return Err(why.into()),
                Ok(order) if is_of_slice(&order) => member.take(order),
                Ok(order) => return Ok((member, Some(order))),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(Stop::Closed),
            }
        }
        if member.peer.total().is_some() || member.peer.is_behind() {
            continue;
        }
        if let Some(node) = member.peer.begin_shards() {
            let start = Instant::now();
            let shards = node.range(step.len() as u32);
            let step = &step[shards.start as usize..shards.end as usize];
            let (value, finite) = station.gradient(gradients, step)?;
            let records = station.records(gradients, step)?;
            let seconds = start.elapsed().as_secs_f64();
            let each = seconds / step.len().max(1) as f64;
            let hashed = slice.is_sampled(member.peer.step(), node.first());
            let hash = hashed.then(|| hash(&value));
            let before = if member.each > 0.0 { member.each } else { each };
            member.each = before + 0.3 * (each - before);
            let value = Values::new(value);
            if slice.verify == 0.0 {
                // Its memory serves again. Shards that are run alone are many: they are added up where nobody else holds them.
                station.keep([&value].into_iter());
            }
            let value = Summed::new(value, finite);
            outbox.send(Answer::Shards {
                number: member.peer.step(),
                node,
                seconds,
                records,
                hash,
                sums: Vec::new(),
                sound: value.sound,
            })?;
            let letters = member.peer.ran(node, value);
            member.post(letters);
        } else if slice.verify == 0.0
            && let Some(letter) = member.peer.ask(member.each)
        {
            member.post(vec![letter]);
        } else {
            match receive(orders, TICK) {
                Ok(Order::Leave(why)) => return Err(why.into()),
                Ok(order) if is_of_slice(&order) => member.take(order),
                Ok(order) => return Ok((member, Some(order))),
                Err(RecvTimeoutError::Timeout) => member.tick(),
                Err(RecvTimeoutError::Disconnected) => return Err(Stop::Closed),
            }
        }
    }
    outbox.send(Answer::Reached(Reached {
        step: member.peer.step(),
        gone: member.gone.clone(),
        sound,
        times,
        updating,
        counts: member.peer.counts(),
    }))?;
    Ok((member, None))
}
