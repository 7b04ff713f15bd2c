//! What runs programs: one small trait, a CPU and a GPU behind it.

pub mod cpu;
pub mod faults;
pub mod gpu;

mod check;
mod forward;
mod tolerance;

pub use check::{Check, Drawn, check, contents, difference, kernels, products};
pub use tolerance::{TOLERANCES, tolerance};

use crate::model::{Network, Weights};
use crate::program::{Place, Places, Program, Rows, Step, buffer};

/// A program that a backend has compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramId(pub(crate) usize);

/// Values for a buffer.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// For a buffer of numbers.
    F32(&'a [f32]),
    /// For a buffer of row indices.
    U32(&'a [u32]),
}

impl<'a> From<&'a [f32]> for Data<'a> {
    fn from(values: &'a [f32]) -> Self {
        Data::F32(values)
    }
}

impl<'a> From<&'a [u32]> for Data<'a> {
    fn from(values: &'a [u32]) -> Self {
        Data::U32(values)
    }
}

impl Data<'_> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::U32(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The largest things a backend takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Elements of one tensor.
    pub tensor: usize,
    /// Rows of a batch; a larger one is cut into micro-batches.
    pub rows: usize,
}

/// Why a backend could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No adapter fits.
    #[error("no GPU adapter {wanted}; {found}. {advice}")]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// What is there.
        found: String,
        /// What to do.
        advice: String,
    },
    /// The adapter refuses or lacks something.
    #[error("{device} cannot be used: {reason}")]
    Unusable {
        /// The adapter.
        device: String,
        /// What it said.
        reason: String,
    },
    /// A buffer or tensor beyond the device's limits.
    #[error(
        "{what} needs {needed} bytes; {device} takes at most {limit}. Use a smaller network, or --device cpu"
    )]
    TooLarge {
        /// The buffer or tensor.
        what: String,
        /// Its size in bytes.
        needed: usize,
        /// The limit in bytes.
        limit: usize,
        /// The device.
        device: String,
    },
    /// The device reported an error, or is gone.
    #[error("{device} failed: {reason}")]
    Device {
        /// The adapter.
        device: String,
        /// What it said.
        reason: String,
    },
    /// The device is gone: its driver reset it, it was taken out, or the system took it away.
    #[error("{device} was lost: {reason}")]
    Lost {
        /// The adapter.
        device: String,
        /// What it said.
        reason: String,
    },
    /// The device's memory does not suffice.
    #[error(
        "{device} has no memory left: {reason}. Use a smaller batch or network, or --device cpu"
    )]
    OutOfMemory {
        /// The adapter.
        device: String,
        /// What it said.
        reason: String,
    },
    /// What was handed to the device does not come back.
    #[error("{device} hangs: it did not answer for {seconds:.0} s")]
    Hung {
        /// The adapter.
        device: String,
        /// How long it was waited for.
        seconds: f64,
    },
    /// A call that does not fit the compiled programs.
    #[error("{0}")]
    Misuse(String),
}

impl BackendError {
    /// Whether the device failed, so that another one, or the same opened anew, may do the work.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            BackendError::Device { .. }
                | BackendError::Lost { .. }
                | BackendError::OutOfMemory { .. }
                | BackendError::Hung { .. }
        )
    }
}

/// What is read of a buffer: there already, or on its way by a number that the backend gave it.
#[derive(Debug)]
pub enum Reading {
    /// The values.
    Done(Vec<f32>),
    /// The read's number.
    Pending(u64),
}

impl Reading {
    /// Whether there is nothing to wait for.
    pub fn is_done(&self) -> bool {
        matches!(self, Reading::Done(_))
    }
}

/// Numbers, and as many that are to be added to them, if there are any.
pub type Terms<'a, T> = (&'a [T], Option<&'a [T]>);

/// Gradients that are added up as they are read.
pub trait Gradients: Sync {
    /// A member's from element `first` on, as many as `memory` has room for: the first term plus the second, in `f32`. They may be in the
    /// memory, of which nothing else is read.
    fn read<'a>(&'a self, member: usize, first: usize, memory: &'a mut [f32]) -> Terms<'a, f32>;

    /// The first `len` of a member's.
    fn all(&self, member: usize, len: usize) -> Vec<f32> {
        let mut memory = vec![0.0; len];
        match self.read(member, 0, &mut memory) {
            (one, None) => one.to_vec(),
            (one, Some(other)) => one
                .iter()
                .zip(other)
                .map(|(one, other)| one + other)
                .collect(),
        }
    }
}

