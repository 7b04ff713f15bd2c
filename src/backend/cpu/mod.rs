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
mod blocks;
mod clear;
mod clip_norm;
mod clip_value;
mod combine;
mod dropout;
mod dropout_gradient;
mod exponential;
mod functions;
mod gather;
mod gather_both;
mod gaussian;
mod half;
mod join;
mod keep;
mod layer_norm;
mod layer_norm_gradient;
mod layer_norm_parameters;
mod lion;
mod lookup;
mod lookup_gradient;
mod loops;
mod loss_gradient;
mod matmul;
mod matmul_activation_gradient;
mod matmul_bias_activation;
mod matmul_bias_gradient;
mod max_norm;
mod members;
mod metrics;
mod mix;
mod momentum;
mod muon;
mod norm;
mod normalize;
mod pages;
mod panels;
mod periodic;
mod periodic_gradient;
mod perturb;
mod prelu;
mod prelu_gradient;
mod real;
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
mod team;
mod together;
mod tree_product;
mod tree_sums;
mod turn;
mod update;
mod verdict;
mod warp;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

pub use self::real::Real;
pub(crate) use self::share::{are_finite, wide};
use self::team::{ALONE, Team};
use super::check::check_processor;
use super::{Backend, BackendError, Check, Data, Gradients, Limits, Names, ProgramId};
use crate::program::{Element, Program, Step};

/// Bytes between what two members write: two lines of the cache, which processors fetch together. Threads that write to one line
/// take it away from each other, whichever bytes they write.
const APART: usize = 128;

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
            Values::Numbers(values) => grow(values, len),
            Values::Indices(values) if values.len() < len => values.resize(len, 0),
            Values::Indices(_) => {}
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

/// Makes numbers at least so many, with zeros.
fn grow<T: Real>(values: &mut Vec<T>, len: usize) {
    if values.len() < len {
        values.reserve_exact(len - values.len() + APART / size_of::<T>());
        pages::advise(values.spare_capacity_mut());
        values.resize(len, T::zero());
    }
}

/// Runs programs on the processor: members side by side, a single member's products on all cores.
#[derive(Debug)]
pub struct CpuBackend<T> {
    names: Names,
    /// By buffer; empty for those that are each member's own.
    shared: Vec<Values<T>>,
    /// By member, then by buffer; empty for shared ones.
    own: Vec<Vec<Values<T>>>,
    programs: Vec<Program>,
    team: Arc<Team>,
}

impl<T: Real> Default for CpuBackend<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> CpuBackend<T> {
    /// A backend without programs, on all cores, with whoever else uses them so.
    pub fn new() -> Self {
        Self::of(Team::of_all_cores())
    }

    /// A backend with so many threads of its own, the one that calls it among them.
    pub fn with_threads(count: usize) -> Self {
        Self::of(Arc::new(Team::new(count.max(1))))
    }

    fn of(team: Arc<Team>) -> Self {
        CpuBackend {
            team,
            names: Names::default(),
            shared: Vec::new(),
            own: Vec::new(),
            programs: Vec::new(),
        }
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
        f: impl Fn(usize, &Program, &mut steps::Memory<'_, T>, &Team) + Sync,
    ) {
        let (program, shared) = (&self.programs[program.0], &self.shared[..]);
        let with = |member: usize, own: &mut [Values<T>], team: &Team| {
            let mut memory = steps::Memory { shared, own };
            f(member, program, &mut memory, team);
        };
        if let [own] = &mut self.own[..] {
            return with(0, own, &self.team);
        }
        self.team.pieces(&mut self.own, 1, |member, own| {
            with(member, &mut own[0], &ALONE);
        });
    }

    fn place_mut(&mut self, place: usize, member: usize) -> &mut Values<T> {
        if self.names.buffers[place].shared {
            &mut self.shared[place]
        } else {
            &mut self.own[member][place]
        }
    }
}

impl<T: Real> Backend for CpuBackend<T> {
    fn device(&self) -> String {
        let threads = self.team.threads();
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
        let places = self.names.buffers.len() + APART.div_ceil(size_of::<Values<T>>());
        for memory in &mut self.own {
            memory.reserve_exact(places - memory.len());
        }
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
        super::check_steps(program, steps)?;
        let (shared, own) = (&self.shared[..], &mut self.own[..]);
        Ok(members::run(&self.team, program, steps, shared, own))
    }

    fn run_together(
        &mut self,
        program: ProgramId,
        parts: &[Step],
    ) -> Result<Option<bool>, BackendError> {
        let of = &self.programs[program.0];
        if !together::can(of) {
            return Ok(None);
        }
        super::check_steps(of, parts)?;
        let follows = |pair: &[Step]| pair[0].first + pair[0].rows == pair[1].first;
        if !parts.windows(2).all(follows) {
            let reason = "parts that are run together are neighbours";
            return Err(BackendError::Misuse(reason.into()));
        }
        let rows = parts.iter().map(|part| part.rows as usize).sum();
        for own in &mut self.own {
            together::grow(of, rows, own);
        }
        let finite = AtomicBool::new(true);
        self.with_members(program, |_, program, memory, team| {
            if !together::run(program, parts, memory, team) {
                finite.store(false, Relaxed);
            }
        });
        Ok(Some(finite.into_inner()))
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
            spare.truncate(len);
            grow(&mut spare, len);
            return Ok(std::mem::replace(values, spare));
        }
        self.read(buffer, member, 0, len)
    }

    fn update(
        &mut self,
        program: ProgramId,
        step: &Step,
        _: [usize; 2],
        gradients: &dyn Gradients,
    ) -> Result<(), BackendError> {
        super::check_steps(&self.programs[program.0], std::slice::from_ref(step))?;
        self.with_members(program, |member, program, memory, team| {
            let at = steps::At {
                program,
                step,
                skipped: 0,
                team,
            };
            memory.update(at, (gradients, member));
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

    fn check(&mut self, programs: &[&Program]) -> Result<Vec<Check>, BackendError> {
        check_processor(&mut Self::with_threads(self.team.threads()), programs)
    }
}
