//! Every kernel on an adapter against its twin: programs of one op each, from drawn values.

mod drawn;
mod evaluations;
mod kernels;
mod layers;
mod products;
mod small;
mod updates;

pub use drawn::{Drawn, contents};
pub use kernels::{kernels, products};

use std::time::{Duration, Instant};

use super::cpu::CpuBackend;
use super::gpu::{AdapterChoice, GpuBackend, Mode, Sums};
use super::{Backend, BackendError, tolerance};
use crate::model::{Activation, Network};
use crate::program::{Capacity, Loss, LossFunction, Op, Optimizer, Precision, Program, Reduction};

/// How far a kernel is from its twin.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The kernel's name, as its file has it.
    pub kernel: &'static str,
    /// Programs that it was tried in.
    pub cases: usize,
    /// The largest difference of a value, relative to the largest value of its tensor, or to 1 if that is less.
    pub error: f32,
}

impl Check {
    /// Whether the kernel agrees with its twin.
    pub fn passed(&self) -> bool {
        self.error <= tolerance(self.kernel)
    }
}

/// Sizes of the products that are tried: one of everything, around a subgroup, around a tile, over a few of them.
const SIZES: [[usize; 3]; 5] = [
    [1, 1, 1],
    [7, 9, 5],
    [33, 31, 17],
    [64, 65, 63],
    [130, 70, 200],
];

/// Sizes of the products that are tried in every tile: by words, by vectors of four, and with sums so long that they are made in slices
/// and by lanes.
const IN_EACH_TILE: [[usize; 3]; 3] = [[33, 31, 17], [68, 72, 200], [300, 9, 272]];

/// Runs every kernel on an adapter, products in every tile that it has and in both precisions, and compares it with its twin.
/// Behind each program `told` gets how many are done, and how many there are.
pub fn check(
    choice: &AdapterChoice,
    told: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Check>, BackendError> {
    let mut checking = Checking {
        wanted: None,
        until: None,
        checks: Vec::new(),
        count: 0,
        told,
    };
    checking.adapter(choice, &LossFunction::ALL)?;
    Ok(checking.sorted())
}

/// How long [`check_adapter`] and [`check_processor`] begin with further kernels.
const TIME: Duration = Duration::from_secs(10);

/// What programs consist of: names of their kernels, and losses.
fn parts(programs: &[&Program]) -> (Vec<&'static str>, Vec<LossFunction>) {
    let (mut kernels, mut losses) = (Vec::new(), Vec::new());
    for op in programs.iter().flat_map(|program| &program.ops) {
        if !kernels.contains(&op.name()) {
            kernels.push(op.name());
        }
        if let Op::LossGradient { function, .. } = op
            && !losses.contains(function)
        {
            losses.push(*function);
        }
    }
    (kernels, losses)
}

/// Runs the kernels that programs consist of on an adapter, for some seconds at most, and compares them with their twins.
pub(super) fn check_adapter(
    choice: &AdapterChoice,
    programs: &[&Program],
) -> Result<Vec<Check>, BackendError> {
    let (kernels, losses) = parts(programs);
    let mut checking = Checking {
        wanted: Some(kernels),
        until: Some(Instant::now() + TIME),
        checks: Vec::new(),
        count: 0,
        told: &mut |_, _| (),
    };
    checking.adapter(choice, &losses)?;
    Ok(checking.sorted())
}

/// Runs the twins that programs consist of on so many threads, for some seconds at most, and compares them with themselves on those that
/// all share: that the same comes out twice.
pub(super) fn check_processor(
    threads: &mut dyn Backend,
    programs: &[&Program],
) -> Result<Vec<Check>, BackendError> {
    let mut checking = Checking {
        wanted: Some(parts(programs).0),
        until: Some(Instant::now() + TIME),
        checks: Vec::new(),
        count: 0,
        told: &mut |_, _| (),
    };
    checking.sizes(threads)?;
    Ok(checking.sorted())
}

/// What is checked, and found.
struct Checking<'a> {
    /// Names of the kernels; all, if there is no list.
    wanted: Option<Vec<&'static str>>,
    /// When no further one is begun.
    until: Option<Instant>,
    checks: Vec<Check>,
    /// How many programs there are on an adapter, if all kernels are wanted.
    count: usize,
    /// Who hears how many programs are done, and of how many.
    told: &'a mut dyn FnMut(usize, usize),
}

