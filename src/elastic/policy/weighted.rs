use super::{Policy, View, apportion};

/// Shards in proportion to the workers' weights, by largest remainders (Hamilton's method).
#[derive(Clone, Copy, Debug, Default)]
pub struct Weighted;

impl Policy for Weighted {
    fn measures(&self) -> bool {
        false
    }

    fn assign(&mut self, view: &View<'_>) -> Option<Vec<usize>> {
        let live: Vec<usize> = view.live().collect();
        if live.is_empty() {
            return None;
        }
        let weight = |&worker: &usize| view.workers[worker].weight.max(0.0);
        let mut shares: Vec<f64> = live.iter().map(weight).collect();
        // Workers that count nothing still work where there is no other.
        if shares.iter().sum::<f64>() <= 0.0 {
            shares.fill(1.0);
        }
        let counts = apportion(view.shards.len(), &shares);
        let each = live.iter().zip(counts);
        Some(
            each.flat_map(|(&worker, count)| std::iter::repeat_n(worker, count))
                .collect(),
        )
    }
}
