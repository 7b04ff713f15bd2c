use super::{Policy, Shard, View};
use crate::elastic::tree::nodes;

/// What a worker (by position) takes, in seconds.
pub(super) struct Costs<L, S> {
    /// Before its first shard.
    pub(super) lead: L,
    /// For a shard of so many rows.
    pub(super) seconds: S,
}

/// Of a worker's lead, what each sum beyond its first costs it: a sum is written, read and added to another, where an update reads and
/// writes twice as many arrays.
const SUM: f64 = 0.5;

/// A finer division has to be this much better, so that it is no rounding error.
const BETTER: f64 = 0.999;

/// Gives shards out, a few at a time, the largest first, to the worker that would be done with them first: Graham's LPT rule for
/// related machines. At a time, it is as many as lets all be done the earliest, where neighbours that make up a node of the tree cost one sum:
/// the fewer at a time, the better the counts follow the workers' rates, and the more sums there are.
pub(super) fn longest_first<L: Fn(usize) -> f64, S: Fn(usize, u32) -> f64>(
    view: &View<'_>,
    costs: &Costs<L, S>,
) -> Option<Vec<usize>> {
    let coarsest = unit(view.shards.len(), view.live().count());
    let mut best = by_units(view, costs, coarsest)?;
    if coarsest == 1 {
        return Some(best);
    }
    let mut earliest = end(view, costs, &best);
    let finer = std::iter::successors(Some(coarsest / 2), |unit| Some(unit / 2));
    for unit in finer.take_while(|&unit| unit > 0) {
        let assigned = by_units(view, costs, unit)?;
        let end = end(view, costs, &assigned);
        if end < BETTER * earliest {
            (best, earliest) = (assigned, end);
        }
    }
    Some(best)
}

/// When the last worker is done.
fn end<L: Fn(usize) -> f64, S: Fn(usize, u32) -> f64>(
    view: &View<'_>,
    costs: &Costs<L, S>,
    assigned: &[usize],
) -> f64 {
    let of = view.shards.iter().map(|shard| shard.number + 1).max();
    let of = of.unwrap_or(0);
    let mut ends = vec![0.0; view.workers.len()];
    for (shard, &worker) in view.shards.iter().zip(assigned) {
        ends[worker] += (costs.seconds)(worker, shard.rows);
    }
    let runs = neighbours(view.shards, assigned, view.workers.len());
    for (worker, run) in runs.iter().enumerate() {
        let sums = nodes(run, of, |_| false).len();
        let beyond = sums.saturating_sub(1) as f64;
        ends[worker] += (costs.lead)(worker) * (1.0 + SUM * beyond);
    }
    let ends = view.live().map(|worker| ends[worker]);
    ends.fold(0.0, f64::max)
}

/// LPT with so many shards at a time.
fn by_units<L: Fn(usize) -> f64, S: Fn(usize, u32) -> f64>(
    view: &View<'_>,
    costs: &Costs<L, S>,
    unit: usize,
) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..view.shards.len()).collect();
    order.sort_by_key(|&shard| std::cmp::Reverse(view.shards[shard].rows));
    let finish = |worker: usize, before: f64, rows: u32| Finish {
        at: before + (costs.seconds)(worker, rows),
        before,
        worker,
    };
    let rows = |shards: &[usize]| shards.iter().map(|&shard| view.shards[shard].rows).sum();
    let alike = |a: &usize, b: &usize| view.shards[*a].rows == view.shards[*b].rows;
    let units = order.chunk_by(alike).flat_map(|alike| alike.chunks(unit));
    let mut assigned = vec![0; view.shards.len()];
    let (mut size, mut heap) = (0, std::collections::BinaryHeap::new());
    heap.extend(
        view.live()
            .map(|worker| finish(worker, (costs.lead)(worker), size)),
    );
    for shards in units {
        if rows(shards) != size {
            size = rows(shards);
            heap = heap
                .into_iter()
                .map(|next: Finish| finish(next.worker, next.before, size))
                .collect();
        }
        let first = heap.pop()?;
        for &shard in shards {
            assigned[shard] = first.worker;
        }
        heap.push(finish(first.worker, first.at, size));
    }
    Some(assigned)
}

