//! Answers for rows with targets, and what is counted of them: an evaluation beside its loss.

use serde::{Deserialize, Serialize};

use super::build::Builder;
use super::layers::last;
use super::{Capacity, Element, Levels, Loss, Op, Program, Rows, TensorId, buffer};
use crate::model::{Activation, Network};

/// How the outputs of a network become answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Each class's probability: softmax(z).
    Softmax,
    /// Each class's margin: z.
    Margins,
    /// Two classes' probabilities of one output: σ(−z) and σ(z).
    Pair,
    /// Two classes by one value near 0 or near 1: 1 − z and z, brought within 0 and 1.
    Clamped,
    /// Each label's probability: σ(z).
    Labels,
    /// Counts: e^z.
    Exponential,
    /// Values in their own units: deviation·z + mean, and e to that less 1 where logarithms are learned.
    Values {
        /// Whether log(1 + value) is learned.
        logarithm: bool,
    },
    /// The same of each target's quantiles, in rising order.
    Quantiles {
        /// The shares.
        levels: Levels,
        /// Whether log(1 + value) is learned.
        logarithm: bool,
    },
    /// The mean in its own units, and the deviation √max(e^s, ε), of two outputs.
    Normal,
}

impl Answer {
    /// Numbers a row for so many outputs.
    pub fn columns(self, outputs: usize) -> usize {
        match self {
            Answer::Pair | Answer::Clamped => 2 * outputs,
            _ => outputs,
        }
    }

    /// What is counted of them.
    pub fn tallied(self, outputs: usize) -> Tallied {
        let values = |width: usize, place, levels| Tallied::Values {
            targets: outputs / width,
            width,
            place,
            levels,
        };
        match self {
            Answer::Softmax | Answer::Margins | Answer::Pair | Answer::Clamped => {
                let classes = self.columns(outputs);
                Tallied::Classes { classes }
            }
            Answer::Labels => Tallied::Labels { labels: outputs },
            Answer::Exponential | Answer::Values { .. } => values(1, 0, None),
            Answer::Quantiles { levels, .. } => {
                let place = levels.median().unwrap_or(0);
                values(levels.values().len(), place, Some(levels))
            }
            Answer::Normal => values(2, 0, None),
        }
    }
}

/// What is counted of answers: whole numbers, which add up over steps, and sums, which each step has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tallied {
    /// Counts: rows by true and predicted class, rows by how many classes come before the true one, right rows by bin of the
    /// highest probability. Sums: rows; −log p; the highest probabilities by bin.
    Classes {
        /// How many.
        classes: usize,
    },
    /// Counts: of each label the rows that have it and are told to, that have it, and that are told to; rows with all labels right.
    /// Sums: rows; of each label −log p where it is there, else −log(1 − p).
    Labels {
        /// How many.
        labels: usize,
    },
    /// Counts: of each quantile the targets not above it; those between the first and the last. Sums: rows; a [`spread`] of each
    /// target; the loss of each quantile.
    Values {
        /// How many.
        targets: usize,
        /// Answers for each.
        width: usize,
        /// Which of these the spread is of.
        place: usize,
        /// The quantiles, if there are any.
        levels: Option<Levels>,
    },
}

/// Bins of the highest probability, each of the same width.
pub const BINS: usize = 15;

/// What the sums hold of a target y, its answer a and the error e = y − a, over the rows of a step. The means are those of the
/// step's rows to a rounding, the sums about them are by the target's deviation, or its square.
pub mod spread {
    /// Values a target.
    pub const WIDTH: usize = 10;
    /// The mean m of y; behind it Σ (y − m) and Σ (y − m)².
    pub const TARGET: usize = 0;
    /// The mean m of e; behind it Σ (e − m) and Σ (e − m)².
    pub const ERROR: usize = 3;
    /// Σ |e|
    pub const ABSOLUTE: usize = 6;
    /// Σ |e| / max(|y|, 2⁻⁵²)
    pub const RELATIVE: usize = 7;
    /// The largest |e|.
    pub const LARGEST: usize = 8;
    /// Of a normal distribution, Σ log d + (e/d)²/2 with the deviation d, which counts as no less than that of
    /// [`LossFunction::LEAST_VARIANCE`](crate::program::LossFunction::LEAST_VARIANCE): no square leaves the numbers of f32.
    pub const LIKELIHOOD: usize = 9;
}

impl Tallied {
    /// Columns of the targets.
    pub fn targets(self) -> usize {
        match self {
            Tallied::Classes { .. } => 1,
            Tallied::Labels { labels } => labels,
            Tallied::Values { targets, .. } => targets,
        }
    }

    /// Counts, which add up over steps.
    pub fn counts(self) -> usize {
        match self {
            Tallied::Classes { classes } => classes * classes + classes + BINS,
            Tallied::Labels { labels } => 3 * labels + 1,
            Tallied::Values { levels, .. } => shares(levels).len() + 1,
        }
    }

    /// Sums of a step, its rows first.
    pub fn sums(self) -> usize {
        match self {
            Tallied::Classes { .. } => 2 + BINS,
            Tallied::Labels { labels } => 1 + labels,
            Tallied::Values {
                targets, levels, ..
            } => 1 + targets * spread::WIDTH + shares(levels).len(),
        }
    }
}

/// The quantiles, of none an empty list.
pub(crate) fn shares(levels: Option<Levels>) -> Vec<f32> {
    levels.map_or_else(Vec::new, |levels| levels.values().to_vec())
}

