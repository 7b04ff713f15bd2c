//! Muon's step for one weight matrix, in ops: momentum, its orthogonalisation by products, the update.

use std::ops::Range;

use super::build::Builder;
use super::{Element, Op, Optimizer, Rows, Rule, TensorId, Transpose, buffer, chunk};
use crate::model::Role;

/// a, b, c of the polynomial a·s + b·s³ + c·s⁵, which brings singular values s from 0 to 1 near 1 (Jordan 2024).
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// How often it is applied.
const ITERATIONS: usize = 5;

/// Memory that the matrices share, one after the other.
const SCRATCH: [&str; 4] = ["muon x", "muon y", "muon gram", "muon polynomial"];

impl Builder<'_> {
    /// The hidden layers' matrices by Muon, and all else by `AdamW`.
    pub(super) fn muon(&mut self, optimizer: &Optimizer) {
        let last = self.network.layers.len().saturating_sub(1);
        let matrices: Vec<TensorId> = self
            .network
            .parameters()
            .iter()
            .filter(|parameter| matches!(parameter.role, Role::Weight(n) if n < last))
            .map(|parameter| self.parameter(&parameter.name, buffer::PARAMETERS))
            .collect();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (n, &matrix) in matrices.iter().enumerate() {
            self.matrix(optimizer, n, matrix);
            let start = self.program.tensors[matrix].offset;
            ranges.push(start..start + self.program.len(matrix));
        }
        ranges.sort_by_key(|range| range.start);
        let len = self.places.len;
        let mut start = 0;
        for range in ranges.into_iter().chain(std::iter::once(len..len)) {
            if start < range.start {
                self.others(optimizer, start..range.start);
            }
            start = range.end;
        }
    }

    /// `AdamW` for a range of the flat parameters.
    fn others(&mut self, optimizer: &Optimizer, range: Range<usize>) {
        let rest = Optimizer {
            rule: Rule::Adamw,
            ..*optimizer
        };
        let [parameters, gradients] =
            [buffer::PARAMETERS, buffer::GRADIENTS].map(|flat| self.part(flat, range.clone()));
        let moments = rest.moments().iter();
        let moments = moments.map(|flat| self.part(flat, range.clone())).collect();
        let hyper = self.hyper();
        let decayed = self.places.decayed.clamp(range.start, range.end) - range.start;
        self.push(Op::Update {
            optimizer: rest,
            parameters,
            gradients,
            moments,
            hyper,
            decayed,
        });
    }

    /// m = μ·m + (1−μ)·g;  u = (1−μ)·g + μ·m, or m;  X = u/‖u‖;  five times X = a·X + (b·A + c·A²)·X with A = X·Xᵀ, or the same
    /// from the right where X is higher than wide, so that A is the smaller;  W = W − η·λ·W − η·√max(1, out/in)·X.
    fn matrix(&mut self, optimizer: &Optimizer, n: usize, matrix: TensorId) {
        let (height, width) = (
            self.program.rows(matrix),
            self.program.tensors[matrix].columns,
        );
        let (offset, len) = (self.program.tensors[matrix].offset, height * width);
        let range = offset..offset + len;
        let [parameters, gradients, moment] =
            [buffer::PARAMETERS, buffer::GRADIENTS, buffer::MOMENT1]
                .map(|flat| self.part(flat, range.clone()));
        let hyper = self.hyper();
        self.push(Op::Momentum {
            nesterov: optimizer.nesterov,
            hyper,
            moment,
            gradient: gradients,
        });
        let chunks = len.div_ceil(chunk(len));
        let name = format!("square sums {n}");
        let sums = self.program.add_own(&name, Rows::Fixed(1), chunks);
        self.push(Op::SquareSums {
            values: gradients,
            sums,
        });
        let side = height.min(width);
        let [x, y, gram, polynomial] = SCRATCH;
        let mut x = self.scratch(n, x, height, width);
        let mut y = self.scratch(n, y, height, width);
        let gram = self.scratch(n, gram, side, side);
        let polynomial = self.scratch(n, polynomial, side, side);
        self.push(Op::Normalize {
            sums,
            values: gradients,
            output: x.flat,
        });
        let [a, b, c] = COEFFICIENTS;
        for iteration in 1..=ITERATIONS {
            let product = |a: TensorId, b: TensorId, transpose, output| Op::Matmul {
                a,
                b,
                transpose,
                accumulate: false,
                output,
            };
            let transpose = if height > width {
                Transpose::A
            } else {
                Transpose::B
            };
            self.push(product(x.matrix, x.matrix, transpose, gram.matrix));
            let square = polynomial.matrix;
            self.push(product(
                gram.matrix,
                gram.matrix,
                Transpose::Neither,
                square,
            ));
            self.push(Op::Combine {
                factors: [c, b],
                other: gram.flat,
                values: polynomial.flat,
            });
            let [left, right] = if height > width {
                [x.matrix, polynomial.matrix]
            } else {
                [polynomial.matrix, x.matrix]
            };
            self.push(product(left, right, Transpose::Neither, y.matrix));
            let last = iteration == ITERATIONS;
            let scale = if last {
                (height as f32 / width as f32).max(1.0).sqrt()
            } else {
                1.0
            };
            self.push(Op::Combine {
                factors: [scale, scale * a],
                other: x.flat,
                values: y.flat,
            });
            (x, y) = (y, x);
        }
        self.push(Op::Update {
            optimizer: *optimizer,
            parameters,
            gradients: x.flat,
            moments: Vec::new(),
            hyper,
            decayed: len,
        });
    }

    /// A range of a flat buffer, as one row.
    fn part(&mut self, flat: &str, range: Range<usize>) -> TensorId {
        let whole = self.flat(flat);
        let buffer = self.program.tensors[whole].buffer;
        let name = format!("{flat} {}..{}", range.start, range.end);
        self.tensor(&name, buffer, range.start, 1, range.len())
    }

    /// A matrix of layer `n` in memory that the layers share.
    fn scratch(&mut self, n: usize, name: &str, rows: usize, columns: usize) -> Scratch {
        let buffer = self.buffer(name, Element::F32, 0, false);
        let memory = &mut self.program.buffers[buffer];
        memory.len = memory.len.max(rows * columns);
        let matrix = self.tensor(&format!("{name} {n}"), buffer, 0, rows, columns);
        let flat = self.tensor(&format!("{name} {n} flat"), buffer, 0, 1, rows * columns);
        Scratch { matrix, flat }
    }
}

/// The same values as a matrix and as one row.
#[derive(Clone, Copy)]
struct Scratch {
    matrix: TensorId,
    flat: TensorId,
}
