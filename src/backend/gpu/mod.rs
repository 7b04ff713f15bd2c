//! The GPU backend: programs become recorded dispatches of WGSL kernels, through wgpu.

mod arena;
mod call;
mod clock;
mod device;
mod emit;
mod entry;
mod form;
mod held;
mod image;
mod kept;
mod matrices;
mod memory;
mod pace;
mod readback;
mod record;
mod resident;
mod shader;
mod sums;
mod table;
mod tile;
mod tune;

use std::time::Duration;

pub use device::{AdapterChoice, AdapterInfo, adapters};
pub use emit::wgsl;
pub use shader::{KERNELS, specialized};
pub use sums::Sums;
pub use tile::Tile;
pub use tune::Tuning;

use self::clock::Clock;
use self::device::Device;
use self::form::{Form, in_tiles};
use self::held::Held;
use self::kept::Kept;
use self::memory::stride;
use self::pace::{PATIENCE, Pace};
use self::readback::Readback;
use self::record::{Dispatch, Memory, encode, record};
use self::resident::Resident;
use self::shader::Pipelines;
use self::tile::Tiles;
use self::tune::{Bench, Tuner};
use super::check::check_adapter;
use super::{Backend, BackendError, Check, Data, Limits, Names, ProgramId, Reading};
use crate::program::{Op, Program, Step};

/// Steps that one submission holds at most, and distance of their entries in the table of steps.
const STEPS: usize = 1024;
const STEP_BYTES: usize = 256;

/// How a program's steps are put to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The faster of the two for the program's size.
    #[default]
    Auto,
    /// A dispatch for each op of each step.
    Dispatches,
    /// A dispatch for many whole steps, where the program fits one.
    Resident,
}

/// Bytes of a write that are staged at a time.
const STAGED: usize = 1 << 22;

/// A step of fewer floating-point operations for each member is faster in one workgroup than in a dispatch for each op,
/// whose overhead of some 50 µs a step is then most of its time.
const RESIDENT_BELOW: usize = 400_000;

/// The same with all products, where a software adapter makes some in tiles: a dispatch takes nearly 20 µs there, 200 a step, and a workgroup,
/// which one processor runs, makes such products as fast as three do in dispatches of their own. On two processors steps of 14 million gain
/// two thirds still; on many, such steps would lose what these gain.
const RESIDENT_BELOW_IN_TILES: usize = 5_000_000;

/// Runs programs on one adapter.
#[derive(Debug)]
pub struct GpuBackend {
    device: Device,
    pipelines: Pipelines,
    sums: Sums,
    tiles: Tiles,
    /// What finds tiles, if it was asked for.
    tuner: Option<Tuner>,
    names: Names,
    buffers: Vec<wgpu::Buffer>,
    steps: wgpu::Buffer,
    step: wgpu::BindGroup,
    programs: Vec<Compiled>,
    held: Option<Held>,
    readback: Readback,
    mode: Mode,
    patience: (Duration, f64),
    choice: AdapterChoice,
}

#[derive(Debug)]
struct Compiled {
    /// Its tensors name the backend's buffers.
    program: Program,
    recording: Recording,
    pace: Pace,
}

#[derive(Debug)]
enum Recording {
    /// In the order of a step's ops.
    Dispatches(Vec<Dispatch>),
    Resident(Box<Resident>),
}

impl Recording {
    /// Steps that one submission holds at most.
    fn most_steps(&self) -> usize {
        match self {
            Recording::Dispatches(_) => STEPS,
            Recording::Resident(resident) => resident::STEPS.min(STEPS * resident.stride),
        }
    }
}

