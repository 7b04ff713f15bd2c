//! The CPU backend, and every kernel's twin: the reference that GPU kernels are held against.

mod activation;
mod activation_gradient;
mod adadelta;
mod adagrad;
mod adam;
mod add;
mod amsgrad;
pub(crate) mod answers;
mod average;
mod batch_norm;
mod batch_norm_gradient;
mod batch_norm_inference;
mod bias_add;
mod bias_gradient;
mod clear;
mod clip_norm;
mod clip_value;
mod combine;
mod dropout;
mod dropout_gradient;
mod functions;
mod gather;
mod gather_both;
mod gaussian;
mod join;
mod keep;
mod layer_norm;
mod layer_norm_gradient;
mod layer_norm_parameters;
mod lion;
mod lookup;
mod lookup_gradient;
mod loss_gradient;
mod matmul;
mod matmul_activation_gradient;
mod matmul_bias_activation;
mod matmul_bias_gradient;
mod max_norm;
mod metrics;
mod mix;
mod momentum;
mod muon;
mod norm;
mod normalize;
mod periodic;
mod periodic_gradient;
mod perturb;
mod prelu;
mod prelu_gradient;
mod rmsprop;
mod sgd;
mod share;
mod softmax;
mod softmax_gradient;
mod square_sums;
mod steps;
mod tally_classes;
mod tally_labels;
mod tally_values;
mod together;
mod tree_product;
mod turn;
mod update;
mod verdict;
mod warp;

use std::any::Any;
use std::fmt::Debug;
use std::time::Instant;

use num_traits::Float;
use rayon::prelude::*;

pub(crate) use self::share::wide;
use self::tree_product::TreeProduct;
use super::{Backend, BackendError, Data, Given, Limits, Names, ProgramId, SLICE};
use crate::program::{Element, Op, Program, Step};

/// A number that programs run on: `f32`, or `f64` for finite differences.
pub trait Real:
    Float
    + Debug
    + Default
    + Send
    + Sync
    + std::ops::AddAssign
    + std::ops::MulAssign
    + std::iter::Sum
    + 'static
{
    /// From a literal or a step's `f32`.
    fn of(value: f32) -> Self;
    /// The nearest number to a constant.
    fn of_f64(value: f64) -> Self;
    /// The complementary error function.
    #[must_use]
    fn erfc(self) -> Self;
    /// cos and sin of 2π times it.
    fn turn(self) -> (Self, Self);
    /// For reading back.
    fn single(self) -> f32;
    /// Makes a product whose rows are in parts.
    fn tree_product(
        product: &TreeProduct<'_, Self>,
        output: &mut [Self],
        parallelism: gemm::Parallelism,
    );
}

impl Real for f32 {
    fn of(value: f32) -> Self {
        value
    }
    fn of_f64(value: f64) -> Self {
        value as f32
    }
    fn erfc(self) -> Self {
        libm::erfcf(self)
    }
    fn turn(self) -> (Self, Self) {
        turn::turn(self)
    }
    fn single(self) -> f32 {
        self
    }
    fn tree_product(
        product: &TreeProduct<'_, Self>,
        output: &mut [Self],
        parallelism: gemm::Parallelism,
    ) {
        product.shared(output, parallelism, TreeProduct::wide);
    }
}

impl Real for f64 {
    fn of(value: f32) -> Self {
        value.into()
    }
    fn of_f64(value: f64) -> Self {
        value
    }
    fn erfc(self) -> Self {
        libm::erfc(self)
    }
    fn turn(self) -> (Self, Self) {
        let (sine, cosine) = ((self - self.round()) * std::f64::consts::TAU).sin_cos();
        (cosine, sine)
    }
    fn single(self) -> f32 {
        self as f32
    }
    fn tree_product(
        product: &TreeProduct<'_, Self>,
        output: &mut [Self],
        parallelism: gemm::Parallelism,
    ) {
        product.shared(output, parallelism, TreeProduct::plain);
    }
}

/// What a buffer holds, for one member or for all.
#[derive(Clone, Debug)]
enum Values<T> {
    Numbers(Vec<T>),
    Indices(Vec<u32>),
}

impl<T: Real> Values<T> {
    fn empty(element: Element) -> Self {
        match element {
            Element::F32 => Values::Numbers(Vec::new()),
            Element::U32 => Values::Indices(Vec::new()),
        }
    }

    fn grow(&mut self, len: usize) {
        match self {
            Values::Numbers(values) if values.len() < len => values.resize(len, T::zero()),
            Values::Indices(values) if values.len() < len => values.resize(len, 0),
            _ => {}
        }
    }

    fn numbers(&self) -> &[T] {
        match self {
            Values::Numbers(values) => values,
            Values::Indices(_) => &[],
        }
    }

    fn indices(&self) -> &[u32] {
        match self {
            Values::Indices(values) => values,
            Values::Numbers(_) => &[],
        }
    }
}

/// Runs programs on the processor: members side by side, a single member's products on all cores.
#[derive(Debug, Default)]
pub struct CpuBackend<T> {
    names: Names,
    /// By buffer; empty for those that are each member's own.
    shared: Vec<Values<T>>,
    /// By member, then by buffer; empty for shared ones.
    own: Vec<Vec<Values<T>>>,
    programs: Vec<Program>,
    threads: Threads,
}

