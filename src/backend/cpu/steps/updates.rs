//! Ops that change weights.

use std::array::from_fn;

use super::super::{
    Real, Values, average, clip_norm, clip_value, combine, max_norm, momentum, normalize,
    square_sums, update,
};
use super::{At, Memory, misplaced};
use crate::backend::Gradients;
use crate::program::{Op, buffer};

/// What an update goes by.
#[derive(Clone, Copy)]
enum Source<'a, T> {
    There(&'a [T]),
    /// Those of a member.
    Given(&'a dyn Gradients, usize),
}

impl<T: Real> Memory<'_, T> {
    pub(super) fn updates(&mut self, op: &Op, at: At<'_>) {
        match *op {
            Op::Update { gradients, .. } => {
                let g = self.take(at, gradients);
                self.update_op(op, at, Source::There(&g[at.range(gradients)]));
                self.put(at, gradients, g);
            }
            Op::ClipValue { limit, values } => {
                let mut out = self.take(at, values);
                clip_value::clip_value(T::of(limit), &mut out[at.range(values)]);
                self.put(at, values, out);
            }
            Op::SquareSums { values, sums } => {
                let mut out = self.take(at, sums);
                let values = self.values(at, values);
                square_sums::square_sums(values, &mut out[at.range(sums)]);
                self.put(at, sums, out);
            }
            Op::ClipNorm {
                limit,
                sums,
                values,
            } => {
                let mut out = self.take(at, values);
                let sums = self.values(at, sums);
                clip_norm::clip_norm(T::of(limit), sums, &mut out[at.range(values)]);
                self.put(at, values, out);
            }
            Op::Momentum {
                nesterov,
                hyper,
                moment,
                gradient,
            } => {
                let (mut m, mut g) = (self.take(at, moment), self.take(at, gradient));
                let mu = self.values(at, hyper)[2];
                momentum::momentum(
                    nesterov,
                    mu,
                    &mut m[at.range(moment)],
                    &mut g[at.range(gradient)],
                );
                self.put(at, moment, m);
                self.put(at, gradient, g);
            }
            Op::Normalize {
                sums,
                values,
                output,
            } => {
                let mut out = self.take(at, output);
                let sums = self.values(at, sums);
                let values = self.values(at, values);
                normalize::normalize(sums, values, &mut out[at.range(output)]);
                self.put(at, output, out);
            }
            Op::Combine {
                factors,
                other,
                values,
            } => {
                let mut out = self.take(at, values);
                let other = self.values(at, other);
                combine::combine(factors.map(T::of), other, &mut out[at.range(values)]);
                self.put(at, values, out);
            }
            Op::MaxNorm { limit, values } => {
                let mut out = self.take(at, values);
                max_norm::max_norm(T::of(limit), at.columns(values), &mut out[at.range(values)]);
                self.put(at, values, out);
            }
            Op::Average {
                parameters,
                average,
            } => {
                let mut out = self.take(at, average);
                let w = self.values(at, parameters);
                average::average(T::of(at.step.average), w, &mut out[at.range(average)]);
                self.put(at, average, out);
            }
            _ => misplaced(op),
        }
    }

    /// Runs an update's program by a member's gradients, which are given.
    pub(in super::super) fn update(
        &mut self,
        at: At<'_>,
        (given, member): (&dyn Gradients, usize),
    ) {
        let program = at.program;
        // Alone, the update reads them as they are made; others have to find them in their place.
        let alone = |op: &Op| matches!(op, Op::Update { .. } | Op::Clear { .. });
        if program.ops.iter().all(alone) {
            // Gradients that are in no place need no clearing.
            let clears = |op: &&Op| matches!(op, Op::Clear { .. });
            for op in program.ops.iter().filter(|op| !clears(op)) {
                self.update_op(op, at, Source::Given(given, member));
            }
            return;
        }
        if let Some(gradients) = program.tensor(buffer::GRADIENTS) {
            let (first, len) = (gradients.offset, gradients.columns);
            let values = given.all(member, len);
            if let Values::Numbers(out) = &mut self.own[gradients.buffer] {
                for (gradient, value) in out[first..first + len].iter_mut().zip(values) {
                    *gradient = T::of(value);
                }
            }
        }
        for op in &program.ops {
            self.run(op, at);
        }
    }

    fn update_op(&mut self, op: &Op, at: At<'_>, source: Source<'_, T>) {
        let Op::Update {
            optimizer,
            parameters,
            moments,
            hyper,
            decayed,
            ..
        } = op
        else {
            misplaced(op);
        };
        let mut w = self.take(at, *parameters);
        let mut kept: [Vec<T>; 3] = from_fn(|k| {
            let taken = moments.get(k).map(|&moment| self.take(at, moment));
            taken.unwrap_or_default()
        });
        let rates = update::Rates::new(self.values(at, *hyper), at.step, optimizer);
        let mut each = moments.iter();
        let mut columns = kept.each_mut().map(|kept| {
            let range = each.next().map_or(0..0, |&moment| at.range(moment));
            &mut kept[range]
        });
        let weights = &mut w[at.range(*parameters)];
        let columns = &mut columns[..moments.len()];
        match source {
            Source::There(gradients) => update::update(
                optimizer, gradients, &rates, *decayed, weights, columns, at.team,
            ),
            Source::Given(given, member) => {
                let given = (given, member);
                update::update_given(
                    optimizer, given, &rates, *decayed, weights, columns, at.team,
                );
            }
        }
        for (&moment, kept) in moments.iter().zip(kept) {
            self.put(at, moment, kept);
        }
        self.put(at, *parameters, w);
    }
}
