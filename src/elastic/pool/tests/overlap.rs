//! What is computed while something else is on its way.

use super::watched::{Call, Hook, Seen, watched, watched_of};
use super::*;
use crate::elastic::letter::Call as Told;
use crate::elastic::members::Members;
use crate::elastic::message::Slice;
use crate::elastic::tree::Node;

/// How often a worker has begun to run shards, and how often it may.
#[derive(Default)]
struct Begun {
    begun: usize,
    allowed: Option<usize>,
}

/// A pool of two that has trained, with six shards of a step. The worker of this number stops at the second node from now on.
fn stops_at_the_second(worker: usize) -> (Pool, Arc<Seen<Begun>>) {
    let seen: Arc<Seen<Begun>> = Arc::default();
    let own = Arc::clone(&seen);
    let hook: Hook = Arc::new(move |by, call| {
        if by == worker && matches!(call, Call::Shards(_)) {
            let begun = own.change(|seen| {
                seen.begun += 1;
                seen.begun
            });
            own.until(|seen| seen.allowed.is_none_or(|allowed| begun <= allowed));
        }
    });
    let options = patient(options(PolicyName::RoundRobin, Scheduling::Central));
    let mut pool = Pool::open(watched(2, &hook), options).expect("it opens");
    run(&mut pool).expect("both train");
    let step = pool.steps[0];
    let part = |place: u32| Step {
        first: 4 * place,
        rows: 4,
        record: place,
        ..step
    };
    pool.steps = (0..6).map(part).collect();
    seen.change(|seen| (seen.begun, seen.allowed) = (0, Some(1)));
    (pool, seen)
}

const MOST: Duration = Duration::from_secs(60);

#[test]
fn a_sum_is_on_its_way_to_the_coordinator_while_the_next_shards_are_computed() {
    let (mut pool, seen) = stops_at_the_second(0);
    pool.begin().expect("both are there");
    loop {
        let (worker, _, answer) = pool.answers.recv_timeout(MOST).expect("an answer");
        if let (0, Answer::Shards { node, sums, .. }) = (worker, answer) {
            // Shards 0 and 1; the next node waits to be allowed.
            assert_eq!(node, Node { level: 1, index: 0 });
            assert!(sums.iter().any(|(sum, _)| *sum == node));
            break;
        }
    }
    seen.until(|seen| seen.begun == 2);
    seen.change(|seen| seen.allowed = None);
    drop(pool);
    seen.check();
}

#[test]
fn a_sum_is_on_its_way_to_a_peer_while_the_next_shards_are_computed() {
    let (mut pool, seen) = stops_at_the_second(1);
    // This test is the first of two peers.
    let (sender, letters) = channel();
    let own = pool.links[1].sender().expect("it is there");
    pool.links[1].send(Order::Slice(Slice {
        members: Arc::new(Members {
            ids: vec![0, 1],
            starts: vec![0, 3],
            shards: 6,
        }),
        rank: 1,
        peers: vec![sender, own],
        programs: [pool.verify.program, pool.verify.program],
        first: pool.number + 1,
        steps: Arc::new(vec![pool.steps.clone()]),
        limit: 100.0,
        doubts: true,
        verify: 0.0,
        checkers: Arc::new(vec![1, 0]),
    }));
    let letter = letters.recv_timeout(MOST).expect("a letter");
    let Order::Letter { call, .. } = letter else {
        panic!("{letter:?}");
    };
    let is_third = |node: &Node| *node == Node::leaf(3);
    assert!(matches!(call, Told::Part { node, .. } if is_third(&node)));
    seen.until(|seen| seen.begun == 2);
    seen.change(|seen| seen.allowed = None);
    drop(pool);
    seen.check();
}

#[test]
fn shards_of_the_next_step_are_run_while_others_still_update_their_weights() {
    let seen: Arc<Seen<bool>> = Arc::default();
    let own = Arc::clone(&seen);
    let hook: Hook = Arc::new(move |worker, call| match (worker, call) {
        (0, Call::Shards(parts)) if parts[0].number > 0 => own.change(|next| *next = true),
        (1, Call::Update) => own.until(|next| *next),
        _ => {}
    });
    let options = patient(options(PolicyName::RoundRobin, Scheduling::Central));
    let (found, _) = outcome(watched(2, &hook), options);
    seen.check();
    assert!(found == reference());
}

#[test]
fn evaluations_are_divided_among_all() {
    let trained = |workers, scheduling| {
        let seen: Arc<Seen<BTreeMap<usize, usize>>> = Arc::default();
        let own = Arc::clone(&seen);
        let hook: Hook = Arc::new(move |worker, call| {
            if let Call::Evaluation(steps) = call {
                own.change(|ran| *ran.entry(worker).or_default() += steps);
            }
        });
        let options = patient(options(PolicyName::RoundRobin, scheduling));
        let (found, _) = outcome(watched_of(8, workers, &hook), options);
        (found, seen.change(|ran| ran.clone()))
    };
    let (alone, _) = trained(1, Scheduling::Central);
    for scheduling in Scheduling::ALL {
        let (found, ran) = trained(3, scheduling);
        assert!(found == alone, "{scheduling:?}");
        // The 15 rows for validation are two steps in each of three epochs, for one worker each, and so they are at the end; then
        // the 55 training rows are seven, of which two workers have three and the last has one.
        assert_eq!(ran, [(0, 5), (1, 7), (2, 3)].into());
    }
}
