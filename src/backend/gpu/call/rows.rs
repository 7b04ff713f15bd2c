//! Rows of a dataset, what is drawn for them, and what is kept of them.

use super::codes;
use super::{Call, Calls, EIGHTS, Operand, groups};
use crate::backend::gpu::shader::Constants;
use crate::model::Dropout;
use crate::program::{Op, TensorId};

impl Calls<'_> {
    /// Of an op of this kind; of no other.
    pub(super) fn of_rows(&self, op: &Op) -> Vec<Call> {
        let name = op.name();
        match *op {
            Op::Gather {
                source,
                order,
                output,
            } => self.gather(source, order, output),
            Op::GatherBoth {
                sources: [first, second],
                order,
                outputs: [x, t],
            } => {
                if self.windows(first) > 2 || self.windows(second) > 1 {
                    let both = [self.gather(first, order, x), self.gather(second, order, t)];
                    return both.concat();
                }
                let [of_x, of_t] = [x, t].map(|output| self.columns(output));
                let split = self.window(first).min(self.program.rows(first));
                let part = |start: usize, end: usize| Operand {
                    tensor: first,
                    start: start * of_x,
                    len: (end - start) * of_x,
                };
                let beginning = part(0, split);
                // Nothing is read of it where there is no rest.
                let rest = match part(split, self.program.rows(first)) {
                    Operand { len: 0, .. } => beginning,
                    rest => rest,
                };
                let lanes = lanes_of_a_row(of_x);
                vec![Call {
                    kernel: name,
                    constants: [
                        lanes_and_vectors(of_x),
                        vec![("REST", (split < self.program.rows(first)).into())],
                    ]
                    .concat(),
                    operands: [vec![beginning, rest], self.whole(&[second, order, x, t])].concat(),
                    scalars: [of_x, of_t, split].map(|count| count as u32).to_vec(),
                    grid: groups(self.program.rows(x) * lanes as usize),
                    factors: None,
                }]
            }
            Op::Dropout {
                kind,
                layer,
                hyper,
                keys,
                input,
                output,
            } => vec![self.dropout(name, (kind, layer), &[hyper, keys, input, output])],
            Op::DropoutGradient {
                kind,
                layer,
                hyper,
                keys,
                gradient,
            } => vec![self.dropout(name, (kind, layer), &[hyper, keys, gradient])],
            Op::Perturb {
                deviation,
                mask,
                layer,
                keys,
                values,
            } => {
                let mut call = self.drawn(name, layer, &[keys, values]);
                call.scalars.extend([deviation, mask].map(f32::to_bits));
                vec![call]
            }
            Op::Mix {
                shares,
                other,
                values,
            } => vec![self.elementwise(name, vec![], &[shares, other, values], values)],
            Op::Warp {
                warp,
                layer,
                keys,
                input,
                output,
            } => vec![Call {
                kernel: name,
                constants: vec![],
                operands: self.whole(&[keys, input, output]),
                scalars: vec![
                    self.columns(output) as u32,
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
                grid: groups(self.program.len(output)),
                factors: None,
            }],
            Op::Keep {
                first,
                values,
                kept,
            } => vec![Call {
                kernel: name,
                constants: vec![],
                operands: self.whole(&[values, kept]),
                scalars: vec![self.columns(values) as u32, first],
                grid: groups(self.program.len(values)),
                factors: None,
            }],
            _ => Vec::new(),
        }
    }

    /// Rows of a dataset that a binding holds. Its beginning is rounded down to the adapter's alignment, which may cost up to
    /// 64 elements.
    fn window(&self, source: TensorId) -> usize {
        (self.binding.saturating_sub(64) / self.columns(source)).max(1)
    }

    fn windows(&self, source: TensorId) -> usize {
        self.program.rows(source).div_ceil(self.window(source))
    }

    /// A dataset larger than a binding is gathered window by window, each of whole rows.
    fn gather(&self, source: TensorId, order: TensorId, output: TensorId) -> Vec<Call> {
        let columns = self.columns(source);
        let height = self.program.rows(source);
        let window = self.window(source);
        let lanes = lanes_of_a_row(columns);
        let call = |first: usize| {
            let height = window.min(height - first);
            let mut operands = self.whole(&[source, order, output]);
            operands[0].start = first * columns;
            operands[0].len = height * columns;
            Call {
                kernel: "gather",
                constants: lanes_and_vectors(columns),
                operands,
                scalars: vec![columns as u32, first as u32, height as u32],
                grid: groups(self.program.rows(output) * lanes as usize),
                factors: None,
            }
        };
        (0..height).step_by(window).map(call).collect()
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
            constants: vec![("KIND", codes::dropout(kind))],
            ..self.drawn(kernel, layer, tensors)
        }
    }
}

/// The constants of a copy of rows of so many columns, which may be read eight values at a time if each begins at a multiple of as many.
fn lanes_and_vectors(columns: usize) -> Constants {
    let mut constants = vec![("LANES", lanes_of_a_row(columns))];
    if columns.is_multiple_of(8) {
        constants.push((EIGHTS, 0));
    }
    constants
}

/// Invocations that share the copy of a row of so many columns: four values to each, and for wide rows some fours.
fn lanes_of_a_row(columns: usize) -> u32 {
    columns.div_ceil(4).next_power_of_two().min(256) as u32
}
