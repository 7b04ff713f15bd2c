mod cost;
mod operands;

pub use cost::Product;

use serde::{Deserialize, Serialize};

use super::{Answer, Levels, LossFunction, LossWeights, Optimizer, TensorId, Warp};
use crate::model::{Activation, Dropout, Periodic};

/// Values whose squares [`Op::SquareSums`] adds up together, of so many: one sum for each of at most 256 chunks.
pub fn chunk(values: usize) -> usize {
    values.div_ceil(256).next_multiple_of(64).max(64)
}

/// Which operand of a product is read with rows and columns swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transpose {
    /// c = a·b
    Neither,
    /// c = aᵀ·b
    A,
    /// c = a·bᵀ
    B,
}

/// One kernel's work. Fields name tensors; shapes follow from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The same of two datasets in one go, fused from two [`Op::Gather`].
    GatherBoth {
        /// `[dataset rows, columns]` each, shared.
        sources: [TensorId; 2],
        /// `[1, order]`, of u32.
        order: TensorId,
        /// `[batch, columns]` each
        outputs: [TensorId; 2],
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
    /// values = 0 with a probability, else values + deviation·a normal number, drawn as dropout is.
    Perturb {
        /// Of the noise, 0 for none.
        deviation: f32,
        /// The probability, below 1.
        mask: f32,
        /// Keeps the noise's draws apart from others; the mask has those of the next.
        layer: u32,
        /// `[1, 2]`, of u32.
        keys: TensorId,
        /// `[batch, columns]`
        values: TensorId,
    },
    /// values = share·values + (1 − share)·other, with the share of the row's position in the order.
    Mix {
        /// `[1, order]`
        shares: TensorId,
        /// `[batch, columns]`
        other: TensorId,
        /// `[batch, columns]`
        values: TensorId,
    },
    /// output = input, an image a row, flipped, turned and moved, with a square cut out, drawn as dropout is.
    Warp {
        /// What is drawn.
        warp: Warp,
        /// Keeps its draws apart from others.
        layer: u32,
        /// `[1, 2]`, of u32.
        keys: TensorId,
        /// `[batch, height·width·channels]`
        input: TensorId,
        /// As the input.
        output: TensorId,
    },
    /// Each row's loss, its gradient by the logits times the step's factor, and a record of the row.
    LossGradient {
        /// What is measured.
        function: LossFunction,
        /// What the targets' last columns weigh.
        weights: LossWeights,
        /// `[batch, columns]`
        logits: TensorId,
        /// `[batch, 1]` for classes, else `[batch, columns]` (by [`LossFunction::width`]); more with weights.
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
    /// output = aᵀ·b and bias`[c]` = Σ a`[r, c]`, or += them, fused from [`Op::Matmul`] and [`Op::BiasGradient`].
    MatmulBiasGradient {
        /// `[batch, m]`
        a: TensorId,
        /// `[batch, n]`
        b: TensorId,
        /// Whether the sums are added to what is there.
        accumulate: bool,
        /// `[m, n]`
        output: TensorId,
        /// `[1, m]`, behind the output in the same buffer.
        bias: TensorId,
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
    /// output = a + b
    Add {
        /// `[batch, columns]`
        a: TensorId,
        /// `[batch, columns]`
        b: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// output = z if z > 0, else α·z
    Prelu {
        /// z, `[batch, columns]`
        input: TensorId,
        /// α, `[1, 1]`
        slope: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// slopes = gradient·min(z, 0), which sum up to the gradient by α;  gradient = gradient·(1 if z > 0, else α)
    PreluGradient {
        /// z, `[batch, columns]`
        input: TensorId,
        /// α, `[1, 1]`
        slope: TensorId,
        /// `[batch, columns]`
        gradient: TensorId,
        /// `[batch, columns]`
        slopes: TensorId,
    },
    /// output = γ·ẑ + β with ẑ = (z − m)/√(v + ε), m and v each column's mean and variance over the batch, which also go into
    /// their running means with a share of a tenth. A batch of one row has no moments: it goes by the running ones.
    BatchNorm {
        /// z, `[batch, columns]`
        input: TensorId,
        /// γ and β, `[2, columns]`
        scale_shift: TensorId,
        /// The running mean and, of samples, variance: `[2, columns]`
        running: TensorId,
        /// m and 1/√(v + ε), `[2, columns]`
        statistics: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// output = γ·(z − m)/√(v + ε) + β with the running m and v.
    BatchNormInference {
        /// z, `[batch, columns]`
        input: TensorId,
        /// γ and β, `[2, columns]`
        scale_shift: TensorId,
        /// m and v, `[2, columns]`
        running: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// dγ = Σ dy·ẑ and dβ = Σ dy over the n rows, as output;  gradient = γ/√(v + ε)·(dy − dβ/n − ẑ·dγ/n) for the gradient dy.
    BatchNormGradient {
        /// z, `[batch, columns]`
        input: TensorId,
        /// γ and β, `[2, columns]`
        scale_shift: TensorId,
        /// m and 1/√(v + ε), `[2, columns]`
        statistics: TensorId,
        /// `[batch, columns]`
        gradient: TensorId,
        /// Whether dγ and dβ are added to what is there.
        accumulate: bool,
        /// dγ and dβ, `[2, columns]`
        output: TensorId,
    },
    /// output = γ·ẑ + β with ẑ = (z − m)/√(v + ε), m and v each row's mean and variance.
    LayerNorm {
        /// z, `[batch, columns]`
        input: TensorId,
        /// γ and β, `[2, columns]`
        scale_shift: TensorId,
        /// m and 1/√(v + ε), `[batch, 2]`
        statistics: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// dγ = Σ dy·ẑ and dβ = Σ dy over the rows, as output, for the gradient dy.
    LayerNormParameters {
        /// z, `[batch, columns]`
        input: TensorId,
        /// m and 1/√(v + ε), `[batch, 2]`
        statistics: TensorId,
        /// dy, `[batch, columns]`
        gradient: TensorId,
        /// Whether dγ and dβ are added to what is there.
        accumulate: bool,
        /// dγ and dβ, `[2, columns]`
        output: TensorId,
    },
    /// gradient = (g − mean g − ẑ·mean(g·ẑ))/√(v + ε) with g = γ·dy, for the gradient dy; means over the row.
    LayerNormGradient {
        /// z, `[batch, columns]`
        input: TensorId,
        /// γ and β, `[2, columns]`
        scale_shift: TensorId,
        /// m and 1/√(v + ε), `[batch, 2]`
        statistics: TensorId,
        /// `[batch, columns]`
        gradient: TensorId,
    },
    /// Of each of the first numbers x of a row: x, then V·cos(2πwx + b) + c; all else as it is.
    Periodic {
        /// How many numbers, frequencies and outputs there are.
        shape: Periodic,
        /// `[batch, inputs]`
        input: TensorId,
        /// w, b, V and c of all numbers, one behind the other, `[1, values]`.
        parameters: TensorId,
        /// `[batch, inputs + numbers·outputs]`
        output: TensorId,
    },
    /// The gradients of w, b, V and c, summed over the rows; there is none by x, which is data.
    PeriodicGradient {
        /// As in the forward pass.
        shape: Periodic,
        /// `[batch, inputs]`
        input: TensorId,
        /// `[1, values]`
        parameters: TensorId,
        /// By the output, or by what it became, whose first columns are the output's: `[batch, columns]`.
        gradient: TensorId,
        /// Whether the sums are added to what is there.
        accumulate: bool,
        /// `[1, values]`
        output: TensorId,
    },
    /// Each of a row's last columns holds the number of a row of the table, which takes its place; all else as it is.
    Lookup {
        /// How many columns.
        lookups: usize,
        /// `[batch, inputs]`
        input: TensorId,
        /// `[height, width]`
        table: TensorId,
        /// `[batch, inputs − lookups + lookups·width]`
        output: TensorId,
    },
    /// The table's gradient: for each of its rows the sum over the batch's rows that hold it, in their order. No two columns hold the
    /// same row.
    LookupGradient {
        /// How many columns.
        lookups: usize,
        /// `[batch, inputs]`, the last columns holding rows of the table.
        input: TensorId,
        /// By the forward pass's output, `[batch, columns]`.
        gradient: TensorId,
        /// Whether the sums are added to what is there.
        accumulate: bool,
        /// `[height, width]`
        output: TensorId,
    },
    /// What outputs come to, as [`Answer`] says; those that a softmax or an activation makes are none of this.
    Answers {
        /// How.
        answer: Answer,
        /// `[batch, outputs]`
        logits: TensorId,
        /// `[targets, 2]`, shared: each target's mean and deviation.
        moments: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// The answers of several networks as one, for each of them: output = the mean of the answers of its group's members. Where they
    /// are a mean μ and a deviation σ of a normal distribution, the deviation is that of the members' distributions together,
    /// √(mean of (μ − mean μ)² + σ²) (Lakshminarayanan et al. 2017).
    Join {
        /// Neighbours in the pack that are a group, from the first member on.
        members: usize,
        /// Whether every second column is a deviation.
        normal: bool,
        /// `[batch, columns]`
        answers: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// Each row's class, the one answered (the first of equals), how many classes come before its own (of equals the later
    /// ones, of two the first), −log p with p within 2⁻²³ of 0 and 1, the highest answer and its bin.
    Verdict {
        /// `[batch, classes]`
        answers: TensorId,
        /// `[batch, 1]`
        targets: TensorId,
        /// `[batch, 6]`
        rows: TensorId,
    },
    /// Counts and sums of verdicts: see [`Tallied::Classes`](super::Tallied).
    TallyClasses {
        /// How many.
        classes: usize,
        /// Of the first step, which begins the counts anew.
        record: u32,
        /// `[batch, 6]`
        rows: TensorId,
        /// `[1, counts]`
        counts: TensorId,
        /// `[records, sums]`
        sums: TensorId,
    },
    /// Counts and losses of labels, there where a probability is above 1/2: see [`Tallied::Labels`](super::Tallied).
    TallyLabels {
        /// Of the first step, which begins the counts anew.
        record: u32,
        /// `[batch, labels]`
        answers: TensorId,
        /// `[batch, labels]`
        targets: TensorId,
        /// `[1, counts]`
        counts: TensorId,
        /// `[records, sums]`
        sums: TensorId,
    },
    /// Counts and sums of values and their errors: see [`Tallied::Values`](super::Tallied).
    TallyValues {
        /// Answers for each target.
        width: usize,
        /// Which of these the errors are of.
        place: usize,
        /// The quantiles, if there are any.
        levels: Option<Levels>,
        /// Of the first step, which begins the counts anew.
        record: u32,
        /// `[batch, targets·width]`
        answers: TensorId,
        /// `[batch, targets]`
        targets: TensorId,
        /// `[targets, 2]`, shared: each target's mean and deviation.
        moments: TensorId,
        /// `[1, counts]`
        counts: TensorId,
        /// `[records, sums]`
        sums: TensorId,
    },
    /// kept[r − first, :] = values[r, :], with the row's position r in the order.
    Keep {
        /// Position of the first row that is kept.
        first: u32,
        /// `[batch, columns]`
        values: TensorId,
        /// `[rows, columns]`
        kept: TensorId,
    },
    /// values = 0
    Clear {
        /// Any shape.
        values: TensorId,
    },
    /// Each row's softmax: exp(zᵢ − max z) / Σ exp(zⱼ − max z), or its logarithm.
    Softmax {
        /// Whether the logarithm is meant.
        log: bool,
        /// `[batch, columns]`
        logits: TensorId,
        /// `[batch, columns]`
        output: TensorId,
    },
    /// gradient = p ⊙ (g − Σ g·p) for the gradient g and the softmax p of a row; g − p·Σ g for its logarithm.
    SoftmaxGradient {
        /// Whether the logarithm was meant.
        log: bool,
        /// p, or log p, `[batch, columns]`
        kept: TensorId,
        /// `[batch, columns]`
        gradient: TensorId,
    },
}

impl Op {
    /// Columns of the rows of [`Op::Verdict`].
    pub const VERDICT: usize = 6;

    /// Whether it reads what other members have made: all of them have to be done with what is before it.
    pub fn joins(&self) -> bool {
        matches!(self, Op::Join { .. })
    }

    /// The kernel's name: of its file in `shaders/` and of its twin in `src/backend/cpu/`.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Gather { .. } => "gather",
            Op::GatherBoth { .. } => "gather_both",
            Op::Matmul { .. } => "matmul",
            Op::BiasAdd { .. } => "bias_add",
            Op::Activation { .. } => "activation",
            Op::MatmulBiasActivation { .. } => "matmul_bias_activation",
            Op::Perturb { .. } => "perturb",
            Op::Mix { .. } => "mix",
            Op::Warp { .. } => "warp",
            Op::Dropout { .. } => "dropout",
            Op::DropoutGradient { .. } => "dropout_gradient",
            Op::LossGradient { .. } => "loss_gradient",
            Op::Metrics { .. } => "metrics",
            Op::ActivationGradient { .. } => "activation_gradient",
            Op::MatmulActivationGradient { .. } => "matmul_activation_gradient",
            Op::BiasGradient { .. } => "bias_gradient",
            Op::MatmulBiasGradient { .. } => "matmul_bias_gradient",
            Op::Update { optimizer, .. } => optimizer.rule.kernel(),
            Op::ClipValue { .. } => "clip_value",
            Op::SquareSums { .. } => "square_sums",
            Op::ClipNorm { .. } => "clip_norm",
            Op::MaxNorm { .. } => "max_norm",
            Op::Momentum { .. } => "momentum",
            Op::Normalize { .. } => "normalize",
            Op::Combine { .. } => "combine",
            Op::Average { .. } => "average",
            Op::Add { .. } => "add",
            Op::Prelu { .. } => "prelu",
            Op::PreluGradient { .. } => "prelu_gradient",
            Op::BatchNorm { .. } => "batch_norm",
            Op::BatchNormInference { .. } => "batch_norm_inference",
            Op::BatchNormGradient { .. } => "batch_norm_gradient",
            Op::LayerNorm { .. } => "layer_norm",
            Op::LayerNormParameters { .. } => "layer_norm_parameters",
            Op::LayerNormGradient { .. } => "layer_norm_gradient",
            Op::Periodic { .. } => "periodic",
            Op::PeriodicGradient { .. } => "periodic_gradient",
            Op::Lookup { .. } => "lookup",
            Op::LookupGradient { .. } => "lookup_gradient",
            Op::Answers { .. } => "answers",
            Op::Join { .. } => "join",
            Op::Verdict { .. } => "verdict",
            Op::TallyClasses { .. } => "tally_classes",
            Op::TallyLabels { .. } => "tally_labels",
            Op::TallyValues { .. } => "tally_values",
            Op::Keep { .. } => "keep",
            Op::Clear { .. } => "clear",
            Op::Softmax { .. } => "softmax",
            Op::SoftmaxGradient { .. } => "softmax_gradient",
        }
    }
}
