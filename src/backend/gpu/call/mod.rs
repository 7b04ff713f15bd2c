//! Ops become kernel calls: which pipeline, on which ranges, over which grid.

mod codes;
mod evaluation;
mod layer;
mod product;
mod rows;
mod update;

pub(super) use self::codes::{dropout, function, loss, loss_weights, rule};
use super::shader::Constants;
use crate::program::{Op, Program, Rows, TensorId, Transpose};

/// A range of a tensor's elements, bound in the order of a kernel's bindings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) tensor: TensorId,
    pub(super) start: usize,
    pub(super) len: usize,
}

/// One dispatch, or as many as members take.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) kernel: &'static str,
    pub(super) constants: Constants,
    pub(super) operands: Vec<Operand>,
    /// Words of the kernel's `Shape` behind the operands' views.
    pub(super) scalars: Vec<u32>,
    /// Workgroups in x and y.
    pub(super) grid: [u32; 2],
    /// Of a product, whose first two operands are its factors.
    pub(super) factors: Option<Factors>,
}

/// Sizes of a product for a full batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Factors {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) transpose: Transpose,
    /// Columns of a and b as they are stored.
    pub(super) inner: [usize; 2],
    /// Slices of k that are added up: see `Sums`.
    pub(super) slices: u32,
    /// Whether the operands are rounded to half precision.
    pub(super) half: bool,
}

/// Stands for the number of rows of the step's batch: BATCH in shaders/lib/batch.wgsl.
pub(super) const BATCH: u32 = u32::MAX;

/// The constants of a kernel that may read four or eight values at a time: 1 if it does (`record::by_vectors`).
pub(super) const FOURS: &str = "FOURS";
pub(super) const EIGHTS: &str = "EIGHTS";

/// Whether a kernel with such constants reads that operand so.
pub(super) fn by_vectors(kernel: &str, operand: usize) -> bool {
    match kernel {
        "gather" => operand != 1,
        "gather_both" => [0, 1, 4].contains(&operand),
        _ => true,
    }
}

/// Workgroups that WebGPU guarantees in one dimension; kernels loop where there is more to do.
const MAX_GROUPS: usize = 65_535;

/// A number of rows as kernels read it.
pub(super) fn rows(rows: Rows) -> u32 {
    match rows {
        Rows::Batch => BATCH,
        Rows::Fixed(rows) => rows as u32,
    }
}

struct Calls<'a> {
    program: &'a Program,
    /// Elements that one binding holds.
    binding: usize,
}

/// The calls that an op becomes on a device whose bindings hold `binding` elements.
pub(super) fn calls(program: &Program, op: &Op, binding: usize) -> Vec<Call> {
    let calls = Calls { program, binding };
    match op {
        Op::Gather { .. }
        | Op::GatherBoth { .. }
        | Op::Dropout { .. }
        | Op::DropoutGradient { .. }
        | Op::Perturb { .. }
        | Op::Mix { .. }
        | Op::Warp { .. }
        | Op::Keep { .. } => calls.of_rows(op),
        Op::Matmul { .. }
        | Op::MatmulBiasActivation { .. }
        | Op::MatmulActivationGradient { .. }
        | Op::MatmulBiasGradient { .. }
        | Op::BiasAdd { .. }
        | Op::BiasGradient { .. } => calls.of_products(op),
        Op::Activation { .. }
        | Op::ActivationGradient { .. }
        | Op::Softmax { .. }
        | Op::SoftmaxGradient { .. }
        | Op::Add { .. }
        | Op::Prelu { .. }
        | Op::PreluGradient { .. }
        | Op::BatchNorm { .. }
        | Op::BatchNormInference { .. }
        | Op::BatchNormGradient { .. }
        | Op::LayerNorm { .. }
        | Op::LayerNormParameters { .. }
        | Op::LayerNormGradient { .. }
        | Op::Periodic { .. }
        | Op::PeriodicGradient { .. }
        | Op::Lookup { .. }
        | Op::LookupGradient { .. } => calls.of_layers(op),
        Op::LossGradient { .. }
        | Op::Metrics { .. }
        | Op::Answers { .. }
        | Op::Join { .. }
        | Op::Verdict { .. }
        | Op::TallyClasses { .. }
        | Op::TallyLabels { .. }
        | Op::TallyValues { .. } => calls.of_evaluations(op),
        Op::Update { .. }
        | Op::ClipValue { .. }
        | Op::SquareSums { .. }
        | Op::ClipNorm { .. }
        | Op::Momentum { .. }
        | Op::Normalize { .. }
        | Op::Combine { .. }
        | Op::MaxNorm { .. }
        | Op::Average { .. }
        | Op::Clear { .. } => calls.of_updates(op),
    }
}