/// Runs programs. Programs compiled on one backend share the buffers whose names they share.
pub trait Backend: Send {
    /// What it runs on, for people.
    fn device(&self) -> String;

    /// The largest things it takes.
    fn limits(&self) -> Limits;

    /// Makes a program ready to run; its buffers start at zero where they did not exist.
    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError>;

    /// Runs steps in order, from the first: at least one, else as many as fit into about 50 ms. Returns how many.
    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError>;

    /// Parts that a batch is cut into at least, where a step's gradients are made in parts; none where it is made whole.
    fn shards(&self) -> Option<usize> {
        None
    }

    /// Makes steps, each from its parts: adds up their gradients by the one program, and updates by the other. At least one, else as
    /// many as fit into about 50 ms. Returns how many.
    fn learn(
        &mut self,
        [gradients, update]: [ProgramId; 2],
        steps: &[Vec<Step>],
    ) -> Result<usize, BackendError> {
        let Some(step) = steps.first() else {
            return Ok(0);
        };
        for (program, parts) in [(gradients, &step[..]), (update, &step[step.len() - 1..])] {
            let mut done = 0;
            while done < parts.len() {
                done += self.run(program, &parts[done..])?;
            }
        }
        Ok(1)
    }

    /// Runs neighbouring parts of a step together: what the program writes over all rows (gradients) is then the sum of what it
    /// writes for each part, along the binary tree over them, and the log has each part's record. The bits do not hang on which
    /// parts are run together. Returns whether the sums are finite, as which nobody looks at them again. If it returns nothing, nothing
    /// was done, nor can it be with this program.
    fn run_together(
        &mut self,
        _program: ProgramId,
        _parts: &[Step],
    ) -> Result<Option<bool>, BackendError> {
        Ok(None)
    }

    /// Takes `len` values out of a member's part of a buffer of numbers. What the buffer holds then is undefined: it may be
    /// `spare`, whose contents do not matter.
    fn take(
        &mut self,
        buffer: &str,
        member: usize,
        len: usize,
        _spare: Vec<f32>,
    ) -> Result<Vec<f32>, BackendError> {
        self.read(buffer, member, 0, len)
    }

    /// Runs a step of an update by gradients that are not in [`buffer::GRADIENTS`]. There are `members` with `len` each.
    fn update(
        &mut self,
        program: ProgramId,
        step: &Step,
        [members, len]: [usize; 2],
        gradients: &dyn Gradients,
    ) -> Result<(), BackendError> {
        for member in 0..members {
            let values = gradients.all(member, len);
            self.write(buffer::GRADIENTS, member, 0, Data::F32(&values))?;
        }
        let mut done = 0;
        while done == 0 {
            done = self.run(program, std::slice::from_ref(step))?;
        }
        Ok(())
    }

    /// Writes values into a member's part of a buffer, from element `offset` on.
    fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        data: Data<'_>,
    ) -> Result<(), BackendError>;

    /// Reads `len` values of a member's part of a buffer of numbers, once all steps before are done.
    fn read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<f32>, BackendError>;

    /// Begins to read, behind all steps so far: what is run or written from now on does not change the values, and may be under way
    /// before [`Backend::finish_read`] waits for them.
    fn begin_read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Reading, BackendError> {
        self.read(buffer, member, offset, len).map(Reading::Done)
    }

    /// Waits for a read that this backend has begun.
    fn finish_read(&mut self, reading: Reading) -> Result<Vec<f32>, BackendError> {
        match reading {
            Reading::Done(values) => Ok(values),
            Reading::Pending(number) => Err(BackendError::Misuse(format!(
                "read {number} was begun by another backend"
            ))),
        }
    }

    /// Runs the kernels that these programs consist of against their twins, on what it runs on, beside what it holds. It takes some
    /// seconds; none are found where a backend cannot be checked.
    fn check(&mut self, _programs: &[&Program]) -> Result<Vec<Check>, BackendError> {
        Ok(Vec::new())
    }

    /// Makes the device go away, as a driver's failure does: for tests of what happens then.
    fn destroy(&mut self) {}

    /// Makes a call that the device's driver finds wrong: for the same tests.
    fn invalidate(&mut self) {}
}

/// Runs all `steps`, however many calls that takes.
pub fn run_all(
    backend: &mut dyn Backend,
    program: ProgramId,
    steps: &[Step],
) -> Result<(), BackendError> {
    let mut done = 0;
    while done < steps.len() {
        done += backend.run(program, &steps[done..])?;
    }
    Ok(())
}