impl Checking<'_> {
    fn adapter(
        &mut self,
        choice: &AdapterChoice,
        losses: &[LossFunction],
    ) -> Result<(), BackendError> {
        let dispatches = || Ok(GpuBackend::open(choice)?.with_mode(Mode::Dispatches));
        let tiles = dispatches()?.tiles();
        let sizes = SIZES.map(|sizes| kernels(sizes, 2, 0).len());
        let in_tile = IN_EACH_TILE.map(|sizes| products(sizes, 2, 0).len());
        let in_tiles = tiles
            .iter()
            .map(|tile| tile.precisions().len() * in_tile.iter().sum::<usize>());
        self.count = losses.len() + sizes.iter().sum::<usize>() + in_tiles.sum::<usize>();
        for (number, &function) in losses.iter().enumerate() {
            let resident = GpuBackend::open(choice)?.with_mode(Mode::Resident);
            self.steps(resident, function, number)?;
        }
        self.sizes(&mut dispatches()?)?;
        for tile in tiles {
            let gpu = dispatches()?.with_tile(tile).with_sums(Sums::ByShape);
            self.tile(gpu, tile.precisions())?;
        }
        Ok(())
    }

    fn sorted(mut self) -> Vec<Check> {
        self.checks.sort_by_key(|check| check.kernel);
        self.checks
    }

    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    fn wants(&self, kernel: &str) -> bool {
        let listed = |list: &Vec<&str>| list.contains(&kernel);
        !self.is_over() && self.wanted.as_ref().is_none_or(listed)
    }

    /// Each kernel in its forms and sizes.
    fn sizes(&mut self, backend: &mut dyn Backend) -> Result<(), BackendError> {
        for (number, [m, n, k]) in SIZES.into_iter().enumerate() {
            for (kernel, program) in kernels([m, n, k], 2, number) {
                if self.wants(kernel) {
                    let error = difference(backend, &program, (m, number as u64), Drawn::Usual)?;
                    self.note(kernel, error);
                }
            }
        }
        Ok(())
    }

    /// Products in one tile.
    fn tile(&mut self, mut gpu: GpuBackend, precisions: &[Precision]) -> Result<(), BackendError> {
        for (number, [m, n, k]) in IN_EACH_TILE.into_iter().enumerate() {
            let programs = precisions.iter().flat_map(|&precision| {
                let programs = products([m, n, k], 2, number).into_iter();
                programs.map(move |(kernel, program)| (kernel, program.with_precision(precision)))
            });
            for (kernel, program) in programs {
                if !self.wants(kernel) {
                    continue;
                }
                let error = difference(&mut gpu, &program, (m, number as u64), Drawn::Usual)?;
                self.note(kernel, error);
            }
        }
        Ok(())
    }

    /// The kernel that makes many steps, with a loss.
    fn steps(
        &mut self,
        mut resident: GpuBackend,
        function: LossFunction,
        number: usize,
    ) -> Result<(), BackendError> {
        if self.is_over() {
            return Ok(());
        }
        let outputs = 3 * function.width();
        let network = Network::new(5, &[9, 8], Activation::Tanh, outputs, Activation::Identity);
        let loss = Loss::new(function, Reduction::Mean);
        let capacity = Capacity {
            members: 2,
            batch: 12,
            rows: 30,
            order: 12,
            records: 1,
        };
        let program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
        let error = difference(&mut resident, &program, (12, number as u64), Drawn::Usual)?;
        self.note("steps", error);
        Ok(())
    }

    fn note(&mut self, kernel: &'static str, error: f32) {
        let noted = |check: &&mut Check| check.kernel == kernel;
        if let Some(check) = self.checks.iter_mut().find(noted) {
            check.cases += 1;
            check.error = check.error.max(error);
        } else {
            self.checks.push(Check {
                kernel,
                cases: 1,
                error,
            });
        }
        let done = self.checks.iter().map(|check| check.cases).sum();
        (self.told)(done, self.count);
    }
}

/// The largest difference that a backend's buffers have from the twins' after a step of `rows` rows from values that are drawn by
/// `seed`, relative to the largest value of each buffer, or to 1 if that is less. What is no finite number is infinitely far, unless
/// there are infinite ones among what is drawn: then the twin has none there either.
pub fn difference(
    backend: &mut dyn Backend,
    program: &Program,
    (rows, seed): (usize, u64),
    drawn: Drawn,
) -> Result<f32, BackendError> {
    let found = contents(backend, program, (rows, seed), drawn)?;
    let references: &[Drawn] = match drawn {
        Drawn::Denormal => &[Drawn::Denormal, Drawn::Zero],
        _ => &[drawn],
    };
    let mut expected = Vec::new();
    for &drawn in references {
        let mut twins = CpuBackend::<f32>::new();
        expected.push(contents(&mut twins, program, (rows, seed), drawn)?);
    }
    let mut largest = 0.0_f32;
    for (place, found) in found.iter().enumerate() {
        let finite = expected[0][place].iter().filter(|value| value.is_finite());
        let scale = finite.fold(1.0_f32, |scale, value| scale.max(value.abs()));
        for (index, &found) in found.iter().enumerate() {
            let of = expected
                .iter()
                .map(|expected| error(found, expected[place][index], scale, drawn));
            largest = largest.max(of.fold(f32::INFINITY, f32::min));
        }
    }
    Ok(largest)
}

fn error(found: f32, expected: f32, scale: f32, drawn: Drawn) -> f32 {
    match [found, expected].map(f32::is_finite) {
        [true, true] => (found - expected).abs() / scale,
        [false, false] if drawn == Drawn::Infinite => 0.0,
        _ => f32::INFINITY,
    }
}