/// What an evaluation makes of the rows beside their loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Record of the first step, which begins the counts anew.
    pub record: usize,
    /// Steps.
    pub records: usize,
    /// Position of the first row in the order.
    pub first: usize,
    /// Rows whose answers are kept, for what ranks them: all, or none.
    pub kept: usize,
    /// Members that answer together, neighbours in the pack: the mean of their answers is counted, for each of them. 1 for each
    /// alone.
    pub together: usize,
}

impl Program {
    /// What [`Program::evaluation`] does, and what is counted of the answers against [`buffer::WANTED`] targets over a stretch of steps.
    pub fn tally(
        network: &Network,
        loss: &Loss,
        parameters: &'static str,
        (answer, stretch): (Answer, Stretch),
        capacity: Capacity,
    ) -> Self {
        let mut builder = Builder::new(network, capacity);
        builder.parameters = parameters;
        let [input, targets] = builder.examples(loss);
        let input = builder.embed(input);
        let activations = builder.forward(input, false);
        let logits = last(&activations, input);
        builder.loss(*loss, logits, targets);
        let answers = builder.answers(answer, logits, own_answers(stretch));
        builder.count(answer, answers, stretch);
        builder.program
    }

    /// What [`Program::tally`] counts, of answers that are there: those of the rows of [`buffer::ANSWERED`], for a network of such
    /// outputs.
    pub fn tally_of_answers(
        network: &Network,
        (answer, stretch): (Answer, Stretch),
        capacity: Capacity,
    ) -> Self {
        let mut builder = Builder::new(network, capacity);
        let columns = answer.columns(network.outputs());
        let answers = builder.batch_of(buffer::ANSWERED, own_answers(stretch), columns);
        builder.count(answer, answers, stretch);
        builder.program
    }
}

/// Where each member's own answers are: those that are counted, if no others are joined with them.
fn own_answers(stretch: Stretch) -> &'static str {
    if stretch.together > 1 {
        "own answers"
    } else {
        buffer::ANSWERS
    }
}

impl Builder<'_> {
    fn answers(&mut self, answer: Answer, logits: TensorId, name: &str) -> TensorId {
        let columns = answer.columns(self.network.outputs());
        let output = self.program.add_own(name, Rows::Batch, columns);
        let activation = |function| Op::Activation {
            function,
            input: logits,
            output,
        };
        let op = match answer {
            Answer::Softmax => Op::Softmax {
                log: false,
                logits,
                output,
            },
            Answer::Labels => activation(Activation::Sigmoid),
            Answer::Margins => activation(Activation::Identity),
            _ => Op::Answers {
                answer,
                logits,
                moments: self.moments(answer),
                output,
            },
        };
        self.push(op);
        output
    }

    /// Joins the members' own answers where several answer together; counts and keeps them.
    fn count(&mut self, answer: Answer, own: TensorId, stretch: Stretch) {
        let Stretch {
            first,
            kept,
            together,
            ..
        } = stretch;
        let columns = answer.columns(self.network.outputs());
        let mut answers = own;
        if together > 1 {
            answers = self.program.add_own(buffer::ANSWERS, Rows::Batch, columns);
            self.push(Op::Join {
                members: together,
                normal: answer == Answer::Normal,
                answers: own,
                output: answers,
            });
        }
        self.tallied(answer, answers, stretch);
        if kept > 0 {
            let place = self.buffer(buffer::KEPT, Element::F32, kept * columns, false);
            let kept = self.tensor(buffer::KEPT, place, 0, kept, columns);
            self.push(Op::Keep {
                first: first as u32,
                values: answers,
                kept,
            });
        }
    }

    fn moments(&mut self, answer: Answer) -> TensorId {
        let targets = answer.tallied(self.network.outputs()).targets();
        let place = self.buffer(buffer::MOMENTS, Element::F32, 2 * targets, true);
        self.tensor(buffer::MOMENTS, place, 0, targets, 2)
    }

    fn tallied(&mut self, answer: Answer, answers: TensorId, stretch: Stretch) {
        let tallied = answer.tallied(self.network.outputs());
        let targets = self.batch_of(buffer::WANTED, "wanted", tallied.targets());
        let counts = self.buffer(buffer::COUNTS, Element::F32, tallied.counts(), false);
        let counts = self.tensor(buffer::COUNTS, counts, 0, 1, tallied.counts());
        let (records, width) = (stretch.records, tallied.sums());
        let sums = self.buffer(buffer::SUMS, Element::F32, records * width, false);
        let sums = self.tensor(buffer::SUMS, sums, 0, records, width);
        let record = stretch.record as u32;
        let op = match tallied {
            Tallied::Classes { classes } => {
                let rows = self.program.add_own("verdicts", Rows::Batch, Op::VERDICT);
                self.push(Op::Verdict {
                    answers,
                    targets,
                    rows,
                });
                Op::TallyClasses {
                    classes,
                    record,
                    rows,
                    counts,
                    sums,
                }
            }
            Tallied::Labels { .. } => Op::TallyLabels {
                record,
                answers,
                targets,
                counts,
                sums,
            },
            Tallied::Values {
                width,
                place,
                levels,
                ..
            } => Op::TallyValues {
                width,
                place,
                levels,
                record,
                answers,
                targets,
                moments: self.moments(answer),
                counts,
                sums,
            },
        };
        self.push(op);
    }
}
