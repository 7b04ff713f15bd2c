use super::{Policy, View};

/// Shards dealt in turn; who is first changes from step to step, so that what is left over goes round too.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin;

impl Policy for RoundRobin {
    fn measures(&self) -> bool {
        false
    }

    fn assign(&mut self, view: &View<'_>) -> Option<Vec<usize>> {
        let live: Vec<usize> = view.live().collect();
        let first = (view.step % live.len().max(1) as u64) as usize;
        let dealt = live.iter().copied().cycle().skip(first);
        (!live.is_empty()).then(|| dealt.take(view.shards.len()).collect())
    }
}