/// What a backend computes with.
#[derive(Debug, Default)]
enum Threads {
    /// All cores, with whoever else uses them so.
    #[default]
    Shared,
    /// The thread that calls it alone.
    One,
    /// Some of its own.
    Own(rayon::ThreadPool),
}

impl<T: Real> CpuBackend<T> {
    /// A backend without programs, on all cores.
    pub fn new() -> Self {
        CpuBackend {
            threads: Threads::Shared,
            names: Names::default(),
            shared: Vec::new(),
            own: Vec::new(),
            programs: Vec::new(),
        }
    }

    /// A backend with so many threads of its own.
    pub fn with_threads(count: usize) -> Result<Self, BackendError> {
        let threads = if count < 2 {
            Threads::One
        } else {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
            Threads::Own(pool.map_err(|error| BackendError::Unusable {
                device: "cpu".into(),
                reason: error.to_string(),
            })?)
        };
        Ok(CpuBackend {
            threads,
            ..Self::new()
        })
    }

    /// A member's part of a buffer of numbers, at full precision.
    pub fn values(&self, buffer: &str, member: usize) -> Result<&[T], BackendError> {
        let place = self.names.find(buffer, member, 0, 0)?;
        Ok(if self.names.buffers[place].shared {
            self.shared[place].numbers()
        } else {
            self.own[member][place].numbers()
        })
    }

    /// The same, to change.
    pub fn values_mut(&mut self, buffer: &str, member: usize) -> Result<&mut [T], BackendError> {
        let place = self.names.find(buffer, member, 0, 0)?;
        match self.place_mut(place, member) {
            Values::Numbers(values) => Ok(values),
            Values::Indices(_) => Err(BackendError::Misuse(format!("{buffer} holds indices"))),
        }
    }

    /// Does something with each member's memory, on the threads that there are: a single member's on all of them.
    fn with_members(
        &mut self,
        program: ProgramId,
        f: impl Fn(usize, &Program, &mut steps::Memory<'_, T>, gemm::Parallelism) + Sync,
    ) {
        let (program, shared) = (&self.programs[program.0], &self.shared[..]);
        let with = |member: usize, own: &mut [Values<T>], parallelism| {
            let mut memory = steps::Memory {
                shared,
                own,
                skipped: 0,
            };
            f(member, program, &mut memory, parallelism);
        };
        let own = &mut self.own[..];
        let mut on_all = || {
            if let [own] = &mut *own {
                return with(0, own, gemm::Parallelism::Rayon(0));
            }
            let members = own.par_iter_mut().enumerate();
            members.for_each(|(member, own)| with(member, own, gemm::Parallelism::None));
        };
        match &self.threads {
            Threads::Shared => on_all(),
            Threads::Own(pool) => pool.install(on_all),
            Threads::One => {
                for (member, own) in own.iter_mut().enumerate() {
                    with(member, own, gemm::Parallelism::None);
                }
            }
        }
    }

    fn place_mut(&mut self, place: usize, member: usize) -> &mut Values<T> {
        if self.names.buffers[place].shared {
            &mut self.shared[place]
        } else {
            &mut self.own[member][place]
        }
    }
}

/// Runs steps with all threads there are: a single member's products on all of them, or a member on each.
fn side_by_side<T: Real>(
    program: &Program,
    steps: &[Step],
    shared: &[Values<T>],
    members: &mut [Vec<Values<T>>],
) -> usize {
    if let [own] = members
        && !program.ops.iter().any(Op::joins)
    {
        let mut memory = steps::Memory {
            shared,
            own,
            skipped: 0,
        };
        let parallelism = gemm::Parallelism::Rayon(0);
        let ops = (program, &program.ops[..]);
        // On a thread of the pool itself: whoever is none of its own sleeps at each product until the pool has it.
        return rayon::scope(|_| steps::steps(ops, steps, &mut memory, parallelism, SLICE));
    }
    together(program, steps, members, |ops, some, members| {
        members
            .par_iter_mut()
            .for_each(|own| alone((program, ops), some, shared, own));
    })
}

/// Runs steps on this thread.
fn one_by_one<T: Real>(
    program: &Program,
    steps: &[Step],
    shared: &[Values<T>],
    members: &mut [Vec<Values<T>>],
) -> usize {
    together(program, steps, members, |ops, some, members| {
        for own in members {
            alone((program, ops), some, shared, own);
        }
    })
}

/// Members wait for each other after every few steps, so that all have done the same number at the end, and wherever they join.
fn together<T: Real>(
    program: &Program,
    steps: &[Step],
    members: &mut [Vec<Values<T>>],
    run: impl Fn(&[Op], &[Step], &mut [Vec<Values<T>>]),
) -> usize {
    let most = if program.ops.iter().any(Op::joins) {
        1
    } else {
        16
    };
    let start = Instant::now();
    let mut done = 0;
    while done < steps.len() && (done == 0 || start.elapsed() < SLICE) {
        let some = &steps[done..steps.len().min(done + most)];
        for ops in program.ops.split_inclusive(Op::joins) {
            run(ops, some, members);
            if let Some(op) = ops.last() {
                join::across(program, op, &some[0], members);
            }
        }
        done += some.len();
    }
    done
}

fn alone<T: Real>(
    program: (&Program, &[Op]),
    steps: &[Step],
    shared: &[Values<T>],
    own: &mut [Values<T>],
) {
    let mut memory = steps::Memory {
        shared,
        own,
        skipped: 0,
    };
    let parallelism = gemm::Parallelism::None;
    steps::steps(
        program,
        steps,
        &mut memory,
        parallelism,
        std::time::Duration::MAX,
    );
}

impl<T: Real> Backend for CpuBackend<T> {
    fn device(&self) -> String {
        let threads = match &self.threads {
            Threads::Shared => rayon::current_num_threads(),
            Threads::One => 1,
            Threads::Own(pool) => pool.current_num_threads(),
        };
        format!(
            "cpu ({threads} thread{})",
            if threads == 1 { "" } else { "s" }
        )
    }

