//! What layers do beside products: functions, norms, embeddings.

use super::codes::function;
use super::{BATCH, Call, Calls, MAX_GROUPS, groups};
use crate::model::Periodic;
use crate::program::Op;

impl Calls<'_> {
    /// Of an op of this kind; of no other.
    pub(super) fn of_layers(&self, op: &Op) -> Vec<Call> {
        let name = op.name();
        match *op {
            Op::Activation {
                function: f,
                input,
                output,
            } => {
                vec![self.elementwise(
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
                vec![self.elementwise(
                    name,
                    vec![("FUNCTION", function(f))],
                    &[kept, gradient],
                    gradient,
                )]
            }
            Op::Softmax {
                log,
                logits,
                output,
            } => {
                let mut call = self.by_row(name, &[logits, output], logits);
                call.constants.push(("LOG", log.into()));
                call.scalars.insert(0, BATCH);
                vec![call]
            }
            Op::SoftmaxGradient {
                log,
                kept,
                gradient,
            } => {
                let mut call = self.by_row(name, &[kept, gradient], kept);
                call.constants.push(("LOG", log.into()));
                call.scalars.insert(0, BATCH);
                vec![call]
            }
            Op::Add { a, b, output } => {
                vec![self.elementwise(name, vec![], &[a, b, output], output)]
            }
            Op::Prelu {
                input,
                slope,
                output,
            } => vec![self.elementwise(name, vec![], &[input, slope, output], output)],
            Op::PreluGradient {
                input,
                slope,
                gradient,
                slopes,
            } => {
                let tensors = [input, slope, gradient, slopes];
                vec![self.elementwise(name, vec![], &tensors, gradient)]
            }
            Op::BatchNorm {
                input,
                scale_shift,
                running,
                statistics,
                output,
            } => {
                let tensors = [input, scale_shift, running, statistics, output];
                vec![self.by_column(name, vec![], &tensors, input)]
            }
            Op::BatchNormInference {
                input,
                scale_shift,
                running,
                output,
            } => {
                let tensors = [input, scale_shift, running, output];
                vec![self.elementwise(name, vec![], &tensors, output)]
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
                vec![self.by_column(name, constants, &tensors, input)]
            }
            Op::LayerNorm {
                input,
                scale_shift,
                statistics,
                output,
            } => vec![self.by_row(name, &[input, scale_shift, statistics, output], input)],
            Op::LayerNormParameters {
                input,
                statistics,
                gradient,
                accumulate,
                output,
            } => {
                let tensors = [input, statistics, gradient, output];
                let constants = vec![("ACCUMULATE", accumulate.into())];
                vec![self.by_column(name, constants, &tensors, input)]
            }
            Op::LayerNormGradient {
                input,
                scale_shift,
                statistics,
                gradient,
            } => {
                let tensors = [input, scale_shift, statistics, gradient];
                vec![self.by_row(name, &tensors, input)]
            }
            Op::Periodic {
                shape,
                input,
                parameters,
                output,
            } => vec![Call {
                kernel: name,
                constants: vec![],
                operands: self.whole(&[input, parameters, output]),
                scalars: [
                    vec![self.columns(input) as u32, self.columns(output) as u32],
                    waves(&shape),
                ]
                .concat(),
                grid: groups(self.program.len(output)),
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
                let mut call = self.by_column(name, constants, &tensors, output);
                let columns = [input, gradient].map(|tensor| self.columns(tensor) as u32);
                call.scalars =
                    [columns.to_vec(), waves(&shape), vec![shape.values() as u32]].concat();
                let all = call.grid[0] as usize;
                call.grid =
                    [all.min(MAX_GROUPS), all.div_ceil(MAX_GROUPS)].map(|groups| groups as u32);
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
                operands: self.whole(&[input, table, output]),
                scalars: vec![
                    self.columns(input) as u32,
                    lookups as u32,
                    self.program.rows(table) as u32,
                    self.columns(table) as u32,
                ],
                grid: groups(self.program.len(output)),
                factors: None,
            }],
            Op::LookupGradient {
                lookups,
                input,
                gradient,
                accumulate,
                output,
            } => {
                let width = self.columns(output);
                let sum = Call {
                    kernel: name,
                    constants: vec![],
                    operands: self.whole(&[input, gradient, output]),
                    scalars: vec![
                        self.columns(input) as u32,
                        lookups as u32,
                        self.columns(gradient) as u32,
                        self.program.rows(output) as u32,
                        width as u32,
                    ],
                    grid: groups(self.program.batch * lookups * width),
                    factors: None,
                };
                if accumulate {
                    return vec![sum];
                }
                let clear = self.elementwise("clear", vec![], &[output], output);
                vec![clear, sum]
            }
            _ => Vec::new(),
        }
    }
}

/// Numbers, frequencies and outputs, as kernels read them.
fn waves(shape: &Periodic) -> Vec<u32> {
    [shape.numbers, shape.frequencies, shape.outputs]
        .map(|size| size as u32)
        .to_vec()
}
