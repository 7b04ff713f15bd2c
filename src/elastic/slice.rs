//! Steps that workers make among themselves: the pool says who takes part, and hears what came of it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::crowd::Crowd;
use super::members::Members;
use super::message::{Order, Slice};
use super::policy::Shard;
use super::pool::Pool;
use super::verify::{Found, Verify};
use crate::backend::BackendError;
use crate::program::Step;

/// How long the pool waits before it looks for members that hang.
const LOOK: Duration = Duration::from_millis(20);

/// How long it sleeps while they are at work.
const NAP: Duration = Duration::from_millis(5);

/// Steps of a slice: as many as take about so long, and no more than fit one look at the pool.
const TIME: f64 = 0.25;
const MOST: usize = 256;

/// Steps of a slice, where each took so long before. How many workers help is seen between two slices, and others wait for one that is
/// tried, which may be slow still.
pub(super) fn count(each: Option<f64>, crowd: &Crowd, tries: bool) -> usize {
    let most = crowd.wants().unwrap_or(MOST);
    let each = each.filter(|_| !tries);
    each.map_or(1, |each| ((TIME / each.max(1e-9)) as usize).clamp(1, most))
}

/// A slice under way.
pub(super) struct Running {
    pub(super) first: u64,
    pub(super) members: Arc<Members>,
    pub(super) steps: Arc<Vec<Vec<Step>>>,
    /// Bits of the shards that are run twice.
    pub(super) found: Vec<Found>,
    /// Whose sums are no numbers, and of which steps.
    pub(super) unsound: Vec<(u64, usize)>,
}

pub(super) fn make(
    pool: &mut Pool,
    programs: [usize; 2],
    steps: &[Vec<Step>],
) -> Result<usize, BackendError> {
    let Some(parts) = steps.first().map(Vec::len) else {
        return Ok(0);
    };
    // A shorter batch has other shards.
    let alike = steps.iter().take_while(|step| step.len() == parts).count();
    let rows = steps[0].iter().map(|step| step.rows);
    let shards: Vec<Shard> = (0..)
        .zip(rows)
        .map(|(number, rows)| Shard { number, rows })
        .collect();
    let first = pool.number + 1;
    let workers = pool.there();
    let policy = &mut *pool.policy;
    let plan = pool.crew.members(first, &shards, &workers, policy);
    let (members, tries) = plan.ok_or_else(|| pool.gone())?;
    let most = count(pool.pace, &pool.crowd, tries);
    let steps = Arc::new(steps[..alike.min(most)].to_vec());
    let peers: Vec<_> = workers
        .iter()
        .filter_map(|&worker| pool.links[worker].sender())
        .collect();
    let members = Arc::new(members);
    let (doubts, verify) = (!pool.diverged, pool.options.verify);
    // What is found wrong is made again from here.
    let before = if verify > 0.0 {
        pool.read_state()?
    } else {
        Vec::new()
    };
    let checkers = Arc::new(checkers(pool, &workers));
    let start = Instant::now();
    for (rank, &worker) in workers.iter().enumerate() {
        pool.links[worker].send(Order::Slice(Slice {
            members: Arc::clone(&members),
            rank,
            peers: peers.clone(),
            programs,
            first,
            steps: Arc::clone(&steps),
            limit: pool.options.limit.as_secs_f64(),
            doubts,
            verify,
            checkers: Arc::clone(&checkers),
        }));
    }
    drop(peers);
    pool.reached.clear();
    pool.slice = Some(Running {
        first,
        members,
        steps: Arc::clone(&steps),
        found: Vec::new(),
        unsound: Vec::new(),
    });
    let outcome = wait(pool, &workers, first + steps.len() as u64);
    let of_slice = |slice: Running| (slice.found, slice.unsound);
    let (found, unsound) = pool.slice.take().map(of_slice).unwrap_or_default();
    let reached = outcome?;
    // No number is used twice, so that what comes late is known.
    pool.number = first + steps.len() as u64 - 1;
    let done = (reached - first) as usize;
    let took = start.elapsed();
    pool.trained(took);
    if done > 0 {
        pool.pace = Some(took.as_secs_f64() / done as f64);
    }
    let sound = pool.reached.iter().all(|(_, reached)| reached.sound);
    pool.diverged &= !sound;
    note(pool, reached);
    let made = first..reached;
    match compare(pool, &found, made, parts as u32) {
        // Nobody has made this step: it is made under a coordinator, which finds out whose fault it is.
        None if doubts && !sound && done < steps.len() => {
            let start = Instant::now();
            pool.refresh()?;
            let of_step = unsound.iter().filter(|(number, _)| *number == reached);
            let suspects = of_step.map(|&(_, worker)| worker).collect();
            pool.remake(suspects, programs, &steps[done])?;
            pool.trained(start.elapsed());
            pool.settle()?;
            Ok(done + 1)
        }
        None => Ok(done),
        Some((number, disputed)) => {
            let again = (number - first + 1) as usize;
            for order in before {
                pool.tell(&order);
            }
            pool.repeat(programs, &steps[..again], &disputed)?;
            Ok(again)
        }
    }
}

