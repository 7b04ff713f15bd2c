use super::{Costs, Policy, View, longest_first};

/// Finish times predicted from running means of the workers' rates: the longest shards first, each to the worker that is done
/// first, and what turns out late is stolen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throughput;

/// Rows a second of a worker: its own; before its first shard the mean of its like, else of all.
pub(in crate::elastic) fn rate(view: &View<'_>, worker: usize) -> f64 {
    let of = |alike: bool| {
        let device = view.workers[worker].device;
        let others = view
            .workers
            .iter()
            .filter(|other| !alike || other.device == device);
        let rates = others.filter_map(|other| other.stats.rate);
        let (count, total) = rates.fold((0.0, 0.0), |(count, total), rate| {
            (count + 1.0, total + rate)
        });
        (count > 0.0).then(|| total / count)
    };
    let own = view.workers[worker].stats.rate;
    own.or_else(|| of(true))
        .or_else(|| of(false))
        .unwrap_or(1.0)
}

/// Seconds of a step before a worker's first shard, as far as that is known.
pub(super) fn lead(view: &View<'_>, worker: usize) -> f64 {
    view.workers[worker].stats.lead.unwrap_or(0.0)
}

impl Policy for Throughput {
    fn assign(&mut self, view: &View<'_>) -> Option<Vec<usize>> {
        let rates: Vec<f64> = (0..view.workers.len())
            .map(|worker| rate(view, worker))
            .collect();
        let seconds = |worker: usize, rows| f64::from(rows) / rates[worker];
        let lead = |worker| lead(view, worker);
        longest_first(view, &Costs { lead, seconds })
    }

    fn predicted(&mut self, view: &View<'_>, worker: usize, rows: u32) -> Option<f64> {
        Some(f64::from(rows) / rate(view, worker))
    }
}
