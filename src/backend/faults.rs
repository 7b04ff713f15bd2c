//! Failures that are asked for: a backend that loses its device, hangs, slows down or writes nonsense at given steps.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Backend, BackendError, Check, Data, Gradients, ProgramId, Reading};
use crate::forward;
use crate::program::{Program, Step, buffer};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device is lost.
    Lose,
    /// Its memory is exhausted.
    Exhaust,
    /// Its driver reports that a call was wrong.
    Invalid,
    /// A submission does not come back.
    Hang,
    /// A call takes longer by so much.
    Slow(Duration),
    /// A parameter of the first member is no number any more.
    Corrupt,
    /// Gradients that are handed over are wrong from here on, and so is a kernel when they are checked.
    Wrong,
}

/// Failures to come, each at its step, in the order of the steps. Copies share them: what has failed once does not fail again.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<(u64, Fault)>>>);

impl Faults {
    /// Each at the first learning step that has as many before it.
    pub fn new(mut faults: Vec<(u64, Fault)>) -> Self {
        faults.sort_by_key(|(step, _)| *step);
        Faults(Arc::new(Mutex::new(faults)))
    }

    /// How many are still to come.
    pub fn left(&self) -> usize {
        self.list(|faults| faults.len())
    }

    fn list<R>(&self, with: impl FnOnce(&mut Vec<(u64, Fault)>) -> R) -> R {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// As `lose@120,slow@5:20ms,lose@120`: `lose`, `memory`, `invalid`, `hang`, `nan`, `wrong`, or `slow` with its milliseconds.
impl FromStr for Faults {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fault = |word: &str| {
            let (name, step) = word.split_once('@')?;
            let (step, time) = match step.split_once(':') {
                Some((step, time)) => (step, Some(time.strip_suffix("ms")?.parse().ok()?)),
                None => (step, None),
            };
            let fault = match (name, time) {
                ("lose", None) => Fault::Lose,
                ("memory", None) => Fault::Exhaust,
                ("invalid", None) => Fault::Invalid,
                ("hang", None) => Fault::Hang,
                ("nan", None) => Fault::Corrupt,
                ("wrong", None) => Fault::Wrong,
                ("slow", Some(time)) => Fault::Slow(Duration::from_millis(time)),
                _ => return None,
            };
            Some((step.parse().ok()?, fault))
        };
        let named = |word| {
            fault(word).ok_or_else(|| format!("{word} is no fault, as lose@120 or slow@5:20ms"))
        };
        let faults = text.split(',').map(named).collect::<Result<_, _>>()?;
        Ok(Faults::new(faults))
    }
}

/// A backend with such failures.
pub struct Faulty {
    inner: Box<dyn Backend>,
    faults: Faults,
    /// What its device failed of.
    gone: Option<Fault>,
    /// Whether it computes wrong.
    wrong: bool,
}

impl Faulty {
    /// Around another backend.
    pub fn new(inner: Box<dyn Backend>, faults: Faults) -> Self {
        Faulty {
            inner,
            faults,
            gone: None,
            wrong: false,
        }
    }

