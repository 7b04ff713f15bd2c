//! Ops that gather rows, and draw or look up what a network is given.

use super::super::{
    Real, gather, gather_both, lookup, lookup_gradient, mix, periodic, periodic_gradient, perturb,
    warp,
};
use super::{At, Memory, misplaced};
use crate::program::Op;

impl<T: Real> Memory<'_, T> {
    pub(super) fn inputs(&mut self, op: &Op, at: At<'_>) {
        match *op {
            Op::Gather {
                source,
                order,
                output,
            } => {
                let mut out = self.take(at, output);
                let source = self.shared[at.place(source)].numbers();
                let order = self.order(at, order);
                let values = &mut out[at.range(output)];
                gather::gather(source, order, at.columns(output), values, at.team);
                self.put(at, output, out);
            }
            Op::GatherBoth {
                sources,
                order,
                outputs: [first, second],
            } => {
                let (mut x, mut t) = (self.take(at, first), self.take(at, second));
                let sources = sources.map(|source| self.shared[at.place(source)].numbers());
                let order = self.order(at, order);
                gather_both::gather_both(
                    sources,
                    order,
                    [first, second].map(|output| at.columns(output)),
                    [&mut x[at.range(first)], &mut t[at.range(second)]],
                    at.team,
                );
                self.put(at, first, x);
                self.put(at, second, t);
            }
            Op::Perturb {
                deviation,
                mask,
                layer,
                keys,
                values,
            } => {
                let mut out = self.take(at, values);
                perturb::perturb(
                    (deviation, mask),
                    self.own[at.place(keys)].indices(),
                    (at.step.number, layer),
                    at.step.first,
                    at.columns(values),
                    &mut out[at.range(values)],
                );
                self.put(at, values, out);
            }
            Op::Mix {
                shares,
                other,
                values,
            } => {
                let mut out = self.take(at, values);
                let shares = &self.own[at.place(shares)].numbers()[at.batch()];
                let other = self.values(at, other);
                mix::mix(
                    shares,
                    at.columns(values),
                    other,
                    &mut out[at.range(values)],
                );
                self.put(at, values, out);
            }
            Op::Warp {
                ref warp,
                layer,
                keys,
                input,
                output,
            } => {
                let mut out = self.take(at, output);
                warp::warp(
                    warp,
                    self.own[at.place(keys)].indices(),
                    (at.step.number, layer),
                    at.step.first,
                    self.values(at, input),
                    &mut out[at.range(output)],
                );
                self.put(at, output, out);
            }
            Op::Periodic {
                shape,
                input,
                parameters,
                output,
            } => {
                let mut out = self.take(at, output);
                let x = self.values(at, input);
                let parameters = self.values(at, parameters);
                periodic::periodic(
                    &shape,
                    at.columns(input),
                    x,
                    parameters,
                    &mut out[at.range(output)],
                );
                self.put(at, output, out);
            }
            Op::PeriodicGradient {
                shape,
                input,
                parameters,
                gradient,
                accumulate,
                output,
            } => {
                let mut out = self.take(at, output);
                let rows = |tensor| {
                    let values = self.values(at, tensor);
                    (at.columns(tensor), values)
                };
                periodic_gradient::periodic_gradient(
                    &shape,
                    rows(input),
                    self.values(at, parameters),
                    rows(gradient),
                    accumulate,
                    &mut out[at.range(output)],
                );
                self.put(at, output, out);
            }
            Op::Lookup {
                lookups,
                input,
                table,
                output,
            } => {
                let mut out = self.take(at, output);
                let rows = |tensor| {
                    let values = self.values(at, tensor);
                    (at.columns(tensor), values)
                };
                lookup::lookup(
                    lookups,
                    rows(input),
                    rows(table),
                    &mut out[at.range(output)],
                );
                self.put(at, output, out);
            }
            Op::LookupGradient {
                lookups,
                input,
                gradient,
                accumulate,
                output,
            } => {
                let mut out = self.take(at, output);
                let rows = |tensor| {
                    let values = self.values(at, tensor);
                    (at.columns(tensor), values)
                };
                lookup_gradient::lookup_gradient(
                    lookups,
                    rows(input),
                    rows(gradient),
                    accumulate,
                    (at.columns(output), &mut out[at.range(output)]),
                );
                self.put(at, output, out);
            }
            _ => misplaced(op),
        }
    }
}
