//! A worker whose backend tells what it is asked to do, and may be held up there.

use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, PoisonError};

use super::*;
use crate::backend::{Gradients, ProgramId};
use crate::forward;
use crate::program::{Op, buffer};

/// What a backend is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Call {
    /// Shards together, which are these steps.
    Shards(Vec<Step>),
    /// Their sum is handed over.
    Sum,
    /// Their records are read, behind which an answer goes out.
    Records,
    /// The weights are updated.
    Update,
    /// Something else than records is read.
    Read,
    /// So many steps are run that leave the weights alone.
    Evaluation(usize),
}

/// Hears of each call, by the worker's number; shards, updates and reads before they are begun, the others behind them.
pub(super) type Hook = Arc<dyn Fn(usize, Call) + Send + Sync>;

struct Watched {
    inner: CpuBackend<f32>,
    worker: usize,
    rows: usize,
    updates: Vec<ProgramId>,
    hook: Hook,
}

/// So many workers.
pub(super) fn watched(count: usize, hook: &Hook) -> Vec<Spec> {
    watched_of(usize::MAX, count, hook)
}

/// So many that take so many rows at a time.
pub(super) fn watched_of(rows: usize, count: usize, hook: &Hook) -> Vec<Spec> {
    let one = |worker| {
        let hook = Arc::clone(hook);
        Spec {
            start: Start::Thread(Arc::new(move || {
                Ok(Box::new(Watched {
                    inner: CpuBackend::with_threads(1),
                    worker,
                    rows,
                    updates: Vec::new(),
                    hook: Arc::clone(&hook),
                }))
            })),
            ..spec(BTreeMap::new())
        }
    };
    (0..count).map(one).collect()
}

impl Backend for Watched {
    forward!(inner: device, write);

    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        let id = self.inner.compile(program)?;
        if program.ops.iter().any(|op| matches!(op, Op::Update { .. })) {
            self.updates.push(id);
        }
        Ok(id)
    }

    fn limits(&self) -> Limits {
        Limits {
            rows: self.rows,
            ..self.inner.limits()
        }
    }

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        if self.updates.contains(&program) {
            (self.hook)(self.worker, Call::Update);
            return self.inner.run(program, steps);
        }
        let ran = self.inner.run(program, steps)?;
        (self.hook)(self.worker, Call::Evaluation(ran));
        Ok(ran)
    }

    fn run_together(
        &mut self,
        program: ProgramId,
        parts: &[Step],
    ) -> Result<Option<bool>, BackendError> {
        (self.hook)(self.worker, Call::Shards(parts.to_vec()));
        self.inner.run_together(program, parts)
    }

    fn take(
        &mut self,
        buffer: &str,
        member: usize,
        len: usize,
        spare: Vec<f32>,
    ) -> Result<Vec<f32>, BackendError> {
        let values = self.inner.take(buffer, member, len, spare)?;
        (self.hook)(self.worker, Call::Sum);
        Ok(values)
    }

    fn update(
        &mut self,
        program: ProgramId,
        step: &Step,
        sizes: [usize; 2],
        gradients: &dyn Gradients,
    ) -> Result<(), BackendError> {
        (self.hook)(self.worker, Call::Update);
        self.inner.update(program, step, sizes, gradients)
    }

    fn read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<f32>, BackendError> {
        if buffer != buffer::LOG {
            (self.hook)(self.worker, Call::Read);
        }
        let values = self.inner.read(buffer, member, offset, len)?;
        if buffer == buffer::LOG {
            (self.hook)(self.worker, Call::Records);
        }
        Ok(values)
    }
}

/// Something that several threads see, and wait for.
#[derive(Default)]
pub(super) struct Seen<T> {
    value: Mutex<T>,
    changed: Condvar,
    in_vain: AtomicBool,
}

impl<T> Seen<T> {
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let changed = change(&mut self.value.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
        changed
    }

    /// Waits until something is so.
    pub(super) fn until(&self, so: impl Fn(&T) -> bool) {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let most = Duration::from_secs(60);
        let waited = self
            .changed
            .wait_timeout_while(value, most, |value| !so(value));
        let waited = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.1.timed_out() {
            self.in_vain.store(true, Ordering::Relaxed);
        }
    }

    /// Fails if something was waited for and never was so.
    pub(super) fn check(&self) {
        assert!(!self.in_vain.load(Ordering::Relaxed), "it never was so");
    }
}
