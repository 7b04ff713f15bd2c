use super::{Costs, Policy, View, longest_first};

/// Each shard to the worker that would answer it first: the running mean of its response time, times the shards that it
/// would have then. Rows and what an order costs are not looked at; late shards stay where they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastResponseTime;

impl Policy for LeastResponseTime {
    fn assign(&mut self, view: &View<'_>) -> Option<Vec<usize>> {
        let known = view
            .live()
            .filter_map(|worker| view.workers[worker].stats.response);
        let (count, total) = known.fold((0.0, 0.0), |(count, total), response| {
            (count + 1.0, total + response)
        });
        let usual = if count > 0.0 { total / count } else { 1.0 };
        let seconds = |worker: usize, _| view.workers[worker].stats.response.unwrap_or(usual);
        let lead = |_| 0.0;
        longest_first(view, &Costs { lead, seconds })
    }
}
