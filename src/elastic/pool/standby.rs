//! Who works, and who stands by because more do not help.

use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use super::Pool;
use crate::elastic::policy::rate;

impl Pool {
    /// As many work as help, the fastest; one that has run no shard is taken for as fast as its like, and comes behind those that have. The
    /// others stand by, with the same weights.
    pub(super) fn choose(&mut self) {
        let live = (0..self.links.len()).filter(|&worker| self.links[worker].live);
        let mut order: Vec<usize> = live.collect();
        self.crowd.among(&order);
        self.crew.load = order.len() as f64 / cores();
        let view = self.crew.view(self.number, &[]);
        let is_known = |worker: usize| view.workers[worker].stats.rate.is_some();
        order.sort_by(|&a, &b| {
            let faster = rate(&view, b).total_cmp(&rate(&view, a));
            faster.then(is_known(b).cmp(&is_known(a)))
        });
        for (place, worker) in order.into_iter().enumerate() {
            self.crew.workers[worker].live = place < self.crowd.now();
        }
    }

    /// Those that stand by are called in, if none else is there.
    pub(super) fn call_in(&mut self) {
        if !self.crew.workers.iter().any(|worker| worker.live) {
            for (worker, link) in self.crew.workers.iter_mut().zip(&self.links) {
                worker.live = link.live;
            }
        }
    }

    /// Takes note of what a step took with those that work. Returns whether as many work at the next one.
    pub(in crate::elastic) fn judge_number(&mut self, seconds: f64) -> bool {
        let before = self.crowd.now();
        if let Some(best) = self.crowd.step(seconds) {
            let all = self.links.iter().filter(|link| link.live).count();
            if best < all {
                log::info!("{best} of {all} workers are used: more do not help");
            }
        }
        self.crowd.now() == before
    }

    /// Workers have trained for a time, or waited in it.
    pub(in crate::elastic) fn trained(&mut self, time: Duration) {
        self.last = time.as_secs_f64();
        for link in self.links.iter_mut().filter(|link| link.live) {
            link.there += time;
        }
    }
}

/// Cores of the machine, which are asked for once: the answer is in files of the system, and it is wanted at each step.
fn cores() -> f64 {
    static CORES: LazyLock<f64> =
        LazyLock::new(|| thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64));
    *CORES
}