/// Lanes of 64 that share a row.
fn lanes(columns: usize) -> u32 {
    if columns > 32 { 64 } else { 1 }
}

/// Workgroups of 64 for so many values.
fn groups(values: usize) -> [u32; 2] {
    [values.div_ceil(64).clamp(1, MAX_GROUPS) as u32, 1]
}

impl Calls<'_> {
    fn columns(&self, tensor: TensorId) -> usize {
        self.program.tensors[tensor].columns
    }

    fn whole(&self, tensors: &[TensorId]) -> Vec<Operand> {
        let operand = |&tensor: &TensorId| Operand {
            tensor,
            start: 0,
            len: self.program.len(tensor),
        };
        tensors.iter().map(operand).collect()
    }

    fn elementwise(
        &self,
        kernel: &'static str,
        constants: Constants,
        tensors: &[TensorId],
        output: TensorId,
    ) -> Call {
        Call {
            kernel,
            constants,
            operands: self.whole(tensors),
            scalars: vec![
                rows(self.program.tensors[output].rows),
                self.columns(output) as u32,
            ],
            grid: groups(self.program.len(output)),
            factors: None,
        }
    }

    /// Lanes share a row of `rows`, a tensor of a batch's: shaders/lib/reduce.wgsl.
    fn by_row(&self, kernel: &'static str, tensors: &[TensorId], rows: TensorId) -> Call {
        let columns = self.columns(rows);
        let lanes = lanes(columns);
        Call {
            kernel,
            constants: vec![("LANES", lanes)],
            operands: self.whole(tensors),
            scalars: vec![columns as u32],
            grid: [self.program.batch.div_ceil(64 / lanes as usize) as u32, 1],
            factors: None,
        }
    }

    /// Lanes share a column of `columns`, 16 columns a workgroup: shaders/lib/columns.wgsl.
    fn by_column(
        &self,
        kernel: &'static str,
        constants: Constants,
        tensors: &[TensorId],
        columns: TensorId,
    ) -> Call {
        let columns = self.columns(columns);
        Call {
            kernel,
            constants,
            operands: self.whole(tensors),
            scalars: vec![columns as u32],
            grid: [columns.div_ceil(16) as u32, 1],
            factors: None,
        }
    }

    /// A flat tensor in pieces that a binding holds, each but the last of a multiple of `unit` values.
    fn pieces(
        &self,
        tensor: TensorId,
        unit: usize,
        call: impl Fn(usize, usize) -> Call,
    ) -> Vec<Call> {
        let len = self.program.len(tensor);
        let piece = (self.binding.saturating_sub(64) / unit).max(1) * unit;
        (0..len)
            .step_by(piece)
            .map(|start| call(start, piece.min(len - start)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::calls;
    use crate::backend::kernels;

    #[test]
    fn every_op_becomes_a_call_at_least() {
        for (kernel, program) in kernels([7, 5, 3], 1, 0) {
            let calls = calls(&program, &program.ops[0], usize::MAX);
            assert!(!calls.is_empty(), "{kernel}");
        }
    }
}