/// The most shards that are given out at a time: a power of two, as nodes of the tree have, and at least four times for each worker.
fn unit(shards: usize, workers: usize) -> usize {
    let most = shards / (4 * workers.max(1));
    most.checked_ilog2().map_or(1, |exponent| 1 << exponent)
}

/// When a worker would be done with one shard more.
struct Finish {
    at: f64,
    before: f64,
    worker: usize,
}

/// The earliest is the greatest; of two at a time, the first worker is.
impl Ord for Finish {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_time = other.at.total_cmp(&self.at);
        by_time.then_with(|| other.worker.cmp(&self.worker))
    }
}

impl PartialOrd for Finish {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Finish {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Finish {}

/// Divides `shards` in proportion to shares, by largest remainders; of equal ones, the first wins.
pub(super) fn apportion(shards: usize, shares: &[f64]) -> Vec<usize> {
    let total: f64 = shares.iter().sum();
    let exact = |share: f64| shards as f64 * share / total;
    let mut counts: Vec<usize> = shares.iter().map(|&share| exact(share) as usize).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&a, &b| {
        exact(shares[b])
            .fract()
            .total_cmp(&exact(shares[a]).fract())
    });
    let given: usize = counts.iter().sum();
    for &position in order.iter().cycle().take(shards.saturating_sub(given)) {
        counts[position] += 1;
    }
    // Rounding may have given one too many away.
    let mut over = counts.iter().sum::<usize>().saturating_sub(shards);
    for count in &mut counts {
        let taken = over.min(*count);
        *count -= taken;
        over -= taken;
    }
    counts
}

/// Lets each worker's shards be neighbours: of shards with as many rows, the first go to the first worker, as many as it was
/// given. Neighbours are summed up where they are computed.
pub fn neighbours(shards: &[Shard], assigned: &[usize], workers: usize) -> Vec<Vec<u32>> {
    let mut runs = vec![Vec::new(); workers];
    let mut sizes: Vec<u32> = shards.iter().map(|shard| shard.rows).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes.into_iter().rev() {
        let alike = || {
            shards
                .iter()
                .zip(assigned)
                .filter(|(shard, _)| shard.rows == size)
        };
        let mut owners: Vec<usize> = alike().map(|(_, &worker)| worker).collect();
        owners.sort_unstable();
        for ((shard, _), worker) in alike().zip(owners) {
            runs[worker].push(shard.number);
        }
    }
    for run in &mut runs {
        run.sort_unstable();
    }
    runs
}

/// A late worker's shards, as whoever would steal them sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Late {
    /// Position of the worker.
    pub worker: usize,
    /// Shards that it has not begun.
    pub waiting: usize,
    /// Seconds until it is done with the one that it is at.
    pub current: f64,
}

/// How many of the `waiting` shards of a late worker, which takes `each` seconds for one and has `current` left of the one
/// that it is at, a thief should take who needs `own` seconds for one: as many as bring both to their ends at about the same
/// time. None, where nothing is won by it.
pub fn worth_stealing(current: f64, waiting: usize, each: f64, own: f64) -> usize {
    let finish = current + each * waiting as f64;
    // Of n shards, k are stolen: (n − k)·each + current = k·own.
    let taken = (finish / (each + own)).floor().max(1.0) as usize;
    let taken = taken.min(waiting);
    if own * (taken as f64) < finish {
        taken
    } else {
        0
    }
}

/// Whom an idle worker robs, and of how many of the last shards: the one that would finish last.
pub fn steal(
    policy: &mut dyn Policy,
    view: &View<'_>,
    idle: usize,
    rows: u32,
    others: &[Late],
) -> Option<(usize, usize)> {
    let own = policy.predicted(view, idle, rows)?;
    let mut best: Option<(f64, usize, usize)> = None;
    for late in others.iter().filter(|late| late.waiting > 0) {
        let each = policy.predicted(view, late.worker, rows)?;
        let finish = late.current + each * late.waiting as f64;
        let taken = worth_stealing(late.current, late.waiting, each, own);
        if taken > 0 && best.is_none_or(|(latest, ..)| finish > latest) {
            best = Some((finish, late.worker, taken));
        }
    }
    best.map(|(_, worker, taken)| (worker, taken))
}
