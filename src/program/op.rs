use super::{LossFunction, Optimizer, Program, Rows, TensorId};
use crate::model::{Activation, Dropout};

/// Values whose squares [`Op::SquareSums`] adds up together, of so many: one sum for each of at most 256 chunks.
pub fn chunk(values: usize) -> usize {
    values.div_ceil(256).next_multiple_of(64).max(64)
}

/// Which operand of a product is read with rows and columns swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transpose {
    /// c = a·b
    Neither,
    /// c = aᵀ·b
    A,
    /// c = a·bᵀ
    B,
}

/// One kernel's work. Fields name tensors; shapes follow from them.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// output[r, :] = source[order[first + r], :]
    Gather {
        /// `[dataset rows, columns]`, shared.
        source: TensorId,
        /// `[1, order]`, of u32.
        order: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// output = a·b, or output += a·b
    Matmul {
        /// `[m, k]`, or `[k, m]` if transposed.
        a: TensorId,
        /// `[k, n]`, or `[n, k]` if transposed.
        b: TensorId,
        /// Which of the two is transposed.
        transpose: Transpose,
        /// Whether the product is added to what is there.
        accumulate: bool,
        /// `[m, n]`
        output: TensorId,
    },
    /// values`[r, c]` += bias`[c]`
    BiasAdd {
        /// `[1, columns]`
        bias: TensorId,
        /// `[batch, columns]`
        values: TensorId,
    },
    /// output = f(input)
    Activation {
        /// f
        function: Activation,
        /// `[batch, columns]`
        input: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// output = f(a·bᵀ + bias), fused from [`Op::Matmul`], [`Op::BiasAdd`] and [`Op::Activation`].
    MatmulBiasActivation {
        /// `[batch, k]`
        a: TensorId,
        /// `[n, k]`
        b: TensorId,
        /// `[1, n]`
        bias: TensorId,
        /// f
        function: Activation,
        /// `[batch, n]`
        output: TensorId,
    },
    /// output = a·input + b where a draw lets it be, else a constant; which values those are follows from the member's key, the
    /// step's number, the layer, the row's position in the order and the column.
    Dropout {
        /// What a, b and the constant are.
        kind: Dropout,
        /// Keeps layers apart.
        layer: u32,
        /// `[1, 8]`: a [`Hyper`](super::Hyper).
        hyper: TensorId,
        /// `[1, 2]`, of u32.
        keys: TensorId,
        /// `[batch, columns]`
        input: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// gradient = a·gradient where the same draw lets it be, else 0.
    DropoutGradient {
        /// As in the forward pass.
        kind: Dropout,
        /// As in the forward pass.
        layer: u32,
        /// `[1, 8]`: a [`Hyper`](super::Hyper).
        hyper: TensorId,
        /// `[1, 2]`, of u32.
        keys: TensorId,
        /// `[batch, columns]`
        gradient: TensorId,
    },
    /// Each row's loss, its gradient by the logits times the step's factor, and a record of the row.
    LossGradient {
        /// What is measured.
        function: LossFunction,
        /// Whether the targets' last column is the weight of their row.
        weighted: bool,
        /// `[batch, columns]`
        logits: TensorId,
        /// `[batch, 1]` for classes, else `[batch, columns]`; a column more with weights.
        targets: TensorId,
        /// `[batch, columns]`
        gradient: TensorId,
        /// `[batch, 4]`: a [`record`](super::record) of each row.
        rows: TensorId,
    },
    /// log[record, :] = Σ rows[r, :]
    Metrics {
        /// `[batch, 4]`
        rows: TensorId,
        /// `[records, 4]`
        log: TensorId,
    },
    /// gradient = gradient ⊙ f′, with f′ found from what [`Activation::keeps_input`] says.
    ActivationGradient {
        /// f
        function: Activation,
        /// f's output or input, `[batch, columns]`.
        kept: TensorId,
        /// `[batch, columns]`
        gradient: TensorId,
    },
    /// output = (a·b) ⊙ f′, fused from [`Op::Matmul`] and [`Op::ActivationGradient`].
    MatmulActivationGradient {
        /// `[batch, k]`
        a: TensorId,
        /// `[k, n]`
        b: TensorId,
        /// f
        function: Activation,
        /// f's output or input, `[batch, n]`.
        kept: TensorId,
        /// `[batch, n]`
        output: TensorId,
    },
    /// output`[c]` = Σ gradient`[r, c]`, or += it
    BiasGradient {
        /// `[batch, columns]`
        gradient: TensorId,
        /// Whether the sum is added to what is there.
        accumulate: bool,
        /// `[1, columns]`
        output: TensorId,
    },
    /// Each weight w by its gradient g, as the optimizer's [`Rule`](super::Rule) says.
    Update {
        /// The rule and its constants.
        optimizer: Optimizer,
        /// `[1, parameters]`, weights before biases.
        parameters: TensorId,
        /// Laid out as the parameters.
        gradients: TensorId,
        /// What the rule remembers, each laid out as the parameters.
        moments: Vec<TensorId>,
        /// `[1, 8]`: a [`Hyper`](super::Hyper).
        hyper: TensorId,
        /// The first values, which the weight decay applies to.
        decayed: usize,
    },
    /// values = min(max(values, −limit), limit)
    ClipValue {
        /// The largest absolute value that is left.
        limit: f32,
        /// Any shape.
        values: TensorId,
    },
    /// sums`[c]` = Σ values² over the `c`-th [`chunk`] of the values.
    SquareSums {
        /// `[1, length]`
        values: TensorId,
        /// `[1, chunks]`
        sums: TensorId,
    },
    /// values = values·min(1, limit / (√(Σ sums) + 1e-6))
    ClipNorm {
        /// The largest Euclidean norm that is left.
        limit: f32,
        /// `[1, chunks]`
        sums: TensorId,
        /// `[1, length]`
        values: TensorId,
    },
    /// Each row: row = row·min(1, limit / (‖row‖ + 1e-7)), left as it is where its norm is the limit at most.
    MaxNorm {
        /// The largest Euclidean norm that is left.
        limit: f32,
        /// `[rows, columns]`
        values: TensorId,
    },
    /// moment = μ·moment + (1−μ)·gradient;  gradient = moment, or μ·moment + (1−μ)·gradient with Nesterov's momentum.
    Momentum {
        /// Which of the two.
        nesterov: bool,
        /// `[1, 8]`: a [`Hyper`](super::Hyper).
        hyper: TensorId,
        /// `[1, length]`
        moment: TensorId,
        /// `[1, length]`
        gradient: TensorId,
    },
    /// output = values / max(√(Σ sums), 1e-7)
    Normalize {
        /// `[1, chunks]`: of the values' squares.
        sums: TensorId,
        /// `[1, length]`
        values: TensorId,
        /// `[1, length]`
        output: TensorId,
    },
    /// values = f₀·values + f₁·other
    Combine {
        /// f₀ and f₁
        factors: [f32; 2],
        /// `[1, length]`
        other: TensorId,
        /// `[1, length]`
        values: TensorId,
    },
    /// average = average + share·(parameters − average), with the step's share.
    Average {
        /// `[1, parameters]`
        parameters: TensorId,
        /// `[1, parameters]`
        average: TensorId,
    },
    /// values = 0
    Clear {
        /// Any shape.
        values: TensorId,
    },
    /// Each row's softmax: exp(zᵢ − max z) / Σ exp(zⱼ − max z).
    Softmax {
        /// `[batch, columns]`
        logits: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
}

impl Op {
    /// The kernel's name: of its file in `shaders/` and of its twin in `src/backend/cpu/`.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Gather { .. } => "gather",
            Op::Matmul { .. } => "matmul",
            Op::BiasAdd { .. } => "bias_add",
            Op::Activation { .. } => "activation",
            Op::MatmulBiasActivation { .. } => "matmul_bias_activation",
            Op::Dropout { .. } => "dropout",
            Op::DropoutGradient { .. } => "dropout_gradient",
            Op::LossGradient { .. } => "loss_gradient",
            Op::Metrics { .. } => "metrics",
            Op::ActivationGradient { .. } => "activation_gradient",
            Op::MatmulActivationGradient { .. } => "matmul_activation_gradient",
            Op::BiasGradient { .. } => "bias_gradient",
            Op::Update { optimizer, .. } => optimizer.rule.kernel(),
            Op::ClipValue { .. } => "clip_value",
            Op::SquareSums { .. } => "square_sums",
            Op::ClipNorm { .. } => "clip_norm",
            Op::MaxNorm { .. } => "max_norm",
            Op::Momentum { .. } => "momentum",
            Op::Normalize { .. } => "normalize",
            Op::Combine { .. } => "combine",
            Op::Average { .. } => "average",
            Op::Clear { .. } => "clear",
            Op::Softmax { .. } => "softmax",
        }
    }

    /// Tensors it reads only.
    pub fn reads(&self) -> Vec<TensorId> {
        match *self {
            Op::Gather { source, order, .. } => vec![source, order],
            Op::Matmul { a, b, .. } => vec![a, b],
            Op::BiasAdd { bias, .. } => vec![bias],
            Op::Activation { input, .. } => vec![input],
            Op::MatmulBiasActivation { a, b, bias, .. } => vec![a, b, bias],
            Op::Dropout {
                hyper, keys, input, ..
            } => vec![hyper, keys, input],
            Op::DropoutGradient { hyper, keys, .. } => vec![hyper, keys],
            Op::LossGradient {
                logits, targets, ..
            } => vec![logits, targets],
            Op::Metrics { rows, .. } => vec![rows],
            Op::ActivationGradient { kept, .. } => vec![kept],
            Op::MatmulActivationGradient { a, b, kept, .. } => vec![a, b, kept],
            Op::BiasGradient { gradient, .. } => vec![gradient],
            Op::Update {
                gradients, hyper, ..
            } => vec![gradients, hyper],
            Op::SquareSums { values, .. } => vec![values],
            Op::Average { parameters, .. } => vec![parameters],
            Op::ClipNorm { sums, .. } => vec![sums],
            Op::Momentum { hyper, .. } => vec![hyper],
            Op::Normalize { sums, values, .. } => vec![sums, values],
            Op::Combine { other, .. } => vec![other],
            Op::ClipValue { .. } | Op::MaxNorm { .. } | Op::Clear { .. } => vec![],
            Op::Softmax { logits, .. } => vec![logits],
        }
    }

    /// Tensors it writes, or changes in place.
    pub fn writes(&self) -> Vec<TensorId> {
        match *self {
            Op::Gather { output, .. }
            | Op::Matmul { output, .. }
            | Op::Activation { output, .. }
            | Op::MatmulBiasActivation { output, .. }
            | Op::Dropout { output, .. }
            | Op::MatmulActivationGradient { output, .. }
            | Op::BiasGradient { output, .. }
            | Op::Normalize { output, .. }
            | Op::Softmax { output, .. } => vec![output],
            Op::BiasAdd { values, .. }
            | Op::ClipValue { values, .. }
            | Op::ClipNorm { values, .. }
            | Op::MaxNorm { values, .. }
            | Op::Combine { values, .. }
            | Op::Clear { values } => vec![values],
            Op::Momentum {
                moment, gradient, ..
            } => vec![moment, gradient],
            Op::SquareSums { sums, .. } => vec![sums],
            Op::Average { average, .. } => vec![average],
            Op::LossGradient { gradient, rows, .. } => vec![gradient, rows],
            Op::Metrics { log, .. } => vec![log],
            Op::ActivationGradient { gradient, .. } | Op::DropoutGradient { gradient, .. } => {
                vec![gradient]
            }
            Op::Update {
                parameters,
                ref moments,
                ..
            } => [&[parameters], &moments[..]].concat(),
        }
    }

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
                _ => 2 * size(m) * n,
            };
            return 2 * size(m) * n * size(k) + epilogue;
        }
        let width = |tensor: TensorId| program.len(tensor);
        match *self {
            Op::Gather { .. }
            | Op::Clear { .. }
            | Op::Matmul { .. }
            | Op::MatmulBiasActivation { .. }
            | Op::MatmulActivationGradient { .. } => 0,
            Op::BiasAdd { values: tensor, .. }
            | Op::Activation { output: tensor, .. }
            | Op::BiasGradient {
                gradient: tensor, ..
            } => width(tensor),
            Op::Dropout { output, .. } => 2 * width(output),
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
            Op::Gather { output, .. } => gathered(output),
            _ => self
                .reads()
                .into_iter()
                .map(|tensor| program.len(tensor))
                .sum(),
        };
        let in_place = match *self {
            Op::Matmul { accumulate, .. } | Op::BiasGradient { accumulate, .. } => accumulate,
            Op::BiasAdd { .. }
            | Op::ActivationGradient { .. }
            | Op::DropoutGradient { .. }
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
            Op::Metrics { .. } => super::record::WIDTH,
            _ => self
                .writes()
                .into_iter()
                .map(|tensor| program.len(tensor))
                .sum(),
        };
        4 * (read + if in_place { 2 * written } else { written })
    }
}

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