/// Takes note of what members that came to a step, the furthest, did: of all who has stolen what and what updates took, of the first its
/// steps' times.
fn note(pool: &mut Pool, furthest: u64) {
    for (worker, reached) in &pool.reached {
        pool.stolen += reached.counts.stolen;
        pool.repeated += reached.counts.repeated;
        if !reached.times.is_empty() {
            let each = reached.updating / reached.times.len() as f64;
            pool.crew.workers[*worker].stats.led(each);
        }
    }
    let reached = pool.reached.iter();
    let reached = reached.filter(|(_, reached)| reached.step == furthest);
    let first = reached.min_by_key(|(worker, _)| *worker);
    let times = first.map_or_else(Vec::new, |(_, reached)| reached.times.clone());
    pool.judge_number(&times);
}

/// Counts the shards that workers of one kind agree on. Returns what was found in the first step of which they do not, or that was `made`
/// while one of its shards was not run twice: who was to do it is lost.
fn compare(
    pool: &mut Pool,
    found: &[Found],
    made: Range<u64>,
    shards: u32,
) -> Option<(u64, Vec<Found>)> {
    if pool.options.verify <= 0.0 {
        return None;
    }
    let numbers = found.iter().map(|found| found.number);
    let mut numbers: Vec<u64> = numbers.chain(made.clone()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let of_step = found.iter().filter(|found| found.number == number);
        let mut of_step: Vec<Found> = of_step.copied().collect();
        let disputed = Verify::disputed(&of_step, &pool.links);
        if !disputed.is_empty() {
            of_step.retain(|found| disputed.contains(&found.shard));
            return Some((number, of_step));
        }
        let is_twice = |shard: &u32| {
            let same = of_step.iter().filter(|found| found.shard == *shard);
            same.count() > 1
        };
        let sampled = (0..shards).filter(|&shard| pool.verify.is_sampled(number, shard));
        let (twice, once): (Vec<u32>, Vec<u32>) = sampled.partition(is_twice);
        if made.contains(&number) && !once.is_empty() {
            return Some((number, Vec::new()));
        }
        pool.verify.agreed += twice.len() as u64;
    }
    None
}

/// Who runs whose shards once more: the next of the same kind, itself if there is no other.
fn checkers(pool: &Pool, workers: &[usize]) -> Vec<usize> {
    let count = workers.len();
    let next = |rank: usize| {
        let device = &pool.links[workers[rank]].device;
        let mut others = (1..=count).map(|n| (rank + n) % count);
        others.find(|&other| pool.links[workers[other]].device == *device)
    };
    (0..count).map(|rank| next(rank).unwrap_or(rank)).collect()
}

/// Waits for all members. Returns the step that the furthest are at; the others are given their weights. Where the last sum was no
/// number, any of those may have caused it: then it is the step of the members that are the least far, who had no part in it.
fn wait(pool: &mut Pool, workers: &[usize], end: u64) -> Result<u64, BackendError> {
    let limit = pool.options.limit.max(Duration::from_secs(1));
    // The members take as long as before, and a little less.
    let steps = end - pool.number - 1;
    let busy = pool.pace.map_or(0.0, |each| 0.9 * each * steps as f64);
    let busy = Duration::from_secs_f64(busy);
    let begun = Instant::now();
    let mut since: Option<Instant> = None;
    loop {
        let is_there = |worker: usize| pool.reached.iter().any(|(other, _)| *other == worker);
        let waited_for = |&&worker: &&usize| pool.links[worker].live && !is_there(worker);
        let open: Vec<usize> = workers.iter().filter(waited_for).copied().collect();
        if open.is_empty() {
            break;
        }
        let mut reached = pool.reached.iter();
        let at_end = reached.any(|(_, reached)| reached.step == end || !reached.sound);
        if at_end {
            let since = *since.get_or_insert_with(Instant::now);
            for &worker in &open {
                // Its peers went on without it, or it alone does not come to the end.
                let rank = workers.iter().position(|&other| other == worker);
                let given_up = pool
                    .reached
                    .iter()
                    .any(|(_, other)| rank.is_some_and(|rank| other.gone.contains(&rank)));
                if given_up || since.elapsed() > limit {
                    pool.give_up(worker);
                }
            }
        }
        for worker in open {
            let silent = pool.is_silent(worker, begun);
            if let Some(seconds) = silent.filter(|_| pool.links[worker].live) {
                pool.hangs(worker, seconds)?;
            }
        }
        // To be woken by whoever has run a shard takes a core from those who compute: it suffices to hear of it now and then.
        let left = busy.saturating_sub(begun.elapsed());
        if left.is_zero() {
            pool.hear(LOOK)?;
        } else {
            std::thread::sleep(left.min(NAP));
            while pool.hear(Duration::ZERO)? {}
        }
    }
    let reached = pool.reached.iter().filter(|(worker, _)| {
        let link = &pool.links[*worker];
        link.live && !link.dismissed
    });
    let steps = reached.map(|(_, reached)| reached.step);
    let sound = pool.reached.iter().all(|(_, reached)| reached.sound);
    let step = if sound || pool.diverged {
        steps.max()
    } else {
        steps.min()
    };
    let step = step.ok_or_else(|| pool.gone())?;
    let others: Vec<usize> = pool
        .reached
        .iter()
        .filter(|(worker, reached)| reached.step != step && pool.links[*worker].live)
        .map(|(worker, _)| *worker)
        .collect();
    for worker in others {
        pool.reload(worker);
    }
    Ok(step)
}
