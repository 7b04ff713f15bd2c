use super::{Op, Program, TensorId, Transpose};
use crate::model::Activation;

impl Program {
    /// The same program with neighbouring ops joined where one kernel does the work of several.
    ///
    /// A tensor that only the joined ops touched is left without a writer, and its buffer is dropped.
    #[must_use]
    pub fn fused(&self) -> Program {
        let mut ops = Vec::with_capacity(self.ops.len());
        let mut rest = self.ops.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            let (op, taken) = self
                .forward(rest)
                .or_else(|| backward(rest))
                .or_else(|| weights(rest))
                .or_else(|| examples(rest))
                .unwrap_or_else(|| (first.clone(), 1));
            ops.push(op);
            rest = &rest[taken..];
            debug_assert!(rest.len() <= behind.len());
        }
        let mut program = self.clone();
        program.ops = ops;
        program.drop_unused();
        program
    }

    /// The same program with what is two ops in one as those two, for whom a dispatch costs nothing.
    pub(crate) fn parted(&self) -> Program {
        let ops = self.ops.iter().flat_map(|op| match *op {
            Op::MatmulBiasGradient {
                a,
                b,
                accumulate,
                output,
                bias,
            } => vec![
                Op::Matmul {
                    a,
                    b,
                    transpose: Transpose::A,
                    accumulate,
                    output,
                },
                Op::BiasGradient {
                    gradient: a,
                    accumulate,
                    output: bias,
                },
            ],
            Op::GatherBoth {
                sources,
                order,
                outputs,
            } => [0, 1]
                .map(|which| Op::Gather {
                    source: sources[which],
                    order,
                    output: outputs[which],
                })
                .to_vec(),
            _ => vec![op.clone()],
        });
        Program {
            ops: ops.collect(),
            ..self.clone()
        }
    }

    /// matmul, `bias_add` and, if it is the next and alone reads z, activation.
    fn forward(&self, ops: &[Op]) -> Option<(Op, usize)> {
        let (a, b, z, bias) = match ops {
            [
                Op::Matmul {
                    a,
                    b,
                    transpose: Transpose::B,
                    accumulate: false,
                    output,
                },
                Op::BiasAdd { bias, values },
                ..,
            ] if values == output => (*a, *b, *output, *bias),
            _ => return None,
        };
        let fused = |function, output, taken| {
            let op = Op::MatmulBiasActivation {
                a,
                b,
                bias,
                function,
                output,
            };
            Some((op, taken))
        };
        match ops.get(2) {
            Some(&Op::Activation {
                function,
                input,
                output,
            }) if input == z && self.readers(z) == 1 => fused(function, output, 3),
            _ => fused(Activation::Identity, z, 2),
        }
    }

    fn readers(&self, tensor: TensorId) -> usize {
        self.ops
            .iter()
            .filter(|op| op.reads().contains(&tensor))
            .count()
    }

    fn drop_unused(&mut self) {
        let used = |ops: &[Op], tensors: &[super::Tensor], buffer: usize| {
            let mut touched = ops.iter().flat_map(|op| [op.reads(), op.writes()].concat());
            touched.any(|tensor| tensors[tensor].buffer == buffer)
        };
        let kept: Vec<bool> = (0..self.buffers.len())
            .map(|buffer| used(&self.ops, &self.tensors, buffer))
            .collect();
        for (buffer, kept) in self.buffers.iter_mut().zip(kept) {
            // Positions are names to the ops, so the buffer keeps its place and gives up its memory.
            if !kept {
                buffer.len = 0;
            }
        }
    }
}

/// matmul and the `activation_gradient` of its result.
fn backward(ops: &[Op]) -> Option<(Op, usize)> {
    match *ops {
        [
            Op::Matmul {
                a,
                b,
                transpose: Transpose::Neither,
                accumulate: false,
                output,
            },
            Op::ActivationGradient {
                function,
                kept,
                gradient,
            },
            ..,
        ] if gradient == output => Some((
            Op::MatmulActivationGradient {
                a,
                b,
                function,
                kept,
                output,
            },
            2,
        )),
        _ => None,
    }
}

/// The matmul and the `bias_gradient` that make a layer's gradients of one tensor.
fn weights(ops: &[Op]) -> Option<(Op, usize)> {
    match *ops {
        [
            Op::Matmul {
                a,
                b,
                transpose: Transpose::A,
                accumulate,
                output,
            },
            Op::BiasGradient {
                gradient,
                accumulate: bias_accumulates,
                output: bias,
            },
            ..,
        ] if (gradient, bias_accumulates) == (a, accumulate) => Some((
            Op::MatmulBiasGradient {
                a,
                b,
                accumulate,
                output,
                bias,
            },
            2,
        )),
        _ => None,
    }
}

/// A batch's rows of two datasets.
fn examples(ops: &[Op]) -> Option<(Op, usize)> {
    match *ops {
        [
            Op::Gather {
                source,
                order,
                output,
            },
            Op::Gather {
                source: other_source,
                order: other_order,
                output: other_output,
            },
            ..,
        ] if order == other_order => Some((
            Op::GatherBoth {
                sources: [source, other_source],
                order,
                outputs: [output, other_output],
            },
            2,
        )),
        _ => None,
    }
}
