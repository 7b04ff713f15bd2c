//! Workers that compute wrong: how they are found, checked and put out.

use std::time::{Duration, Instant};

use super::{LOOK, Pool};
use crate::backend::BackendError;
use crate::elastic::link::{Link, PutOut};
use crate::elastic::message::{Order, Part};
use crate::elastic::sums::Total;
use crate::elastic::verify::{Found, Verdict};
use crate::program::Step;

/// How long the run waits for the check of a worker's kernels.
const EXAMINATION: Duration = Duration::from_secs(30);

/// What a worker found of its kernels, in words.
pub(super) fn found(kernels: usize, off: &[(String, f32)]) -> String {
    if !off.is_empty() {
        let each = off
            .iter()
            .map(|(kernel, error)| format!("{kernel} is off by {error:.1e}"));
        return each.collect::<Vec<_>>().join(", ");
    }
    match kernels {
        0 => "it has no kernels to check".into(),
        _ => "its kernels agree with their twins".into(),
    }
}

/// What is told of a check that takes too long.
fn unended() -> String {
    let seconds = EXAMINATION.as_secs();
    format!("the check of its kernels does not end within {seconds} s")
}

impl Pool {
    /// The sum once more, as it was no number: each shard is run by two workers. If it is one now, who had said otherwise computes
    /// wrong; if not, it is the model that diverges, which the run will see.
    pub(super) fn doubt(&mut self) -> Result<Total, BackendError> {
        self.notice("a step's gradient is no number: it is made again, by two workers each".into());
        let mut suspects = std::mem::take(&mut self.unsound);
        self.repeated += self.steps.len() as u64;
        self.verify.check_all(true);
        let total = self.sum();
        self.verify.check_all(false);
        let total = total?;
        self.diverged = !self.unsound.is_empty();
        if self.diverged {
            self.notice("a step's gradient is no number, whoever computes it".into());
            return Ok(total);
        }
        suspects.retain(|&worker| !self.links[worker].dismissed);
        let step = self.step_of(0);
        for worker in suspects {
            let mut others = self.links.iter().enumerate();
            let replaced = others.any(|(other, link)| link.live && other != worker);
            if replaced && self.links[worker].live {
                let why = format!("found no number as gradient of step {step}, and others do");
                self.put_out(worker, why);
            } else {
                let device = &self.links[worker].device;
                self.notice(format!(
                    "worker {worker} ({device}) computed a gradient that is no number, and then one that is"
                ));
            }
        }
        Ok(total)
    }

    /// Makes a step under a coordinator, whose sum was no number by these workers' shards.
    pub(in crate::elastic) fn remake(
        &mut self,
        suspects: Vec<usize>,
        [gradients, update]: [usize; 2],
        step: &[Step],
    ) -> Result<(), BackendError> {
        self.turn_to(gradients, step);
        self.unsound = suspects;
        let total = self.doubt()?;
        self.update(update, total)
    }

    /// Number of the step that a shard is of, from 1 on.
    fn step_of(&self, shard: u32) -> u64 {
        let step = self.steps.get(shard as usize);
        step.map_or(0, |step| u64::from(step.number) + 1)
    }

    /// A worker that computes wrong is used no more. Its kernels are checked, for whoever reads of it.
    fn put_out(&mut self, worker: usize, why: String) {
        let link = &mut self.links[worker];
        link.send(Order::Examine);
        let device = &link.device;
        let told =
            format!("worker {worker} ({device}) {why}: it is put out, and its kernels are checked");
        self.notice(told);
        self.rule_out(worker, why);
    }

    fn rule_out(&mut self, worker: usize, why: String) {
        let link = &mut self.links[worker];
        (link.dismissed, link.live) = (true, false);
        link.failure = Some("it computed wrong".to_owned().into());
        link.put_out = Some(PutOut { why, found: None });
        self.crew.workers[worker].live = false;
        self.verify.forget(worker);
    }

    /// What came of the check of a worker that was put out.
    pub(super) fn examined(&mut self, worker: usize, found: String) {
        let link = &mut self.links[worker];
        let Some(put_out) = link.put_out.as_mut().filter(|of| of.found.is_none()) else {
            return;
        };
        put_out.found = Some(found);
        let why = put_out.to_string();
        let told = format!("worker {worker} ({}) {why}: put out", link.device);
        link.close(Some(why));
        self.notice(told);
    }

    /// Waits for the checks of workers that were put out.
    pub(in crate::elastic) fn settle(&mut self) -> Result<(), BackendError> {
        let start = Instant::now();
        loop {
            let open = |link: &Link| link.put_out.as_ref().is_some_and(|of| of.found.is_none());
            let Some(worker) = self.links.iter().position(open) else {
                return Ok(());
            };
            if start.elapsed() > EXAMINATION {
                self.examined(worker, unended());
            } else {
                self.hear(LOOK)?;
            }
        }
    }

