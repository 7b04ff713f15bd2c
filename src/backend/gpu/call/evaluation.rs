//! Losses, answers, and what is counted of them.

use super::codes::{answer, loss, loss_weights};
use super::{Call, Calls, MAX_GROUPS, groups};
use crate::program::{BINS, Op, shares};

impl Calls<'_> {
    /// Of an op of this kind; of no other.
    pub(super) fn of_evaluations(&self, op: &Op) -> Vec<Call> {
        let name = op.name();
        match *op {
            Op::LossGradient {
                function: f,
                weights,
                logits,
                targets,
                gradient,
                rows,
            } => {
                let mut call = self.by_row(name, &[logits, targets, gradient, rows], logits);
                let constants = [("FUNCTION", loss(f)), ("WEIGHTS", loss_weights(weights))];
                call.constants.extend(constants);
                let parameter = f.parameter().to_bits();
                call.scalars.extend([parameter, f.width() as u32, 0]);
                call.scalars.extend(f.levels().map(f32::to_bits));
                vec![call]
            }
            Op::Metrics { rows, log } => vec![Call {
                kernel: name,
                constants: vec![("LANES", 64)],
                operands: self.whole(&[rows, log]),
                scalars: vec![],
                grid: [1, 1],
                factors: None,
            }],
            Op::Answers {
                answer: kind,
                logits,
                moments,
                output,
            } => {
                let (columns, targets) = (self.columns(output), self.program.rows(moments));
                let (kind, logarithm) = answer(kind);
                vec![Call {
                    kernel: name,
                    constants: vec![("KIND", kind), ("LOGARITHM", logarithm.into())],
                    operands: self.whole(&[logits, moments, output]),
                    scalars: vec![columns as u32, (columns / targets) as u32],
                    grid: groups(self.program.len(output)),
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
                operands: self.whole(&[answers, output]),
                scalars: vec![self.columns(output) as u32, members as u32],
                grid: groups(self.program.len(output)),
                factors: None,
            }],
            Op::Verdict {
                answers,
                targets,
                rows,
            } => vec![self.by_row(name, &[answers, targets, rows], answers)],
            Op::TallyClasses {
                classes,
                record,
                rows,
                counts,
                sums,
            } => {
                let blocks = self.columns(counts).div_ceil(64);
                let all = blocks + 1 + BINS;
                vec![Call {
                    kernel: name,
                    constants: vec![("LANES", 64)],
                    operands: self.whole(&[rows, counts, sums]),
                    scalars: vec![classes as u32, record, blocks as u32],
                    grid: [all.min(MAX_GROUPS), all.div_ceil(MAX_GROUPS)]
                        .map(|groups| groups as u32),
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
                let labels = self.columns(answers) as u32;
                vec![Call {
                    kernel: name,
                    constants: vec![("LANES", 64)],
                    operands: self.whole(&[answers, targets, counts, sums]),
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
                let count = self.columns(targets);
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
                    operands: self.whole(&[answers, targets, moments, counts, sums]),
                    scalars,
                    grid: [(count + shares + 1) as u32, 1],
                    factors: None,
                }]
            }
            _ => Vec::new(),
        }
    }
}