impl GpuBackend {
    /// Opens an adapter.
    pub fn open(choice: &AdapterChoice) -> Result<Self, BackendError> {
        let device = Device::open(choice)?;
        let steps = device.handle.create_buffer(&wgpu::BufferDescriptor {
            label: Some("steps"),
            size: (STEPS * STEP_BYTES) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let layout = shader::step_layout(&device);
        let step = device.handle.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("step"),
            layout: &layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &steps,
                    offset: 0,
                    size: std::num::NonZeroU64::new(size_of::<Step>() as u64),
                }),
            }],
        });
        Ok(GpuBackend {
            pipelines: Pipelines::new(layout),
            sums: if device.software {
                Sums::Rising
            } else {
                Sums::ByShape
            },
            tiles: Tiles::default(),
            tuner: None,
            device,
            names: Names::default(),
            buffers: Vec::new(),
            steps,
            step,
            programs: Vec::new(),
            held: None,
            readback: Readback::default(),
            mode: Mode::default(),
            patience: PATIENCE,
            choice: choice.clone(),
        })
    }

    /// The same backend with programs compiled from now on in this mode.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The same backend with the sums of programs compiled from now on made in another way than the adapter's own.
    #[must_use]
    pub fn with_sums(mut self, sums: Sums) -> Self {
        self.sums = sums;
        self
    }

    /// The same backend with products of programs compiled from now on cut in one way, one of [`GpuBackend::tiles`].
    #[must_use]
    pub fn with_tile(mut self, tile: Tile) -> Self {
        self.tiles.only = Some(tile);
        self
    }

    /// The same backend with products of programs compiled from now on cut in the fastest way, which is tried where it is not
    /// remembered, as long as the limit allows. Pipelines are kept beside, where the driver can. The bits are the same whichever it is.
    #[must_use]
    pub fn with_tuning(mut self, tuning: &Tuning) -> Self {
        if let Some(folder) = &tuning.folder {
            self.pipelines.kept = Kept::open(&self.device, folder);
        }
        self.tuner = Some(Tuner::new(&self.device, tuning, &mut self.tiles));
        self
    }

    /// Kinds of products that were tried.
    pub fn tried(&self) -> usize {
        self.tuner.as_ref().map_or(0, Tuner::tried)
    }

    /// The ways to cut a product that the adapter runs.
    pub fn tiles(&self) -> Vec<Tile> {
        Tiles::of(&self.device)
    }

    /// The same backend with another patience: a device is said to hang that takes longer by `beyond` than `times` as long as it
    /// took before. A minute and 100, if nothing is said.
    #[must_use]
    pub fn with_patience(mut self, beyond: Duration, times: f64) -> Self {
        self.patience = (beyond, times);
        self
    }

    /// Dispatches of a submission of `steps` steps of this program.
    pub fn dispatches(&self, program: ProgramId, steps: usize) -> usize {
        match &self.programs[program.0].recording {
            Recording::Dispatches(dispatches) => steps * dispatches.len(),
            Recording::Resident(resident) => steps.div_ceil(resident.stride),
        }
    }

    fn record(&mut self, program: &Program) -> Result<Recording, BackendError> {
        let memory = Memory {
            buffers: &self.names.buffers,
            allocated: &self.buffers,
        };
        let form = Form::of(&self.device);
        let (tiled, others): (Vec<_>, Vec<_>) = program
            .ops
            .iter()
            .partition(|op| in_tiles(program, op, form));
        let flops = |ops: &[&Op]| ops.iter().map(|op| op.flops(program)).sum::<usize>();
        let (tiled, others) = (flops(&tiled), flops(&others));
        let small = match self.mode {
            Mode::Auto => others < RESIDENT_BELOW && others + tiled < RESIDENT_BELOW_IN_TILES,
            Mode::Dispatches => false,
            Mode::Resident => true,
        };
        if small
            && let Some(resident) =
                Resident::new(&self.device, &mut self.pipelines, program, &memory)?
        {
            return Ok(Recording::Resident(Box::new(resident)));
        }
        if let Some(tuner) = &mut self.tuner {
            let mut bench = Bench {
                device: &self.device,
                pipelines: &mut self.pipelines,
                table: &self.steps,
                step: &self.step,
                clock: Clock::of(&self.device),
                compiled: Duration::ZERO,
            };
            tuner.tune(&mut bench, program, (self.sums, &mut self.tiles))?;
        }
        let cut = (self.sums, &self.tiles);
        record(&self.device, &mut self.pipelines, program, &memory, cut).map(Recording::Dispatches)
    }
}

impl Backend for GpuBackend {
    fn device(&self) -> String {
        self.device.name.clone()
    }

