//! Who works, and who stands by because more do not help.

use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use super::Pool;

impl Pool {
    /// Of those who are there as many work as help.
    pub(super) fn choose(&mut self) {
        let there = self.there();
        self.crew.load = there.len() as f64 / cores();
        self.crowd.choose(&there, &mut self.crew);
    }

    /// Those that stand by are called in, if none else is there.
    pub(super) fn call_in(&mut self) {
        let there = self.there();
        self.crew.call_in(&there);
    }

    /// Workers that are there, whether they work or stand by.
    pub(in crate::elastic) fn there(&self) -> Vec<usize> {
        let workers = 0..self.links.len();
        workers.filter(|&worker| self.links[worker].live).collect()
    }

    /// Takes note of what steps took with those that work.
    pub(in crate::elastic) fn judge_number(&mut self, times: &[f64]) {
        if let Some(best) = self.crowd.steps(times) {
            let all = self.there().len();
            if best < all {
                log::info!("{best} of {all} workers are used: more do not help");
            }
        }
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
