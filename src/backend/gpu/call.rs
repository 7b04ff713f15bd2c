//! Ops become kernel calls: which pipeline, on which ranges, over which grid.

use super::shader::Constants;
use super::tile::Tile;
use crate::model::{Activation, Dropout, Periodic};
use crate::program::{
    Answer, BINS, LossFunction, LossWeights, Op, Product, Program, Rows, Rule, TensorId, Transpose,
    chunk, shares,
};

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
    /// Parts of k that are made side by side.
    pub(super) parts: usize,
}

/// Stands for the number of rows of the step's batch: BATCH in shaders/lib/batch.wgsl.
pub(super) const BATCH: u32 = u32::MAX;

/// Workgroups that WebGPU guarantees in one dimension; kernels loop where there is more to do.
const MAX_GROUPS: usize = 65_535;

/// The number by which kernels know the function: shaders/lib/functions.wgsl. One that is not elementwise has kernels of its own.
pub(super) fn function(activation: Activation) -> u32 {
    match activation {
        Activation::Identity | Activation::Prelu | Activation::Softmax | Activation::LogSoftmax => {
            0
        }
        Activation::Relu => 1,
        Activation::Sigmoid => 2,
        Activation::Tanh => 3,
        Activation::LeakyRelu => 4,
        Activation::Elu => 5,
        Activation::Selu => 6,
        Activation::Gelu => 7,
        Activation::GeluTanh => 8,
        Activation::Silu => 9,
        Activation::Mish => 10,
        Activation::Softplus => 11,
        Activation::Softsign => 12,
        Activation::HardSigmoid => 13,
    }
}

/// The number by which kernels know the loss: shaders/lib/losses.wgsl.
pub(super) fn loss(function: LossFunction) -> u32 {
    match function {
        LossFunction::CrossEntropy { .. } => 0,
        LossFunction::Focal { .. } => 1,
        LossFunction::Hinge => 2,
        LossFunction::BinaryCrossEntropy => 3,
        LossFunction::Mse => 4,
        LossFunction::Mae => 5,
        LossFunction::Huber { .. } => 6,
        LossFunction::LogCosh => 7,
        LossFunction::Poisson => 8,
        LossFunction::Quantile { .. } => 9,
        LossFunction::Gaussian => 10,
    }
}

/// The number by which kernels know what a loss is weighted by.
pub(super) fn loss_weights(weights: LossWeights) -> u32 {
    match weights {
        LossWeights::None => 0,
        LossWeights::Rows => 1,
        LossWeights::Outputs => 2,
    }
}

/// The number by which kernels know the optimizer's rule: shaders/lib/update.wgsl.
pub(super) fn rule(rule: Rule) -> u32 {
    match rule {
        Rule::Sgd => 0,
        Rule::Adam => 1,
        Rule::Adamw => 2,
        Rule::Amsgrad => 3,
        Rule::Nadam => 4,
        Rule::Radam => 5,
        Rule::Rmsprop => 6,
        Rule::Adagrad => 7,
        Rule::Adadelta => 8,
        Rule::Lion => 9,
        Rule::Muon => 10,
    }
}

/// The number by which kernels know the kind of dropout: shaders/lib/mask.wgsl.
pub(super) fn dropout(kind: Dropout) -> u32 {
    (kind == Dropout::Alpha).into()
}