    fn limits(&self) -> Limits {
        // A micro-batch of this size keeps activations of common widths in the cache of one core's share.
        Limits {
            tensor: usize::MAX,
            rows: 16_384,
        }
    }

    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        let places = self.names.merge(program)?;
        let mut program = program.clone();
        for tensor in &mut program.tensors {
            tensor.buffer = places[tensor.buffer];
        }
        self.own.resize(program.members, Vec::new());
        for (place, buffer) in self.names.buffers.iter().enumerate() {
            let (shared, own) = if buffer.shared {
                (buffer.len, 0)
            } else {
                (0, buffer.len)
            };
            let memories = [(&mut self.shared, shared)].into_iter();
            for (memory, len) in memories.chain(self.own.iter_mut().map(|memory| (memory, own))) {
                if place == memory.len() {
                    memory.push(Values::empty(buffer.element));
                }
                memory[place].grow(len);
            }
        }
        self.programs.push(program);
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        let program = &self.programs[program.0];
        for step in steps {
            super::check_step(program, step)?;
        }
        let (shared, own) = (&self.shared[..], &mut self.own[..]);
        Ok(match &self.threads {
            Threads::Shared => side_by_side(program, steps, shared, own),
            Threads::One => one_by_one(program, steps, shared, own),
            Threads::Own(pool) => pool.install(|| side_by_side(program, steps, shared, own)),
        })
    }

    fn run_together(&mut self, program: ProgramId, parts: &[Step]) -> Result<bool, BackendError> {
        let of = &self.programs[program.0];
        if !together::can(of) {
            return Ok(false);
        }
        for part in parts {
            super::check_step(of, part)?;
        }
        let follows = |pair: &[Step]| pair[0].first + pair[0].rows == pair[1].first;
        if !parts.windows(2).all(follows) {
            let reason = "parts that are run together are neighbours";
            return Err(BackendError::Misuse(reason.into()));
        }
        let rows = parts.iter().map(|part| part.rows as usize).sum();
        for own in &mut self.own {
            together::grow(of, rows, own);
        }
        self.with_members(program, |_, program, memory, parallelism| {
            together::run(program, parts, memory, parallelism);
        });
        Ok(true)
    }

    fn take(
        &mut self,
        buffer: &str,
        member: usize,
        len: usize,
        mut spare: Vec<f32>,
    ) -> Result<Vec<f32>, BackendError> {
        let place = self.names.find(buffer, member, 0, len)?;
        let values: &mut dyn Any = self.place_mut(place, member);
        if let Some(Values::Numbers(values)) = values.downcast_mut::<Values<f32>>()
            && values.len() == len
        {
            spare.resize(len, 0.0);
            return Ok(std::mem::replace(values, spare));
        }
        self.read(buffer, member, 0, len)
    }

    fn update(
        &mut self,
        program: ProgramId,
        step: &Step,
        _: [usize; 2],
        gradients: Given<'_>,
    ) -> Result<(), BackendError> {
        super::check_step(&self.programs[program.0], step)?;
        self.with_members(program, |member, program, memory, parallelism| {
            let given = |first: usize, values: &mut [f32]| gradients(member, first, values);
            memory.update(program, step, &given, parallelism);
        });
        Ok(())
    }

    fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        data: Data<'_>,
    ) -> Result<(), BackendError> {
        let place = self.names.find(buffer, member, offset, data.len())?;
        match (self.place_mut(place, member), data) {
            (Values::Numbers(values), Data::F32(data)) => {
                for (value, &new) in values[offset..].iter_mut().zip(data) {
                    *value = T::of(new);
                }
            }
            (Values::Indices(values), Data::U32(data)) => {
                values[offset..offset + data.len()].copy_from_slice(data);
            }
            _ => return Err(BackendError::Misuse(format!("{buffer} holds another type"))),
        }
        Ok(())
    }

    fn read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<f32>, BackendError> {
        self.names.find(buffer, member, offset, len)?;
        let values = self.values(buffer, member)?;
        Ok(values[offset..offset + len]
            .iter()
            .map(|value| value.single())
            .collect())
    }
}
