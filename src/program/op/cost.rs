//! What an op costs: its floating-point operations, and the bytes it moves.

use super::{Op, Transpose};
use crate::program::{Program, Rows, TensorId, record};

/// Sizes of a product, either of which may be the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Rows of the result.
    pub m: Rows,
    /// Columns of the result.
    pub n: usize,
    /// Terms of each sum.
    pub k: Rows,
}

impl Op {
    /// Sizes of a product: c`[m, n]` = Σ over k, for a full batch; `None` for any other op.
    pub fn product(&self, program: &Program) -> Option<Product> {
        let (a, output, transposed) = match *self {
            Op::Matmul {
                a,
                output,
                transpose,
                ..
            } => (a, output, transpose == Transpose::A),
            Op::MatmulBiasActivation { a, output, .. }
            | Op::MatmulActivationGradient { a, output, .. } => (a, output, false),
            Op::MatmulBiasGradient { a, output, .. } => (a, output, true),
            _ => return None,
        };
        let inner = if transposed {
            program.tensors[a].rows
        } else {
            Rows::Fixed(program.tensors[a].columns)
        };
        Some(Product {
            m: program.tensors[output].rows,
            n: program.tensors[output].columns,
            k: inner,
        })
    }

    /// Floating-point operations for one member and a full batch: a multiply-add counts as two, a function as one.
    pub fn flops(&self, program: &Program) -> usize {
        if let Some(Product { m, n, k }) = self.product(program) {
            let size = |rows| match rows {
                Rows::Batch => program.batch,
                Rows::Fixed(rows) => rows,
            };
            let epilogue = match self {
                Op::Matmul { .. } => 0,
                Op::MatmulBiasGradient { .. } => size(m) * size(k),
                _ => 2 * size(m) * n,
            };
            return 2 * size(m) * n * size(k) + epilogue;
        }
        let width = |tensor: TensorId| program.len(tensor);
        match *self {
            Op::Gather { .. }
            | Op::GatherBoth { .. }
            | Op::Lookup { .. }
            | Op::Clear { .. }
            | Op::Keep { .. }
            | Op::Matmul { .. }
            | Op::MatmulBiasGradient { .. }
            | Op::MatmulBiasActivation { .. }
            | Op::MatmulActivationGradient { .. } => 0,
            Op::BiasAdd { values: tensor, .. }
            | Op::Activation { output: tensor, .. }
            | Op::Add { output: tensor, .. }
            | Op::BiasGradient {
                gradient: tensor, ..
            } => width(tensor),
            Op::Prelu { output, .. } | Op::BatchNormInference { output, .. } => 2 * width(output),
            Op::PreluGradient { gradient, .. } | Op::SoftmaxGradient { gradient, .. } => {
                3 * width(gradient)
            }
            Op::LayerNormParameters { gradient, .. } => 5 * width(gradient),
            Op::BatchNorm { output, .. } | Op::LayerNorm { output, .. } => 8 * width(output),
            Op::BatchNormGradient { gradient, .. } | Op::LayerNormGradient { gradient, .. } => {
                10 * width(gradient)
            }
            // A product and an angle for each frequency, and what goes into each output; twice that and more for the gradients.
            Op::Periodic { shape, input, .. } => {
                program.rows(input) * shape.numbers * shape.frequencies * (4 + 2 * shape.outputs)
            }
            Op::PeriodicGradient { shape, input, .. } => {
                program.rows(input) * shape.numbers * shape.frequencies * (9 + 4 * shape.outputs)
            }
            Op::LookupGradient {
                lookups,
                input,
                output,
                ..
            } => program.rows(input) * lookups * program.tensors[output].columns,
            Op::Dropout { output, .. } => 2 * width(output),
            Op::Perturb { values, .. } => 2 * width(values),
            Op::Mix { values, .. } => 3 * width(values),
            // Where a pixel comes from, and three interpolations.
            Op::Warp { output, .. } => 20 * width(output),
            Op::ActivationGradient { gradient, .. } | Op::DropoutGradient { gradient, .. } => {
                2 * width(gradient)
            }
            Op::ClipValue { values, .. } | Op::SquareSums { values, .. } => 2 * width(values),
            Op::Average { average, .. } => 3 * width(average),
            Op::MaxNorm { values, .. } | Op::Combine { values, .. } => 3 * width(values),
            Op::Momentum { gradient, .. } => 6 * width(gradient),
            Op::Normalize { values, sums, .. } | Op::ClipNorm { values, sums, .. } => {
                width(values) + width(sums)
            }
            Op::LossGradient { logits, .. } => 8 * width(logits),
            Op::Softmax { logits, .. } => 4 * width(logits),
            Op::Answers { output, .. } => 4 * width(output),
            Op::Join {
                members, output, ..
            } => members * width(output),
            Op::Verdict { answers, .. } => 4 * width(answers),
            Op::TallyLabels { answers, .. } => 6 * width(answers),
            Op::TallyClasses { rows, .. } => 4 * width(rows),
            // Two means, two squares about them, and what else is made of an error.
            Op::TallyValues { answers, .. } => 16 * width(answers),
            Op::Metrics { rows, .. } => width(rows),
            Op::Update {
                optimizer,
                parameters,
                ..
            } => optimizer.rule.flops() * width(parameters),
        }
    }

    /// Bytes it must read and write at least, for one member and a full batch.
    pub fn bytes(&self, program: &Program) -> usize {
        let gathered = |output: TensorId| program.len(output) + program.batch;
        let read = match *self {
            Op::Gather { output, .. } | Op::Mix { other: output, .. } => gathered(output),
            Op::GatherBoth {
                outputs: [first, second],
                ..
            } => gathered(first) + program.len(second),
            Op::Lookup { input, output, .. } => program.len(input) + program.len(output),
            Op::Join {
                members, answers, ..
            } => members * program.len(answers),
            _ => self
                .reads()
                .into_iter()
                .map(|tensor| program.len(tensor))
                .sum(),
        };
        let in_place = match *self {
            Op::Matmul { accumulate, .. }
            | Op::BiasGradient { accumulate, .. }
            | Op::MatmulBiasGradient { accumulate, .. }
            | Op::PeriodicGradient { accumulate, .. }
            | Op::LookupGradient { accumulate, .. }
            | Op::LayerNormParameters { accumulate, .. } => accumulate,
            Op::BiasAdd { .. }
            | Op::ActivationGradient { .. }
            | Op::DropoutGradient { .. }
            | Op::Perturb { .. }
            | Op::Mix { .. }
            | Op::SoftmaxGradient { .. }
            | Op::LayerNormGradient { .. }
            | Op::PreluGradient { .. }
            | Op::BatchNormGradient { .. }
            | Op::ClipValue { .. }
            | Op::ClipNorm { .. }
            | Op::MaxNorm { .. }
            | Op::Momentum { .. }
            | Op::Combine { .. }
            | Op::Average { .. }
            | Op::Update { .. } => true,
            _ => false,
        };
        let written: usize = match self {
            Op::Metrics { .. } => record::WIDTH,
            Op::TallyClasses { counts, sums, .. }
            | Op::TallyLabels { counts, sums, .. }
            | Op::TallyValues { counts, sums, .. } => {
                program.len(*counts) + program.tensors[*sums].columns
            }
            Op::Keep { values, .. } => program.len(*values),
            _ => self
                .writes()
                .into_iter()
                .map(|tensor| program.len(tensor))
                .sum(),
        };
        4 * (read + if in_place { 2 * written } else { written })
    }
}