    /// Has a shard run once more, on a worker of the same kind that has not run it; on the same one, if there is no other.
    pub(super) fn check(&mut self, shard: u32) {
        let Some(asked) = self.verify.next(shard, &self.links) else {
            return;
        };
        let part = Part {
            shard,
            step: self.steps[shard as usize],
            hashed: true,
        };
        self.links[asked].send(Order::Check {
            number: self.number,
            program: self.verify.program,
            part,
        });
    }

    pub(super) fn judge(&mut self, of: u32, verdict: Verdict) -> Result<(), BackendError> {
        match verdict {
            Verdict::Open(shard) => self.check(shard),
            Verdict::Agreed => {}
            Verdict::Wrong(worker) => {
                let why = format!("disagrees on shard {of} of step {}", self.step_of(of));
                self.put_out(worker, why);
                self.again()?;
            }
            Verdict::Unclear(shard) => self.decide(shard)?,
        }
        Ok(())
    }

    /// A shard has other bits with each worker that was asked, or each time with the only one of its kind. Who contradicts itself beside
    /// others is put out; of several the kernels are checked, and those are put out whose kernels are off. The step is made again.
    fn decide(&mut self, shard: u32) -> Result<(), BackendError> {
        let why = format!("disagrees on shard {shard} of step {}", self.step_of(shard));
        let mut asked: Vec<usize> = self.verify.found(shard).iter().map(|&(by, _)| by).collect();
        asked.sort_unstable();
        asked.dedup();
        if let [worker] = asked[..] {
            if self.is_alone() {
                return Err(self.unclear(shard));
            }
            self.put_out(worker, why);
            return self.again();
        }
        // Nothing that is still to come of the step is of use.
        self.round = None;
        self.verify.begin();
        for &worker in &asked {
            let device = &self.links[worker].device;
            self.notice(format!(
                "worker {worker} ({device}) {why}, as does another: their kernels are checked"
            ));
            self.links[worker].send(Order::Examine);
        }
        self.examine(&asked)?;
        let mut checked = std::mem::take(&mut self.checked);
        if checked.iter().all(|(_, right, _)| *right) {
            let silent = |worker: &usize| checked.iter().all(|(by, ..)| by != worker);
            let silent = asked.iter().copied().filter(silent);
            let silent: Vec<usize> = silent.filter(|&worker| self.links[worker].live).collect();
            checked.extend(silent.into_iter().map(|worker| (worker, false, unended())));
        }
        let off: Vec<_> = checked.iter().filter(|(_, right, _)| !right).collect();
        let lost = asked.iter().any(|&worker| !self.links[worker].live);
        if !lost && (off.is_empty() || off.len() == asked.len()) {
            return Err(self.unclear(shard));
        }
        for (worker, _, found) in off {
            self.rule_out(*worker, why.clone());
            self.examined(*worker, found.clone());
        }
        self.repeated += self.steps.len() as u64;
        self.begin()
    }

    /// Waits for the checks of kernels of workers that stay.
    fn examine(&mut self, asked: &[usize]) -> Result<(), BackendError> {
        self.checked.clear();
        let start = Instant::now();
        let open = |pool: &Pool, worker: usize| {
            pool.links[worker].live && pool.checked.iter().all(|(by, ..)| *by != worker)
        };
        while asked.iter().any(|&worker| open(self, worker)) && start.elapsed() < EXAMINATION {
            self.hear(LOOK)?;
        }
        Ok(())
    }

    fn unclear(&self, shard: u32) -> BackendError {
        BackendError::Device {
            device: self.links[self.leader().unwrap_or(0)].device.clone(),
            reason: format!(
                "shard {shard} of step {} has other bits each time it is run, or with each worker, and no kernels are off: use other devices",
                self.step_of(shard)
            ),
        }
    }

    /// Makes steps that peers disagreed on once more, under a coordinator and with every shard checked. In the last of them, who
    /// had found something else before computes wrong.
    pub(in crate::elastic) fn repeat(
        &mut self,
        programs: [usize; 2],
        steps: &[Vec<Step>],
        disputed: &[Found],
    ) -> Result<(), BackendError> {
        self.verify.check_all(true);
        let made = steps.iter().try_for_each(|step| {
            self.repeated += step.len() as u64;
            self.refresh()?;
            self.step(programs, step)
        });
        self.verify.check_all(false);
        made?;
        for one in disputed {
            let device = &self.links[one.worker].device;
            let mut right = self.verify.found(one.shard).iter();
            let right = right.find(|&&(by, _)| self.links[by].device == *device);
            let wrong = right.is_some_and(|&(_, hash)| hash != one.hash);
            if !wrong || self.links[one.worker].dismissed {
                continue;
            }
            let mut others = self.links.iter().enumerate();
            if !others.any(|(other, link)| link.live && other != one.worker) {
                return Err(self.unclear(one.shard));
            }
            let why = format!(
                "disagrees on shard {} of step {}",
                one.shard,
                self.step_of(one.shard)
            );
            self.put_out(one.worker, why);
        }
        self.settle()
    }
}