    fn limits(&self) -> Limits {
        Limits {
            tensor: record::binding_elements(&self.device).saturating_sub(64),
            rows: 16_384,
        }
    }

    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        self.release();
        let before = self.names.buffers.clone();
        let mut program = program.clone();
        let places = self.names.merge(&program)?;
        let moved = self.allocate(&before, &program)?;
        for tensor in &mut program.tensors {
            tensor.buffer = places[tensor.buffer];
        }
        if moved {
            for index in 0..self.programs.len() {
                let known = self.programs[index].program.clone();
                self.programs[index].recording = self.record(&known)?;
            }
        }
        let recording = self.record(&program)?;
        self.programs.push(Compiled {
            pace: Pace::of(&program),
            program,
            recording,
        });
        self.device.check()?;
        self.pipelines.save();
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        let compiled = &self.programs[program.0];
        let now = &steps[..steps.len().min(compiled.pace.steps)];
        super::check_steps(&compiled.program, now)?;
        if now.is_empty() {
            return Ok(0);
        }
        let mut encoder = self
            .device
            .handle
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if self.held.is_some_and(|held| held.program != program.0) {
            self.settle(&mut encoder);
            self.held = None;
        }
        match &self.programs[program.0].recording {
            Recording::Resident(resident) => {
                if self.held.is_none() {
                    resident.take(&mut encoder, &self.buffers);
                }
                let table = (&self.steps, &self.step, STEP_BYTES);
                resident.encode(&self.device, &mut encoder, table, now);
                self.held = Some(Held {
                    program: program.0,
                    is_newer: true,
                });
            }
            Recording::Dispatches(dispatches) => {
                encode(
                    &self.device,
                    &mut encoder,
                    &self.steps,
                    &self.step,
                    (dispatches, now),
                    None,
                );
            }
        }
        let index = self.device.queue.submit([encoder.finish()]);
        let pace = &mut self.programs[program.0].pace;
        pace.submitted(index, now.len());
        self.wait(program.0, 1)?;
        Ok(now.len())
    }

    fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        data: Data<'_>,
    ) -> Result<(), BackendError> {
        let place = self.names.find(buffer, member, offset, data.len())?;
        if self.is_held(place) {
            self.release();
        }
        let mut at = (4 * (member * stride(&self.names.buffers[place]) + offset)) as u64;
        let bytes: &[u8] = match data {
            Data::F32(values) => bytemuck::cast_slice(values),
            Data::U32(values) => bytemuck::cast_slice(values),
        };
        // wgpu stages a write until the next submission; in pieces, a large dataset is not held twice.
        for piece in bytes.chunks(STAGED) {
            self.device
                .queue
                .write_buffer(&self.buffers[place], at, piece);
            at += piece.len() as u64;
            if piece.len() == STAGED {
                self.device.queue.submit([]);
                self.device.wait(None, self.limit())?;
            }
        }
        self.device.check()
    }

    fn read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<f32>, BackendError> {
        let reading = self.begin_read(buffer, member, offset, len)?;
        self.finish_read(reading)
    }

    fn begin_read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Reading, BackendError> {
        let place = self.names.find(buffer, member, offset, len)?;
        if len == 0 {
            return Ok(Reading::Done(Vec::new()));
        }
        let from = (4 * (member * stride(&self.names.buffers[place]) + offset)) as u64;
        let mut encoder = self
            .device
            .handle
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if self.is_behind(place) {
            self.settle(&mut encoder);
        }
        let bytes = 4 * len as u64;
        let buffer = &self.buffers[place];
        let number = self
            .readback
            .begin(&self.device, encoder, buffer, from, bytes);
        Ok(Reading::Pending(number))
    }

    fn finish_read(&mut self, reading: Reading) -> Result<Vec<f32>, BackendError> {
        match reading {
            Reading::Done(values) => Ok(values),
            Reading::Pending(number) => {
                let limit = self.limit();
                self.readback.finish(&self.device, number, limit)
            }
        }
    }

    fn check(&mut self, programs: &[&Program]) -> Result<Vec<Check>, BackendError> {
        check_adapter(&self.choice, programs)
    }

    fn destroy(&mut self) {
        self.device.handle.destroy();
    }

    fn invalidate(&mut self) {
        // A buffer for nothing.
        let _ = self.device.handle.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 16,
            usage: wgpu::BufferUsages::empty(),
            mapped_at_creation: false,
        });
    }
}
