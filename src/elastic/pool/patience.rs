//! How long a worker is waited for.

use std::time::{Duration, Instant};

use super::Pool;
use crate::backend::BackendError;
use crate::program::{Program, Step};

/// What a worker is told to do outside of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::elastic) enum Job {
    /// Steps of a program.
    Run(usize),
    /// A read.
    Read,
}

/// Something that a worker was told to do and has not answered.
pub(in crate::elastic) struct Errand {
    pub(in crate::elastic) worker: usize,
    /// By which its answer is known.
    pub(in crate::elastic) number: u64,
    job: Job,
    size: f64,
    since: Instant,
    /// Seconds that it takes as a rule.
    usual: f64,
}

/// Floating-point operations a second that the slowest of workers makes, by far, and values that it reads.
const SLOWEST: f64 = 1e9;
const SLOWEST_READ: f64 = 1e8;

/// Rows of an evaluation, or values of a read, as which fewer of them count: what they take beside is then not taken for theirs.
const LEAST_ROWS: f64 = 1024.0;
const LEAST_VALUES: f64 = 65_536.0;

/// Times the usual time that a worker may take.
const TIMES: f64 = 8.0;

impl Pool {
    /// A worker is to run steps.
    pub(in crate::elastic) fn runs<'a>(
        &mut self,
        worker: usize,
        program: usize,
        steps: impl IntoIterator<Item = &'a Step>,
    ) -> Errand {
        let rows: f64 = steps.into_iter().map(|step| f64::from(step.rows)).sum();
        let of = &self.programs[program];
        let slowest = flops(of) / SLOWEST;
        self.errand(worker, Job::Run(program), (rows.max(LEAST_ROWS), slowest))
    }

    /// A worker is to read values.
    pub(super) fn reads(&mut self, worker: usize, values: usize) -> Errand {
        let size = (values as f64).max(LEAST_VALUES);
        self.errand(worker, Job::Read, (size, 1.0 / SLOWEST_READ))
    }

    fn errand(&mut self, worker: usize, job: Job, (size, slowest): (f64, f64)) -> Errand {
        self.errands += 1;
        let each = self.links[worker].paces.get(&job).copied();
        Errand {
            worker,
            number: self.errands,
            job,
            size,
            since: Instant::now(),
            // It may be at its last step still.
            usual: each.unwrap_or(slowest) * size + self.last,
        }
    }

    /// A worker has answered.
    pub(in crate::elastic) fn ran_errand(&mut self, errand: &Errand) {
        let each = errand.since.elapsed().as_secs_f64() / errand.size;
        let paces = &mut self.links[errand.worker].paces;
        let known = paces.entry(errand.job).or_insert(each);
        *known = each.max(*known);
    }

    /// Waits no longer for a worker that has had its time: it is given up, and where it is the only one, it is lost.
    pub(in crate::elastic) fn wait_for(&mut self, errand: &Errand) -> Result<(), BackendError> {
        let worker = errand.worker;
        if !self.links[worker].live {
            return Ok(());
        }
        let waited = errand.since.elapsed().as_secs_f64();
        let usual = TIMES * errand.usual;
        if self.is_alone() {
            if waited > self.options.hang.as_secs_f64().max(usual) {
                self.hangs(worker, waited)?;
            }
        } else if waited > self.options.limit.as_secs_f64().max(usual) {
            let device = &self.links[worker].device;
            self.notice(format!(
                "worker {worker} ({device}) does not answer: what it had to do goes to others"
            ));
            self.give_up(worker);
        }
        Ok(())
    }

    pub(super) fn is_alone(&self) -> bool {
        self.links.iter().filter(|link| link.live).count() < 2
    }

    /// When a worker of a slice hangs that has not been heard of since then.
    pub(in crate::elastic) fn is_silent(&self, worker: usize, since: Instant) -> Option<f64> {
        let heard = self.links[worker]
            .heard
            .map_or(since, |heard| heard.max(since));
        let (waited, usual) = (heard.elapsed().as_secs_f64(), TIMES * self.last);
        (waited > self.options.hang.as_secs_f64().max(usual)).then_some(waited)
    }

    /// A worker hangs: it is ended if it can be, left alone if it cannot, and opened again in either case.
    pub(in crate::elastic) fn hangs(
        &mut self,
        worker: usize,
        seconds: f64,
    ) -> Result<(), BackendError> {
        self.links[worker].abandon();
        let reason = format!("it does not answer for {seconds:.1} s");
        self.lose(worker, reason.into())
    }

    /// Looks for workers that do not open, and for those that were waited for no longer and have not answered since.
    pub(super) fn look_for_silent(&mut self) -> Result<(), BackendError> {
        for worker in 0..self.links.len() {
            let link = &self.links[worker];
            let since = link.late.or(link.opening).filter(|_| !link.dismissed);
            if let Some(silent) = since.map(|since| since.elapsed())
                && silent > self.options.hang
            {
                self.hangs(worker, silent.as_secs_f64())?;
            }
        }
        Ok(())
    }
}

/// Of a row.
fn flops(program: &Program) -> f64 {
    let flops: usize = program.ops.iter().map(|op| op.flops(program)).sum();
    (flops * program.members) as f64 / program.batch.max(1) as f64
}

/// How long a worker may be given as a rule, and until it counts as lost.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
pub(super) const HANG: Duration = Duration::from_secs(120);