/// The number by which the kernel knows how outputs become answers, and whether they are logarithms: shaders/answers.wgsl. One that
/// another op makes is never asked for here.
fn answer(answer: Answer) -> (u32, bool) {
    match answer {
        Answer::Pair => (0, false),
        Answer::Clamped => (1, false),
        Answer::Exponential => (2, false),
        Answer::Values { logarithm } => (3, logarithm),
        Answer::Softmax | Answer::Margins | Answer::Labels => (3, false),
        Answer::Quantiles { logarithm, .. } => (4, logarithm),
        Answer::Normal => (5, false),
    }
}

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
    let name = op.name();
    match *op {
        Op::Gather {
            source,
            order,
            output,
        } => calls.gather(source, order, output),
        Op::GatherBoth {
            sources: [first, second],
            order,
            outputs: [x, t],
        } => {
            if [first, second]
                .iter()
                .any(|&source| calls.windows(source) > 1)
            {
                let both = [
                    calls.gather(first, order, x),
                    calls.gather(second, order, t),
                ];
                return both.concat();
            }
            let [of_x, of_t] = [x, t].map(|output| calls.columns(output) as u32);
            vec![Call {
                kernel: name,
                constants: vec![],
                operands: calls.whole(&[first, second, order, x, t]),
                scalars: vec![of_x, of_t],
                grid: groups(program.len(x) + program.len(t)),
                factors: None,
            }]
        }
        Op::Matmul {
            a,
            b,
            transpose,
            accumulate,
            output,
        } => {
            let mut call = calls.product(op, a, b, transpose, &[output]);
            call.constants.push(("ACCUMULATE", accumulate.into()));
            vec![call]
        }
        Op::MatmulBiasActivation {
            a,
            b,
            bias,
            function: f,
            output,
        } => {
            let mut call = calls.product(op, a, b, Transpose::B, &[bias, output]);
            call.constants.push(("FUNCTION", function(f)));
            vec![call]
        }
        Op::MatmulActivationGradient {
            a,
            b,
            function: f,
            kept,
            output,
        } => {
            let mut call = calls.product(op, a, b, Transpose::Neither, &[kept, output]);
            call.constants.push(("FUNCTION", function(f)));
            vec![call]
        }
        Op::MatmulBiasGradient {
            a,
            b,
            accumulate,
            output,
            bias,
        } => calls.weights(op, [a, b], accumulate, [output, bias]),
        Op::BiasAdd { bias, values } => {
            vec![calls.elementwise(name, vec![], &[bias, values], values)]
        }
        Op::Activation {
            function: f,
            input,
            output,
        } => {
            vec![calls.elementwise(
                name,
                vec![("FUNCTION", function(f))],
                &[input, output],
                output,
            )]
        }
        Op::ActivationGradient {
            function: f,
            kept,
            gradient,
        } => {
            vec![calls.elementwise(
                name,
                vec![("FUNCTION", function(f))],
                &[kept, gradient],
                gradient,
            )]
        }
        Op::Dropout {
            kind,
            layer,
            hyper,
            keys,
            input,
            output,
        } => vec![calls.dropout(name, (kind, layer), &[hyper, keys, input, output])],
        Op::Perturb {
            deviation,
            mask,
            layer,
            keys,
            values,
        } => {
            let mut call = calls.drawn(name, layer, &[keys, values]);
            call.scalars.extend([deviation, mask].map(f32::to_bits));
            vec![call]
        }
        Op::Mix {
            shares,
            other,
            values,
        } => vec![calls.elementwise(name, vec![], &[shares, other, values], values)],
        Op::Warp {
            warp,
            layer,
            keys,
            input,
            output,
        } => vec![Call {
            kernel: name,
            constants: vec![],
            operands: calls.whole(&[keys, input, output]),
            scalars: vec![
                calls.columns(output) as u32,
                layer,
                warp.image.height,
                warp.image.width,
                warp.image.channels,
                warp.image.channels_last.into(),
                warp.shift,
                warp.quarters().to_bits(),
                warp.flip.into(),
                warp.cutout,
                warp.background.to_bits(),
            ],
            grid: groups(program.len(output)),
            factors: None,
        }],
        Op::DropoutGradient {
            kind,
            layer,
            hyper,
            keys,
            gradient,
        } => vec![calls.dropout(name, (kind, layer), &[hyper, keys, gradient])],
        Op::LossGradient {
            function: f,
            weights,
            logits,
            targets,
            gradient,
            rows,
        } => {
            let mut call = calls.by_row(name, &[logits, targets, gradient, rows], logits);
            let constants = [("FUNCTION", loss(f)), ("WEIGHTS", loss_weights(weights))];
            call.constants.extend(constants);
            let parameter = f.parameter().to_bits();
            call.scalars.extend([parameter, f.width() as u32, 0]);
            call.scalars.extend(f.levels().map(f32::to_bits));
            vec![call]
        }
        Op::Softmax {
            log,
            logits,
            output,
        } => {
            let mut call = calls.by_row(name, &[logits, output], logits);
            call.constants.push(("LOG", log.into()));
            call.scalars.insert(0, BATCH);
            vec![call]
        }
        Op::SoftmaxGradient {
            log,
            kept,
            gradient,
        } => {
            let mut call = calls.by_row(name, &[kept, gradient], kept);
            call.constants.push(("LOG", log.into()));
            call.scalars.insert(0, BATCH);
            vec![call]
        }
        Op::Add { a, b, output } => {
            vec![calls.elementwise(name, vec![], &[a, b, output], output)]
        }
        Op::Prelu {
            input,
            slope,
            output,
        } => vec![calls.elementwise(name, vec![], &[input, slope, output], output)],
        Op::PreluGradient {
            input,
            slope,
            gradient,
            slopes,
        } => {
            let tensors = [input, slope, gradient, slopes];
            vec![calls.elementwise(name, vec![], &tensors, gradient)]
        }
        Op::BatchNorm {
            input,
            scale_shift,
            running,
            statistics,
            output,
        } => {
            let tensors = [input, scale_shift, running, statistics, output];
            vec![calls.by_column(name, vec![], &tensors, input)]
        }
        Op::BatchNormInference {
            input,
            scale_shift,
            running,
            output,
        } => {
            let tensors = [input, scale_shift, running, output];
            vec![calls.elementwise(name, vec![], &tensors, output)]
        }
        Op::BatchNormGradient {
            input,
            scale_shift,
            statistics,
            gradient,
            accumulate,
            output,
        } => {
            let tensors = [input, scale_shift, statistics, gradient, output];
            let constants = vec![("ACCUMULATE", accumulate.into())];
            vec![calls.by_column(name, constants, &tensors, input)]
        }
        Op::LayerNorm {
            input,
            scale_shift,
            statistics,
            output,
        } => vec![calls.by_row(name, &[input, scale_shift, statistics, output], input)],
        Op::LayerNormParameters {
            input,
            statistics,
            gradient,
            accumulate,
            output,
        } => {
            let tensors = [input, statistics, gradient, output];
            let constants = vec![("ACCUMULATE", accumulate.into())];
            vec![calls.by_column(name, constants, &tensors, input)]
        }
        Op::LayerNormGradient {
            input,
            scale_shift,
            statistics,
            gradient,
        } => {
            let tensors = [input, scale_shift, statistics, gradient];
            vec![calls.by_row(name, &tensors, input)]
        }
        Op::Metrics { rows, log } => vec![Call {
            kernel: name,
            constants: vec![("LANES", 64)],
            operands: calls.whole(&[rows, log]),
            scalars: vec![],
            grid: [1, 1],
            factors: None,
        }],
        Op::BiasGradient {
            gradient,
            accumulate,
            output,
        } => vec![calls.bias_gradient(gradient, accumulate, output)],
        Op::Update {
            ref optimizer,
            parameters,
            gradients,
            ref moments,
            hyper,
            decayed,
        } => {
            let rates = [optimizer.beta1, optimizer.beta2, optimizer.epsilon];
            let mut scalars = vec![u32::from(optimizer.nesterov)];
            scalars.extend(rates.map(f32::to_bits));
            let written = [&[parameters], &moments[..]].concat();
            let mut updates = calls.flat(name, &[gradients], &[hyper], &written, decayed, &scalars);
            for update in &mut updates {
                update.constants.push(("RULE", rule(optimizer.rule)));
            }
            updates
        }
        Op::ClipValue { limit, values } => calls.pieces(values, 1, |start, len| Call {
            kernel: name,
            constants: vec![],
            operands: vec![Operand {
                tensor: values,
                start,
                len,
            }],
            scalars: vec![len as u32, limit.to_bits()],
            grid: groups(len),
            factors: None,
        }),
        Op::SquareSums { values, sums } => {
            let chunk = chunk(program.len(values));
            calls.pieces(values, chunk, |start, len| Call {
                kernel: name,
                constants: vec![("LANES", 64)],
                operands: [
                    vec![Operand {
                        tensor: values,
                        start,
                        len,
                    }],
                    calls.whole(&[sums]),
                ]
                .concat(),
                scalars: vec![len as u32, chunk as u32, (start / chunk) as u32],
                grid: [len.div_ceil(chunk) as u32, 1],
                factors: None,
            })
        }
        Op::ClipNorm {
            limit,
            sums,
            values,
        } => calls.pieces(values, 1, |start, len| Call {
            kernel: name,
            constants: vec![("LANES", 64)],
            operands: [
                calls.whole(&[sums]),
                vec![Operand {
                    tensor: values,
                    start,
                    len,
                }],
            ]
            .concat(),
            scalars: vec![len as u32, program.len(sums) as u32, limit.to_bits()],
            grid: groups(len),
            factors: None,
        }),
        Op::Momentum {
            nesterov,
            hyper,
            moment,
            gradient,
        } => calls.pieces(gradient, 1, |start, len| {
            let part = |tensor| Operand { tensor, start, len };
            Call {
                kernel: name,
                constants: vec![("NESTEROV", nesterov.into())],
                operands: [calls.whole(&[hyper]), [moment, gradient].map(part).to_vec()].concat(),
                scalars: vec![len as u32],
                grid: groups(len),
                factors: None,
            }
        }),
        Op::Normalize {
            sums,
            values,
            output,
        } => calls.pieces(values, 1, |start, len| {
            let part = |tensor| Operand { tensor, start, len };
            Call {
                kernel: name,
                constants: vec![("LANES", 64)],
                operands: [calls.whole(&[sums]), [values, output].map(part).to_vec()].concat(),
                scalars: vec![len as u32, program.len(sums) as u32],
                grid: groups(len),
                factors: None,
            }
        }),
        Op::Combine {
            factors,
            other,
            values,
        } => calls.pieces(values, 1, |start, len| {
            let mut scalars = vec![len as u32];
            scalars.extend(factors.map(f32::to_bits));
            Call {
                kernel: name,
                constants: vec![],
                operands: [other, values]
                    .map(|tensor| Operand { tensor, start, len })
                    .to_vec(),
                scalars,
                grid: groups(len),
                factors: None,
            }
        }),
        Op::MaxNorm { limit, values } => {
            let (columns, height) = (calls.columns(values), program.rows(values));
            let lanes = lanes(columns);
            let groups = height.div_ceil(64 / lanes as usize).clamp(1, MAX_GROUPS);
            vec![Call {
                kernel: name,
                constants: vec![("LANES", lanes)],
                operands: calls.whole(&[values]),
                scalars: vec![height as u32, columns as u32, limit.to_bits()],
                grid: [groups as u32, 1],
                factors: None,
            }]
        }
        Op::Average {
            parameters,
            average,
        } => calls.pieces(average, 1, |start, len| Call {
            kernel: name,
            constants: vec![],
            operands: [parameters, average]
                .map(|tensor| Operand { tensor, start, len })
                .to_vec(),
            scalars: vec![len as u32],
            grid: groups(len),
            factors: None,
        }),
        Op::Periodic {
            shape,
            input,
            parameters,
            output,
        } => vec![Call {
            kernel: name,
            constants: vec![],
            operands: calls.whole(&[input, parameters, output]),
            scalars: [
                vec![calls.columns(input) as u32, calls.columns(output) as u32],
                waves(&shape),
            ]
            .concat(),
            grid: groups(program.len(output)),
            factors: None,
        }],
        Op::PeriodicGradient {
            shape,
            input,
            parameters,
            gradient,
            accumulate,
            output,
        } => {
            let tensors = [input, parameters, gradient, output];
            let constants = vec![("ACCUMULATE", accumulate.into())];
            let mut call = calls.by_column(name, constants, &tensors, output);
            let columns = [input, gradient].map(|tensor| calls.columns(tensor) as u32);
            call.scalars = [columns.to_vec(), waves(&shape), vec![shape.values() as u32]].concat();
            let all = call.grid[0] as usize;
            call.grid = [all.min(MAX_GROUPS), all.div_ceil(MAX_GROUPS)].map(|groups| groups as u32);
            vec![call]
        }
        Op::Lookup {
            lookups,
            input,
            table,
            output,
        } => vec![Call {
            kernel: name,
            constants: vec![],
            operands: calls.whole(&[input, table, output]),
            scalars: vec![
                calls.columns(input) as u32,
                lookups as u32,
                program.rows(table) as u32,
                calls.columns(table) as u32,
            ],
            grid: groups(program.len(output)),
            factors: None,
        }],
        Op::LookupGradient {
            lookups,
            input,
            gradient,
            accumulate,
            output,
        } => {
            let width = calls.columns(output);
            let sum = Call {
                kernel: name,
                constants: vec![],
                operands: calls.whole(&[input, gradient, output]),
                scalars: vec![
                    calls.columns(input) as u32,
                    lookups as u32,
                    calls.columns(gradient) as u32,
                    program.rows(output) as u32,
                    width as u32,
                ],
                grid: groups(program.batch * lookups * width),
                factors: None,
            };
            if accumulate {
                return vec![sum];
            }
            let clear = calls.elementwise("clear", vec![], &[output], output);
            vec![clear, sum]
        }
        Op::Answers {
            answer: kind,
            logits,
            moments,
            output,
        } => {
            let (columns, targets) = (calls.columns(output), program.rows(moments));
            let (kind, logarithm) = answer(kind);
            vec![Call {
                kernel: name,
                constants: vec![("KIND", kind), ("LOGARITHM", logarithm.into())],
                operands: calls.whole(&[logits, moments, output]),
                scalars: vec![columns as u32, (columns / targets) as u32],
                grid: groups(program.len(output)),
                factors: None,
            }]
        }
        Op::Join {
            members,
            normal,
            answers,
            output,
        } => vec![Call {
            kernel: name,
            constants: vec![("NORMAL", normal.into())],
            operands: calls.whole(&[answers, output]),
            scalars: vec![calls.columns(output) as u32, members as u32],
            grid: groups(program.len(output)),
            factors: None,
        }],
        Op::Verdict {
            answers,
            targets,
            rows,
        } => vec![calls.by_row(name, &[answers, targets, rows], answers)],
        Op::TallyClasses {
            classes,
            record,
            rows,
            counts,
            sums,
        } => {
            let blocks = calls.columns(counts).div_ceil(64);
            let all = blocks + 1 + BINS;
            vec![Call {
                kernel: name,
                constants: vec![("LANES", 64)],
                operands: calls.whole(&[rows, counts, sums]),
                scalars: vec![classes as u32, record, blocks as u32],
                grid: [all.min(MAX_GROUPS), all.div_ceil(MAX_GROUPS)].map(|groups| groups as u32),
                factors: None,
            }]
        }
        Op::TallyLabels {
            record,
            answers,
            targets,
            counts,
            sums,
        } => {
            let labels = calls.columns(answers) as u32;
            vec![Call {
                kernel: name,
                constants: vec![("LANES", 64)],
                operands: calls.whole(&[answers, targets, counts, sums]),
                scalars: vec![labels, record],
                grid: [labels + 1, 1],
                factors: None,
            }]
        }
        Op::TallyValues {
            width,
            place,
            levels,
            record,
            answers,
            targets,
            moments,
            counts,
            sums,
        } => {
            let count = calls.columns(targets);
            let normal = width == 2 && levels.is_none();
            let padded = levels.map(|levels| levels.padded()).unwrap_or_default();
            let shares = shares(levels).len();
            let mut scalars = vec![
                width as u32,
                place as u32,
                count as u32,
                shares as u32,
                record,
                normal.into(),
            ];
            scalars.extend(padded.map(f32::to_bits));
            vec![Call {
                kernel: name,
                constants: vec![("LANES", 64)],
                operands: calls.whole(&[answers, targets, moments, counts, sums]),
                scalars,
                grid: [(count + shares + 1) as u32, 1],
                factors: None,
            }]
        }
        Op::Keep {
            first,
            values,
            kept,
        } => vec![Call {
            kernel: name,
            constants: vec![],
            operands: calls.whole(&[values, kept]),
            scalars: vec![calls.columns(values) as u32, first],
            grid: groups(program.len(values)),
            factors: None,
        }],
        Op::Clear { values } => calls.pieces(values, 1, |start, len| Call {
            kernel: name,
            constants: vec![],
            operands: vec![Operand {
                tensor: values,
                start,
                len,
            }],
            scalars: vec![1, len as u32],
            grid: groups(len),
            factors: None,
        }),
    }
}

