//! Flat buffers: gradients, moments, parameters.

use super::codes::rule;
use super::{Call, Calls, EIGHTS, FOURS, MAX_GROUPS, Operand, groups, lanes};
use crate::program::{Op, TensorId, chunk};

impl Calls<'_> {
    /// Of an op of this kind; of no other.
    pub(super) fn of_updates(&self, op: &Op) -> Vec<Call> {
        let name = op.name();
        match *op {
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
                let mut updates =
                    self.flat(name, &[gradients], &[hyper], &written, decayed, &scalars);
                for update in &mut updates {
                    update.constants =
                        vec![(FOURS, 0), (EIGHTS, 0), ("RULE", rule(optimizer.rule))];
                }
                updates
            }
            Op::ClipValue { limit, values } => self.pieces(values, 1, |start, len| Call {
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
                let chunk = chunk(self.program.len(values));
                self.pieces(values, chunk, |start, len| Call {
                    kernel: name,
                    constants: vec![("LANES", 64)],
                    operands: [
                        vec![Operand {
                            tensor: values,
                            start,
                            len,
                        }],
                        self.whole(&[sums]),
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
            } => self.pieces(values, 1, |start, len| Call {
                kernel: name,
                constants: vec![("LANES", 64)],
                operands: [
                    self.whole(&[sums]),
                    vec![Operand {
                        tensor: values,
                        start,
                        len,
                    }],
                ]
                .concat(),
                scalars: vec![len as u32, self.program.len(sums) as u32, limit.to_bits()],
                grid: groups(len),
                factors: None,
            }),
            Op::Momentum {
                nesterov,
                hyper,
                moment,
                gradient,
            } => self.pieces(gradient, 1, |start, len| {
                let part = |tensor| Operand { tensor, start, len };
                Call {
                    kernel: name,
                    constants: vec![("NESTEROV", nesterov.into())],
                    operands: [self.whole(&[hyper]), [moment, gradient].map(part).to_vec()]
                        .concat(),
                    scalars: vec![len as u32],
                    grid: groups(len),
                    factors: None,
                }
            }),
            Op::Normalize {
                sums,
                values,
                output,
            } => self.pieces(values, 1, |start, len| {
                let part = |tensor| Operand { tensor, start, len };
                Call {
                    kernel: name,
                    constants: vec![("LANES", 64)],
                    operands: [self.whole(&[sums]), [values, output].map(part).to_vec()].concat(),
                    scalars: vec![len as u32, self.program.len(sums) as u32],
                    grid: groups(len),
                    factors: None,
                }
            }),
            Op::Combine {
                factors,
                other,
                values,
            } => self.pieces(values, 1, |start, len| {
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
                let (columns, height) = (self.columns(values), self.program.rows(values));
                let lanes = lanes(columns);
                let groups = height.div_ceil(64 / lanes as usize).clamp(1, MAX_GROUPS);
                vec![Call {
                    kernel: name,
                    constants: vec![("LANES", lanes)],
                    operands: self.whole(&[values]),
                    scalars: vec![height as u32, columns as u32, limit.to_bits()],
                    grid: [groups as u32, 1],
                    factors: None,
                }]
            }
            Op::Average {
                parameters,
                average,
            } => self.pieces(average, 1, |start, len| Call {
                kernel: name,
                constants: vec![],
                operands: [parameters, average]
                    .map(|tensor| Operand { tensor, start, len })
                    .to_vec(),
                scalars: vec![len as u32],
                grid: groups(len),
                factors: None,
            }),
            Op::Clear { values } => self.pieces(values, 1, |start, len| Call {
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
            _ => Vec::new(),
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
}
