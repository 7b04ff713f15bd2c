use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

fn leaf(step: u64, shard: u32) -> Vec<f32> {
    let x = ((shard + 3 * step as u32) as f32 * 1.618).sin() * 10_f32.powi(shard as i32 % 7 - 3);
    vec![x, 1.0 / (x + 0.1)]
}

fn whole(step: u64, shards: u32) -> Vec<f32> {
    let mut sum = Sum::new(shards);
    (0..shards).for_each(|shard| sum.insert(Node::leaf(shard), leaf(step, shard)));
    sum.total().expect("all shards are in it")
}

/// What is on its way from one to another: steps and calls.
type Mail = VecDeque<(u64, Call<Vec<f32>>)>;

/// Members whose letters arrive in order between two of them, and otherwise whenever it is their turn.
struct Net {
    peers: Vec<Peer<Vec<f32>>>,
    dead: Vec<bool>,
    letters: BTreeMap<(usize, usize), Mail>,
    /// Who has not been told yet that somebody is gone.
    news: Vec<(usize, usize)>,
    totals: Vec<Vec<Vec<f32>>>,
    /// How many could not follow.
    behind: usize,
}

impl Net {
    fn post(&mut self, from: usize, letters: Vec<Letter<Vec<f32>>>) {
        for Letter { to, step, call } in letters {
            self.letters
                .entry((from, to))
                .or_default()
                .push_back((step, call));
        }
    }

    fn kill(&mut self, dead: usize) {
        self.dead[dead] = true;
        self.letters.retain(|&(_, to), _| to != dead);
        let others = (0..self.peers.len()).filter(|&peer| !self.dead[peer]);
        self.news.extend(others.map(|peer| (peer, dead)));
    }

    /// One thing happens, which of them `turn` says. Returns whether anything could.
    fn happen(&mut self, turn: usize, steps: u64) -> bool {
        let live: Vec<usize> = (0..self.peers.len())
            .filter(|&peer| !self.dead[peer])
            .collect();
        let mail: Vec<(usize, usize)> = self
            .letters
            .iter()
            .filter(|((_, to), letters)| !letters.is_empty() && !self.dead[*to])
            .map(|(&between, _)| between)
            .collect();
        let choices = live.len() + mail.len() + self.news.len();
        for n in 0..choices {
            let choice = (turn + n) % choices;
            if let Some(&peer) = live.get(choice) {
                if self.totals[peer].len() as u64 == steps {
                    continue;
                }
                if self.peers[peer].is_behind() && live.len() > 1 {
                    self.behind += 1;
                    self.kill(peer);
                    return true;
                }
                let own = &mut self.peers[peer];
                if let Some(total) = own.total().cloned() {
                    self.totals[peer].push(total);
                    let letters = own.advance();
                    self.post(peer, letters);
                    return true;
                }
                if let Some(node) = own.begin_shards() {
                    let (step, shards) = (own.step(), node.range(own.members.shards));
                    let mut sum = Sum::new(shards.len() as u32);
                    for (place, shard) in (0..).zip(shards) {
                        sum.insert(Node::leaf(place), leaf(step, shard));
                    }
                    let letters = own.ran(node, sum.total().expect("all are in it"));
                    self.post(peer, letters);
                    return true;
                }
                if let Some(letter) = own.ask(1.0) {
                    self.post(peer, vec![letter]);
                    return true;
                }
            } else if let Some(&(from, to)) = mail.get(choice - live.len()) {
                let letter = self
                    .letters
                    .get_mut(&(from, to))
                    .and_then(VecDeque::pop_front);
                let (step, call) = letter.expect("there is mail");
                let letters = self.peers[to].hear(from, step, call, 1.0 + (turn % 3) as f64);
                self.post(to, letters);
                return true;
            } else {
                let (peer, dead) = self.news.remove(choice - live.len() - mail.len());
                if !self.dead[peer] {
                    let letters = self.peers[peer].lost(dead);
                    self.post(peer, letters);
                }
                return true;
            }
        }
        false
    }
}

proptest! {
    #[test]
    fn all_that_live_find_the_same_sums_whoever_dies_when(
        blocks in proptest::collection::vec(0_u32..5, 1..8),
        turns in proptest::collection::vec(any::<usize>(), 200),
        deaths in proptest::collection::vec((0_usize..150, any::<usize>()), 0..5),
        alone: bool,
    ) {
        let mut next = 0;
        let starts: Vec<u32> = blocks.iter().map(|block| { next += block; next - block }).collect();
        let shards = next.max(1);
        let count = blocks.len();
        let members = Arc::new(Members { ids: (0..count as u32).collect(), starts, shards });
        let mut net = Net {
            peers: (0..count).map(|rank| Peer::new(Arc::clone(&members), rank, 0, alone)).collect(),
            dead: vec![false; count],
            letters: BTreeMap::new(),
            news: Vec::new(),
            totals: vec![Vec::new(); count],
            behind: 0,
        };
        let steps = 8;
        let mut time = 0;
        while net.happen(turns[time % turns.len()].wrapping_add(time), steps) {
            time += 1;
            prop_assert!(time < 100_000, "it does not end");
            for &(when, who) in &deaths {
                let live: Vec<usize> = (0..count).filter(|&peer| !net.dead[peer]).collect();
                if when == time && live.len() > 1 {
                    net.kill(live[who % live.len()]);
                }
            }
        }
        // As long as all live, all can follow, those without shards too.
        prop_assert!(net.behind == 0 || !deaths.is_empty());
        for peer in (0..count).filter(|&peer| !net.dead[peer]) {
            prop_assert_eq!(net.totals[peer].len() as u64, steps, "member {} is stuck", peer);
            for (step, total) in (0..).zip(&net.totals[peer]) {
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(total), bits(&whole(step, shards)));
            }
        }
    }
}

#[test]
fn sums_that_nobody_lacks_are_let_go_of() {
    let members = Arc::new(Members {
        ids: vec![0, 1],
        starts: vec![0, 2],
        shards: 4,
    });
    let mut peers = [0, 1].map(|rank| Peer::new(Arc::clone(&members), rank, 0, false));
    for step in 0..6 {
        let mut mail = VecDeque::new();
        for (from, peer) in peers.iter_mut().enumerate() {
            let node = peer.begin_shards().expect("it has some");
            let letters = peer.ran(node, leaf(step, node.first()));
            mail.extend(letters.into_iter().map(|letter| (from, letter)));
        }
        while let Some((from, Letter { to, step, call })) = mail.pop_front() {
            let letters = peers[to].hear(from, step, call, 1.0);
            mail.extend(letters.into_iter().map(|letter| (to, letter)));
        }
        for peer in &mut peers {
            // That of this step, and of the one before where the other may not have heard of it.
            assert!(peer.total().is_some() && peer.totals.len() <= 2);
            assert!(peer.advance().is_empty());
        }
    }
}