    /// What a device that is gone says to everything.
    fn there(&self) -> Result<(), BackendError> {
        let device = self.inner.device();
        match self.gone {
            None => Ok(()),
            Some(Fault::Hang) => Err(BackendError::Hung {
                device,
                seconds: 0.0,
            }),
            Some(Fault::Exhaust) => Err(BackendError::OutOfMemory {
                device,
                reason: "as it was asked to".into(),
            }),
            Some(Fault::Invalid) => Err(BackendError::Device {
                device,
                reason: "as it was asked to".into(),
            }),
            Some(_) => Err(BackendError::Lost {
                device,
                reason: "as it was asked to".into(),
            }),
        }
    }
}

impl Faulty {
    /// Fails, if that is due at the first of these steps. Returns how many may be run: all, if that is 0.
    fn before(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        self.there()?;
        // A step without a rate learns nothing: it evaluates.
        let falls = |at: u64| {
            let reached = |step: &Step| step.rate != 0.0 && u64::from(step.number) >= at;
            steps.iter().position(reached)
        };
        // Several workers may come to it at a time: one of them has it.
        let next = self.faults.list(|faults| {
            let place = falls(faults.first()?.0)?;
            Some((place, (place == 0).then(|| faults.remove(0).1)))
        });
        let fault = match next {
            None => return Ok(0),
            Some((place, None)) => return Ok(place),
            Some((_, Some(fault))) => fault,
        };
        match fault {
            Fault::Slow(time) => std::thread::sleep(time),
            Fault::Corrupt => {
                let nonsense = [f32::NAN];
                self.inner
                    .write(buffer::PARAMETERS, 0, 0, Data::F32(&nonsense))?;
            }
            Fault::Wrong => self.wrong = true,
            Fault::Lose | Fault::Exhaust | Fault::Invalid | Fault::Hang => {
                self.gone = Some(fault);
                if matches!(fault, Fault::Lose | Fault::Invalid) {
                    if fault == Fault::Lose {
                        self.inner.destroy();
                    } else {
                        self.inner.invalidate();
                    }
                    // A device that can be lost says so itself.
                    self.inner.run(program, steps)?;
                    self.inner.read(buffer::PARAMETERS, 0, 0, 1)?;
                }
                self.there()?;
            }
        }
        // That step alone: one fault a step.
        Ok(1)
    }
}

impl Backend for Faulty {
    forward!(inner: device, limits, destroy, invalidate);

    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        self.there()?;
        self.inner.compile(program)
    }

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        match self.before(program, steps)? {
            0 => self.inner.run(program, steps),
            some => self.inner.run(program, &steps[..some]),
        }
    }

    fn run_together(
        &mut self,
        program: ProgramId,
        parts: &[Step],
    ) -> Result<Option<bool>, BackendError> {
        self.before(program, parts)?;
        self.inner.run_together(program, parts)
    }

    fn take(
        &mut self,
        buffer: &str,
        member: usize,
        len: usize,
        spare: Vec<f32>,
    ) -> Result<Vec<f32>, BackendError> {
        self.there()?;
        let mut values = self.inner.take(buffer, member, len, spare)?;
        if self.wrong
            && buffer == buffer::GRADIENTS
            && let Some(first) = values.first_mut()
        {
            *first = f32::from_bits(first.to_bits() ^ 1 << 20);
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
        self.before(program, std::slice::from_ref(step))?;
        self.inner.update(program, step, sizes, gradients)
    }

    fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        data: Data<'_>,
    ) -> Result<(), BackendError> {
        self.there()?;
        self.inner.write(buffer, member, offset, data)
    }

    fn read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<f32>, BackendError> {
        self.there()?;
        self.inner.read(buffer, member, offset, len)
    }

    fn begin_read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Reading, BackendError> {
        self.there()?;
        self.inner.begin_read(buffer, member, offset, len)
    }

    fn finish_read(&mut self, reading: Reading) -> Result<Vec<f32>, BackendError> {
        self.there()?;
        self.inner.finish_read(reading)
    }

    fn check(&mut self, programs: &[&Program]) -> Result<Vec<Check>, BackendError> {
        self.there()?;
        let mut checks = self.inner.check(programs)?;
        if self.wrong
            && let Some(first) = checks.first_mut()
        {
            first.error = 0.5;
        }
        Ok(checks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_in_any_order_and_refused_where_they_are_none() {
        let faults: Faults = "lose@9,slow@3:20ms,nan@4,wrong@5".parse().expect("faults");
        let expected = [
            (3, Fault::Slow(Duration::from_millis(20))),
            (4, Fault::Corrupt),
            (5, Fault::Wrong),
            (9, Fault::Lose),
        ];
        faults.list(|list| assert_eq!(list[..], expected));
        for text in [
            "",
            "lose",
            "lose@x",
            "lose@3:1ms",
            "slow@3",
            "slow@3:1s",
            "burn@3",
        ] {
            text.parse::<Faults>().expect_err(text);
        }
    }
}