/// Lanes of 64 that share a row.
fn lanes(columns: usize) -> u32 {
    if columns > 32 { 64 } else { 1 }
}

/// Numbers, frequencies and outputs, as kernels read them.
fn waves(shape: &Periodic) -> Vec<u32> {
    [shape.numbers, shape.frequencies, shape.outputs]
        .map(|size| size as u32)
        .to_vec()
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

    /// Rows of a dataset that a binding holds. Its beginning is rounded down to the adapter's alignment, which may cost up to
    /// 64 elements.
    fn window(&self, source: TensorId) -> usize {
        (self.binding.saturating_sub(64) / self.columns(source)).max(1)
    }

    fn windows(&self, source: TensorId) -> usize {
        self.program.rows(source).div_ceil(self.window(source))
    }

    fn bias_gradient(&self, gradient: TensorId, accumulate: bool, output: TensorId) -> Call {
        let constants = vec![("ACCUMULATE", accumulate.into())];
        let tensors = [gradient, output];
        let mut call = self.by_column("bias_gradient", constants, &tensors, gradient);
        let height = self.program.tensors[gradient].rows;
        call.scalars.insert(0, rows(height));
        call
    }

    /// A layer's gradients. Weights and biases are one binding, since no two that are written may overlap; where they are too far
    /// apart for that, each has a call of its own.
    fn weights(
        &self,
        op: &Op,
        [a, b]: [TensorId; 2],
        accumulate: bool,
        [output, bias]: [TensorId; 2],
    ) -> Vec<Call> {
        let mut call = self.product(op, a, b, Transpose::A, &[output]);
        call.constants.push(("ACCUMULATE", accumulate.into()));
        let place = |tensor: TensorId| self.program.tensors[tensor].offset;
        let distance = place(bias) - place(output);
        let len = distance + self.columns(bias);
        if len > self.binding.saturating_sub(64) {
            call.kernel = "matmul";
            return vec![call, self.bias_gradient(a, accumulate, bias)];
        }
        call.constants.push(("ROW_SUMS", 1));
        call.operands[2].len = len;
        call.scalars.push(distance as u32);
        vec![call]
    }

    /// A dataset larger than a binding is gathered window by window, each of whole rows.
    fn gather(&self, source: TensorId, order: TensorId, output: TensorId) -> Vec<Call> {
        let columns = self.columns(source);
        let height = self.program.rows(source);
        let window = self.window(source);
        let call = |first: usize| {
            let height = window.min(height - first);
            let mut operands = self.whole(&[source, order, output]);
            operands[0].start = first * columns;
            operands[0].len = height * columns;
            Call {
                kernel: "gather",
                constants: vec![],
                operands,
                scalars: vec![columns as u32, first as u32, height as u32],
                grid: groups(self.program.len(output)),
                factors: None,
            }
        };
        (0..height).step_by(window).map(call).collect()
    }

    fn product(
        &self,
        op: &Op,
        a: TensorId,
        b: TensorId,
        transpose: Transpose,
        others: &[TensorId],
    ) -> Call {
        let Product { m, n, k } = op.product(self.program).unwrap_or(Product {
            m: Rows::Fixed(0),
            n: 0,
            k: Rows::Fixed(0),
        });
        let size = |rows| match rows {
            Rows::Batch => self.program.batch,
            Rows::Fixed(rows) => rows,
        };
        let factors = Factors {
            m: size(m),
            n,
            k: size(k),
            transpose,
            inner: [a, b].map(|tensor| self.columns(tensor)),
            parts: 1,
        };
        let mut tensors = vec![a, b];
        tensors.extend(others);
        // Where k is an operand's inner axis, its rows lie `columns` apart; where m is, its k's do.
        let inner = match transpose {
            Transpose::A => self.columns(b),
            Transpose::Neither | Transpose::B => self.columns(a),
        };
        let call = Call {
            kernel: op.name(),
            constants: vec![
                ("A_TRANSPOSED", (transpose == Transpose::A).into()),
                ("B_TRANSPOSED", (transpose == Transpose::B).into()),
            ],
            operands: self.whole(&tensors),
            scalars: vec![
                rows(m),
                n as u32,
                rows(k),
                self.columns(a) as u32,
                inner as u32,
            ],
            grid: [0, 0],
            factors: Some(factors),
        };
        Tile::workgroup(&factors).cut(call, 1, false)
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

    /// The last of the tensors is written; a draw is for two of its columns: shaders/lib/mask.wgsl.
    fn drawn(&self, kernel: &'static str, layer: u32, tensors: &[TensorId]) -> Call {
        let output = tensors[tensors.len() - 1];
        let columns = self.columns(output);
        Call {
            kernel,
            constants: vec![],
            operands: self.whole(tensors),
            scalars: vec![columns as u32, layer],
            grid: groups(self.program.rows(output) * columns.div_ceil(32) * 16),
            factors: None,
        }
    }

    fn dropout(
        &self,
        kernel: &'static str,
        (kind, layer): (Dropout, u32),
        tensors: &[TensorId],
    ) -> Call {
        Call {
            constants: vec![("KIND", dropout(kind))],
            ..self.drawn(kernel, layer, tensors)
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

    /// An optimizer's update of flat buffers, in pieces that a binding holds.
    fn flat(
        &self,
        kernel: &'static str,
        read: &[TensorId],
        table: &[TensorId],
        written: &[TensorId],
        decayed: usize,
        rates: &[u32],
    ) -> Vec<Call> {
        let part = |tensors: &[TensorId], start, len| {
            let operand = move |&tensor: &TensorId| Operand { tensor, start, len };
            tensors.iter().map(operand).collect::<Vec<_>>()
        };
        self.pieces(read[0], 1, |start, len| {
            let mut scalars = vec![len as u32, decayed.saturating_sub(start) as u32];
            scalars.extend(rates);
            Call {
                kernel,
                constants: vec![],
                operands: [
                    part(read, start, len),
                    self.whole(table),
                    part(written, start, len),
                ]
                .concat(),
                scalars,
                grid: groups(len),
                factors: None,
            }
        })
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
    use super::*;
    use crate::model::Network;
    use crate::program::{Capacity, Loss, Reduction};

    #[test]
    fn weights_and_biases_too_far_apart_for_a_binding_are_two_calls() {
        let network = Network::new(8, &[16, 16], Activation::Relu, 4, Activation::Identity);
        let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 8,
            rows: 8,
            order: 8,
            records: 1,
        };
        let program = Program::gradients(&network, &loss, capacity).fused();
        let kernels = |binding: usize| -> Vec<&str> {
            let ops = program.ops.iter();
            let ops = ops.filter(|op| matches!(op, Op::MatmulBiasGradient { .. }));
            let calls = ops.flat_map(|op| calls(&program, op, binding));
            calls.map(|call| call.kernel).collect()
        };
        assert_eq!(kernels(1 << 20), ["matmul_bias_gradient"; 3]);
        // 128 + 256 + 64 weights before 36 biases: from the first layer's weights to its biases it is 464 values.
        let split = ["matmul", "bias_gradient"];
        let expected = [&["matmul_bias_gradient"; 2][..], &split].concat();
        assert_eq!(kernels(450 + 64), expected);
    }
}