/// Waits for reads that the backend has begun.
pub fn finish_reads(
    backend: &mut dyn Backend,
    readings: Vec<Reading>,
) -> Result<Vec<Vec<f32>>, BackendError> {
    let readings = readings.into_iter();
    readings
        .map(|reading| backend.finish_read(reading))
        .collect()
}

/// Writes a member's weights where compiled programs have them: the trained ones into the buffer `flat`, which is
/// [`buffer::PARAMETERS`] or one that is laid out alike.
pub fn write_weights(
    backend: &mut dyn Backend,
    network: &Network,
    flat: &str,
    member: usize,
    Weights(weights): &Weights,
) -> Result<(), BackendError> {
    for (place, values) in Places::new(network).places.iter().zip(weights) {
        backend.write(place.among(flat), member, place.offset, Data::F32(values))?;
    }
    Ok(())
}

/// Reads what [`write_weights`] writes.
pub fn read_weights(
    backend: &mut dyn Backend,
    network: &Network,
    flat: &str,
    member: usize,
) -> Result<Weights, BackendError> {
    let places = Places::new(network).places;
    let begin =
        |place: &Place| backend.begin_read(place.among(flat), member, place.offset, place.len());
    let readings: Vec<Reading> = places.iter().map(begin).collect::<Result<_, _>>()?;
    finish_reads(backend, readings).map(Weights)
}

/// Whether steps stay inside the program's buffers.
fn check_steps(program: &Program, steps: &[Step]) -> Result<(), BackendError> {
    let order = program
        .tensor(buffer::ORDER)
        .map_or(usize::MAX, |tensor| tensor.columns);
    let records = program
        .tensor(buffer::LOG)
        .map_or(usize::MAX, |tensor| match tensor.rows {
            Rows::Fixed(rows) => rows,
            Rows::Batch => program.batch,
        });
    for step in steps {
        let (first, rows) = (step.first as usize, step.rows as usize);
        if rows > program.batch || first + rows > order || step.record as usize >= records {
            return Err(BackendError::Misuse(format!(
                "step (rows {first}..{}, record {}) is outside its program (batch {}, order {order}, records {records})",
                first + rows,
                step.record,
                program.batch,
            )));
        }
    }
    Ok(())
}

/// How long one call of [`Backend::run`] works, so that its caller stays in control.
pub(crate) const SLICE: std::time::Duration = std::time::Duration::from_millis(50);

/// Where buffers are found by name, and how large they have become: the part of a backend that both share.
#[derive(Debug, Default)]
struct Names {
    members: Option<usize>,
    buffers: Vec<crate::program::Buffer>,
}

impl Names {
    /// Positions of the program's buffers, adding those that are new. An existing buffer may have grown.
    fn merge(&mut self, program: &Program) -> Result<Vec<usize>, BackendError> {
        match self.members {
            Some(members) if members != program.members => {
                return Err(BackendError::Misuse(format!(
                    "a program of {} members on a backend with programs of {members}",
                    program.members
                )));
            }
            _ => self.members = Some(program.members),
        }
        let mut places = Vec::with_capacity(program.buffers.len());
        for buffer in &program.buffers {
            let place = self
                .buffers
                .iter()
                .position(|known| known.name == buffer.name);
            match place.map(|place| (place, &mut self.buffers[place])) {
                None => {
                    self.buffers.push(buffer.clone());
                    places.push(self.buffers.len() - 1);
                }
                Some((place, known))
                    if (known.element, known.shared) == (buffer.element, buffer.shared) =>
                {
                    known.len = known.len.max(buffer.len);
                    places.push(place);
                }
                Some(_) => {
                    return Err(BackendError::Misuse(format!(
                        "two programs disagree on what the buffer {} holds",
                        buffer.name
                    )));
                }
            }
        }
        Ok(places)
    }

    /// Position of the buffer of this name, if `member` and the range lie inside it.
    fn find(
        &self,
        name: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<usize, BackendError> {
        let place = self
            .buffers
            .iter()
            .position(|buffer| buffer.name == name)
            .ok_or_else(|| {
                BackendError::Misuse(format!("no compiled program has a buffer {name}"))
            })?;
        let buffer = &self.buffers[place];
        let members = if buffer.shared {
            1
        } else {
            self.members.unwrap_or(0)
        };
        if member >= members || offset.checked_add(len).is_none_or(|end| end > buffer.len) {
            return Err(BackendError::Misuse(format!(
                "{name}[{member}][{offset}..+{len}] is outside its {members} × {} values",
                buffer.len
            )));
        }
        Ok(place)
    }
}
