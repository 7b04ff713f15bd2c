//! Workers that fail as they are asked to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::backend::cpu::CpuBackend;
use crate::backend::{Backend, BackendError, Check, Data, Gradients, ProgramId};
use crate::elastic::link::{Spec, Start};
use crate::elastic::policy::DeviceKind;
use crate::forward;
use crate::program::{Program, Step, buffer};

/// What happens to a worker at one of its calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// It reports an error, and is opened anew.
    Kills,
    /// Its thread panics, and it is opened anew.
    Panics,
    /// It reports an error, and panics as it is let go.
    Falls,
    /// It does not answer for longer than is waited for, then goes on.
    Hangs,
    /// It takes longer.
    Slows,
    /// A bit of its next gradient is another, or what a check of its kernels finds.
    Corrupts,
    /// A bit of its next gradient is another, and its kernels are right.
    Slips,
    /// Its next gradient is no number.
    Dissolves,
}

/// How long a worker is waited for in these tests.
pub(super) const LIMIT: Duration = Duration::from_millis(40);

/// A backend with faults at some of its runs, counted over all its lives.
pub(super) struct Faulty {
    pub(super) inner: CpuBackend<f32>,
    pub(super) calls: Arc<AtomicUsize>,
    pub(super) faults: Arc<BTreeMap<usize, Fault>>,
    pub(super) corrupt: Option<Fault>,
    pub(super) falls: bool,
}

/// Does nothing for a while, as a driver that hangs.
fn nothing(time: Duration) {
    let never = Mutex::new(());
    let held = never.lock().unwrap_or_else(PoisonError::into_inner);
    drop(Condvar::new().wait_timeout(held, time));
}

impl Backend for Faulty {
    forward!(inner: device, limits, compile, write, read);

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        self.fails()?;
        self.inner.run(program, steps)
    }

    fn run_together(
        &mut self,
        program: ProgramId,
        parts: &[Step],
    ) -> Result<Option<bool>, BackendError> {
        self.fails()?;
        let ran = self.inner.run_together(program, parts)?;
        let dissolves = |fault: &mut Fault| *fault == Fault::Dissolves;
        if ran.is_some() && self.corrupt.take_if(dissolves).is_some() {
            let nonsense = [f32::NAN];
            self.inner
                .write(buffer::GRADIENTS, 0, 0, Data::F32(&nonsense))?;
            return Ok(Some(false));
        }
        Ok(ran)
    }

    fn check(&mut self, programs: &[&Program]) -> Result<Vec<Check>, BackendError> {
        let mut checks = self.inner.check(programs)?;
        self.fails()?;
        if self
            .corrupt
            .take()
            .is_some_and(|fault| fault != Fault::Slips)
        {
            checks[0].error = 0.5;
        }
        Ok(checks)
    }

    fn take(
        &mut self,
        buffer: &str,
        member: usize,
        len: usize,
        spare: Vec<f32>,
    ) -> Result<Vec<f32>, BackendError> {
        let mut values = self.inner.take(buffer, member, len, spare)?;
        if buffer == buffer::GRADIENTS {
            match self.corrupt.take() {
                Some(Fault::Dissolves) => values[0] = f32::NAN,
                Some(_) => values[0] = f32::from_bits(values[0].to_bits() ^ 1 << 20),
                None => {}
            }
        }
        Ok(values)
    }

    fn update(
        &mut self,
        program: ProgramId,
        step: &Step,
        sizes: [usize; 2],
        gradients: &dyn Gradients,
    ) -> Result<(), BackendError> {
        self.fails()?;
        self.inner.update(program, step, sizes, gradients)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if self.falls {
            std::panic::resume_unwind(Box::new("a driver panics"));
        }
    }
}

impl Faulty {
    fn fails(&mut self) -> Result<(), BackendError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.faults.get(&call) {
            Some(&fault @ (Fault::Kills | Fault::Falls)) => {
                self.falls = fault == Fault::Falls;
                return Err(BackendError::Device {
                    device: "a test".into(),
                    reason: "it was killed".into(),
                });
            }
            // Without a word on standard error.
            Some(Fault::Panics) => std::panic::resume_unwind(Box::new("a driver panics")),
            Some(Fault::Hangs) => nothing(4 * LIMIT),
            Some(Fault::Slows) => nothing(LIMIT / 10),
            Some(&(Fault::Corrupts | Fault::Slips | Fault::Dissolves)) => {
                self.corrupt = self.faults.get(&call).copied();
            }
            None => {}
        }
        Ok(())
    }
}

pub(super) fn spec(faults: BTreeMap<usize, Fault>) -> Spec {
    spec_of(1, faults)
}

/// The same of more threads, which is another device.
pub(super) fn spec_of(threads: usize, faults: BTreeMap<usize, Fault>) -> Spec {
    let (calls, faults) = (Arc::new(AtomicUsize::new(0)), Arc::new(faults));
    Spec {
        name: "cpu".into(),
        kind: DeviceKind::Cpu {
            threads: threads as u32,
        },
        weight: 1.0,
        start: Start::Thread(Arc::new(move || {
            Ok(Box::new(Faulty {
                inner: CpuBackend::with_threads(threads),
                calls: Arc::clone(&calls),
                faults: Arc::clone(&faults),
                corrupt: None,
                falls: false,
            }))
        })),
        spares: Vec::new(),
    }
}
