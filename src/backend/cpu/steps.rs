use std::mem::take;
use std::time::{Duration, Instant};

use super::matmul::Factor;
use super::team::Team;
use super::{
    Real, Values, activation, activation_gradient, add, answers, average, batch_norm,
    batch_norm_gradient, batch_norm_inference, bias_add, bias_gradient, clear, clip_norm,
    clip_value, combine, dropout, dropout_gradient, gather, gather_both, half, keep, layer_norm,
    layer_norm_gradient, layer_norm_parameters, lookup, lookup_gradient, loss_gradient, matmul,
    matmul_activation_gradient, matmul_bias_activation, matmul_bias_gradient, max_norm, metrics,
    mix, momentum, normalize, periodic, periodic_gradient, perturb, prelu, prelu_gradient, softmax,
    softmax_gradient, square_sums, tally_classes, tally_labels, tally_values, update, verdict,
    warp,
};
use crate::model::Dropout;
use crate::program::{Halved, Op, Program, Rows, Step, TensorId, Transpose, buffer, record};

/// What one member's ops read and write.
pub(super) struct Memory<'a, T> {
    pub(super) shared: &'a [Values<T>],
    pub(super) own: &'a mut [Values<T>],
    /// Rows of a batch before those that ops work on.
    pub(super) skipped: usize,
}

/// What an update goes by.
#[derive(Clone, Copy)]
enum Gradients<'a, T> {
    There(&'a [T]),
    /// From one on.
    Given(&'a (dyn Fn(usize, &mut [f32]) + Sync)),
}

/// Where a step's record lies among those from `first` on.
fn record_of(program: &Program, log: TensorId, step: &Step, first: u32) -> std::ops::Range<usize> {
    let tensor = &program.tensors[log];
    let start = tensor.offset + (step.record - first) as usize * tensor.columns;
    start..start + tensor.columns
}

/// Runs steps one after the other, some neighbouring ops of each in order, until `slice` has passed. Returns how many.
pub(super) fn steps<T: Real>(
    (program, ops): (&Program, &[Op]),
    steps: &[Step],
    memory: &mut Memory<'_, T>,
    team: &Team,
    slice: Duration,
) -> usize {
    let start = Instant::now();
    for (done, step) in steps.iter().enumerate() {
        if done > 0 && start.elapsed() > slice {
            return done;
        }
        for op in ops {
            memory.run(program, op, step, team);
        }
    }
    steps.len()
}

/// Where a tensor's rows begin behind so many of the batch.
fn first(program: &Program, tensor: TensorId, skipped: usize) -> usize {
    let tensor = &program.tensors[tensor];
    match tensor.rows {
        Rows::Batch => tensor.offset + skipped * tensor.columns,
        Rows::Fixed(_) => tensor.offset,
    }
}

/// The same operands with other values, if there are any.
fn as_halves<'a, T>(
    (a, b): (Factor<'a, T>, Factor<'a, T>),
    halves: Option<&'a [Vec<T>; 2]>,
) -> (Factor<'a, T>, Factor<'a, T>) {
    match halves {
        Some([of_a, of_b]) => (a.of(of_a), b.of(of_b)),
        None => (a, b),
    }
}

impl<T: Real> Memory<'_, T> {
    /// Runs one op. A written tensor's buffer is taken out of memory meanwhile: no op reads the buffer that it writes.
    pub(super) fn run(&mut self, program: &Program, op: &Op, step: &Step, team: &Team) {
        let skipped = self.skipped;
        let rows = |tensor: TensorId| match program.tensors[tensor].rows {
            Rows::Batch => step.rows as usize,
            Rows::Fixed(rows) => rows,
        };
        let columns = |tensor: TensorId| program.tensors[tensor].columns;
        let range = |tensor: TensorId| {
            let first = first(program, tensor, skipped);
            first..first + rows(tensor) * columns(tensor)
        };
        let place = |tensor: TensorId| program.tensors[tensor].buffer;
        match *op {
            Op::Gather {
                source,
                order,
                output,
            } => {
                let mut out = self.take(place(output));
                let source = self.shared[place(source)].numbers();
                let first = step.first as usize;
                let order = &self.own[place(order)].indices()[first..first + step.rows as usize];
                let values = &mut out[range(output)];
                gather::gather(source, order, columns(output), values, team);
                self.put(place(output), out);
            }
            Op::GatherBoth {
                sources,
                order,
                outputs: [first, second],
            } => {
                let (mut x, mut t) = (self.take(place(first)), self.take(place(second)));
                let sources = sources.map(|source| self.shared[place(source)].numbers());
                let from = step.first as usize;
                let order = &self.own[place(order)].indices()[from..from + step.rows as usize];
                gather_both::gather_both(
                    sources,
                    order,
                    [first, second].map(columns),
                    [&mut x[range(first)], &mut t[range(second)]],
                    team,
                );
                self.put(place(first), x);
                self.put(place(second), t);
            }
            Op::MatmulBiasGradient {
                a,
                b,
                accumulate,
                output,
                bias,
            } => {
                let mut out = self.take(place(output));
                let gradient = self.rows(program, step, a);
                let halves = self.halves(program, op, [a, b], step);
                let (a, b) = self.factors(program, a, b, Transpose::A, step);
                let (a, b) = as_halves((a, b), halves.as_ref());
                let (weights, biases) = out.split_at_mut(program.tensors[bias].offset);
                matmul_bias_gradient::matmul_bias_gradient(
                    (gradient, a),
                    b,
                    accumulate,
                    &mut weights[range(output)],
                    &mut biases[..columns(bias)],
                    team,
                );
                self.put(place(output), out);
            }
            Op::Matmul {
                a,
                b,
                transpose,
                accumulate,
                output,
            } => {
                let mut out = self.take(place(output));
                let halves = self.halves(program, op, [a, b], step);
                let (a, b) = self.factors(program, a, b, transpose, step);
                let (a, b) = as_halves((a, b), halves.as_ref());
                matmul::matmul(a, b, accumulate, &mut out[range(output)], team);
                self.put(place(output), out);
            }
            Op::BiasAdd { bias, values } => {
                let mut out = self.take(place(values));
                bias_add::bias_add(self.numbers(program, bias), &mut out[range(values)]);
                self.put(place(values), out);
            }
            Op::Activation {
                function,
                input,
                output,
            } => {
                let mut out = self.take(place(output));
                let input = &self.own[place(input)].numbers()[range(input)];
                activation::activation(function, input, &mut out[range(output)], team);
                self.put(place(output), out);
            }
            Op::MatmulBiasActivation {
                a,
                b,
                bias,
                function,
                output,
            } => {
                let mut out = self.take(place(output));
                let halves = self.halves(program, op, [a, b], step);
                let (a, b) = self.factors(program, a, b, Transpose::B, step);
                let (a, b) = as_halves((a, b), halves.as_ref());
                let bias = self.numbers(program, bias);
                matmul_bias_activation::matmul_bias_activation(
                    a,
                    b,
                    bias,
                    function,
                    &mut out[range(output)],
                    team,
                );
                self.put(place(output), out);
            }
            Op::Dropout {
                kind,
                layer,
                hyper,
                keys,
                input,
                output,
            } => {
                let mut out = self.take(place(output));
                let mask = self.mask(program, kind, layer, (hyper, keys), step);
                let input = &self.own[place(input)].numbers()[range(input)];
                dropout::dropout(&mask, columns(output), input, &mut out[range(output)]);
                self.put(place(output), out);
            }
            Op::Perturb {
                deviation,
                mask,
                layer,
                keys,
                values,
            } => {
                let mut out = self.take(place(values));
                perturb::perturb(
                    (deviation, mask),
                    self.own[place(keys)].indices(),
                    (step.number, layer),
                    step.first,
                    columns(values),
                    &mut out[range(values)],
                );
                self.put(place(values), out);
            }
            Op::Mix {
                shares,
                other,
                values,
            } => {
                let mut out = self.take(place(values));
                let first = step.first as usize;
                let shares = &self.own[place(shares)].numbers()[first..first + step.rows as usize];
                let other = &self.own[place(other)].numbers()[range(other)];
                mix::mix(shares, columns(values), other, &mut out[range(values)]);
                self.put(place(values), out);
            }
            Op::Warp {
                ref warp,
                layer,
                keys,
                input,
                output,
            } => {
                let mut out = self.take(place(output));
                warp::warp(
                    warp,
                    self.own[place(keys)].indices(),
                    (step.number, layer),
                    step.first,
                    &self.own[place(input)].numbers()[range(input)],
                    &mut out[range(output)],
                );
                self.put(place(output), out);
            }
            Op::DropoutGradient {
                kind,
                layer,
                hyper,
                keys,
                gradient,
            } => {
                let mut out = self.take(place(gradient));
                let mask = self.mask(program, kind, layer, (hyper, keys), step);
                let values = &mut out[range(gradient)];
                dropout_gradient::dropout_gradient(&mask, columns(gradient), values);
                self.put(place(gradient), out);
            }
            Op::LossGradient {
                function,
                weights,
                logits,
                targets,
                gradient,
                rows,
            } => {
                let (mut d, mut records) = (self.take(place(gradient)), self.take(place(rows)));
                let logits = &self.own[place(logits)].numbers()[range(logits)];
                let targets = &self.own[place(targets)].numbers()[range(targets)];
                let scale = T::of(step.loss_scale);
                let gradients = &mut d[range(gradient)];
                loss_gradient::loss_gradient(
                    (function, weights),
                    logits,
                    targets,
                    columns(gradient),
                    scale,
                    gradients,
                    &mut records[range(rows)],
                );
                self.put(place(gradient), d);
                self.put(place(rows), records);
            }
            Op::Metrics { rows, log } => {
                let mut out = self.take(place(log));
                let first = program.tensors[log].offset + step.record as usize * record::WIDTH;
                let rows = &self.own[place(rows)].numbers()[range(rows)];
                metrics::metrics(rows, &mut out[first..first + record::WIDTH]);
                self.put(place(log), out);
            }
            Op::ActivationGradient {
                function,
                kept,
                gradient,
            } => {
                let mut out = self.take(place(gradient));
                let kept = &self.own[place(kept)].numbers()[range(kept)];
                let values = &mut out[range(gradient)];
                activation_gradient::activation_gradient(function, kept, values, team);
                self.put(place(gradient), out);
            }
            Op::MatmulActivationGradient {
                a,
                b,
                function,
                kept,
                output,
            } => {
                let mut out = self.take(place(output));
                let halves = self.halves(program, op, [a, b], step);
                let (a, b) = self.factors(program, a, b, Transpose::Neither, step);
                let (a, b) = as_halves((a, b), halves.as_ref());
                let kept = &self.own[place(kept)].numbers()[range(kept)];
                let output_values = &mut out[range(output)];
                matmul_activation_gradient::matmul_activation_gradient(
                    a,
                    b,
                    function,
                    kept,
                    output_values,
                    team,
                );
                self.put(place(output), out);
            }
            Op::BiasGradient {
                gradient,
                accumulate,
                output,
            } => {
                let mut out = self.take(place(output));
                let gradient = &self.own[place(gradient)].numbers()[range(gradient)];
                let values = &mut out[range(output)];
                bias_gradient::bias_gradient(gradient, accumulate, values, team);
                self.put(place(output), out);
            }
            Op::Update { gradients, .. } => {
                let g = self.take(place(gradients));
                self.update_op(
                    program,
                    op,
                    step,
                    Gradients::There(&g[range(gradients)]),
                    team,
                );
                self.put(place(gradients), g);
            }
            Op::ClipValue { limit, values } => {
                let mut out = self.take(place(values));
                clip_value::clip_value(T::of(limit), &mut out[range(values)]);
                self.put(place(values), out);
            }
            Op::SquareSums { values, sums } => {
                let mut out = self.take(place(sums));
                let values = &self.own[place(values)].numbers()[range(values)];
                square_sums::square_sums(values, &mut out[range(sums)]);
                self.put(place(sums), out);
            }
            Op::ClipNorm {
                limit,
                sums,
                values,
            } => {
                let mut out = self.take(place(values));
                let sums = &self.own[place(sums)].numbers()[range(sums)];
                clip_norm::clip_norm(T::of(limit), sums, &mut out[range(values)]);
                self.put(place(values), out);
            }
            Op::Momentum {
                nesterov,
                hyper,
                moment,
                gradient,
            } => {
                let (mut m, mut g) = (self.take(place(moment)), self.take(place(gradient)));
                let mu = self.numbers(program, hyper)[2];
                momentum::momentum(nesterov, mu, &mut m[range(moment)], &mut g[range(gradient)]);
                self.put(place(moment), m);
                self.put(place(gradient), g);
            }
            Op::Normalize {
                sums,
                values,
                output,
            } => {
                let mut out = self.take(place(output));
                let sums = &self.own[place(sums)].numbers()[range(sums)];
                let values = &self.own[place(values)].numbers()[range(values)];
                normalize::normalize(sums, values, &mut out[range(output)]);
                self.put(place(output), out);
            }
            Op::Combine {
                factors,
                other,
                values,
            } => {
                let mut out = self.take(place(values));
                let other = &self.own[place(other)].numbers()[range(other)];
                combine::combine(factors.map(T::of), other, &mut out[range(values)]);
                self.put(place(values), out);
            }
            Op::MaxNorm { limit, values } => {
                let mut out = self.take(place(values));
                max_norm::max_norm(T::of(limit), columns(values), &mut out[range(values)]);
                self.put(place(values), out);
            }
            Op::Average {
                parameters,
                average,
            } => {
                let mut out = self.take(place(average));
                let w = &self.own[place(parameters)].numbers()[range(parameters)];
                average::average(T::of(step.average), w, &mut out[range(average)]);
                self.put(place(average), out);
            }
            Op::Periodic {
                shape,
                input,
                parameters,
                output,
            } => {
                let mut out = self.take(place(output));
                let x = &self.own[place(input)].numbers()[range(input)];
                let parameters = self.numbers(program, parameters);
                periodic::periodic(
                    &shape,
                    columns(input),
                    x,
                    parameters,
                    &mut out[range(output)],
                );
                self.put(place(output), out);
            }
            Op::PeriodicGradient {
                shape,
                input,
                parameters,
                gradient,
                accumulate,
                output,
            } => {
                let mut out = self.take(place(output));
                let rows = |tensor| {
                    let values = &self.own[place(tensor)].numbers()[range(tensor)];
                    (columns(tensor), values)
                };
                periodic_gradient::periodic_gradient(
                    &shape,
                    rows(input),
                    self.numbers(program, parameters),
                    rows(gradient),
                    accumulate,
                    &mut out[range(output)],
                );
                self.put(place(output), out);
            }
            Op::Lookup {
                lookups,
                input,
                table,
                output,
            } => {
                let mut out = self.take(place(output));
                let rows = |tensor| {
                    let values = &self.own[place(tensor)].numbers()[range(tensor)];
                    (columns(tensor), values)
                };
                lookup::lookup(lookups, rows(input), rows(table), &mut out[range(output)]);
                self.put(place(output), out);
            }
            Op::LookupGradient {
                lookups,
                input,
                gradient,
                accumulate,
                output,
            } => {
                let mut out = self.take(place(output));
                let rows = |tensor| {
                    let values = &self.own[place(tensor)].numbers()[range(tensor)];
                    (columns(tensor), values)
                };
                lookup_gradient::lookup_gradient(
                    lookups,
                    rows(input),
                    rows(gradient),
                    accumulate,
                    (columns(output), &mut out[range(output)]),
                );
                self.put(place(output), out);
            }
            Op::Answers {
                answer,
                logits,
                moments,
                output,
            } => {
                let mut out = self.take(place(output));
                let moments = &self.shared[place(moments)].numbers()[range(moments)];
                let logits = self.rows(program, step, logits);
                answers::answers(answer, logits, moments, &mut out[range(output)]);
                self.put(place(output), out);
            }
            // All members' at once, behind what each of them does alone.
            Op::Join { .. } => {}
            Op::Verdict {
                answers,
                targets,
                rows,
            } => {
                let mut out = self.take(place(rows));
                verdict::verdict(
                    self.rows(program, step, answers),
                    columns(answers),
                    self.rows(program, step, targets),
                    &mut out[range(rows)],
                );
                self.put(place(rows), out);
            }
            Op::TallyClasses {
                classes,
                record,
                rows,
                counts,
                sums,
            } => {
                let (mut total, mut log) = (self.take(place(counts)), self.take(place(sums)));
                tally_classes::tally_classes(
                    classes,
                    self.rows(program, step, rows),
                    step.record == record,
                    &mut total[range(counts)],
                    &mut log[record_of(program, sums, step, record)],
                );
                self.put(place(counts), total);
                self.put(place(sums), log);
            }
            Op::TallyLabels {
                record,
                answers,
                targets,
                counts,
                sums,
            } => {
                let (mut total, mut log) = (self.take(place(counts)), self.take(place(sums)));
                tally_labels::tally_labels(
                    self.rows(program, step, answers),
                    self.rows(program, step, targets),
                    step.record == record,
                    &mut total[range(counts)],
                    &mut log[record_of(program, sums, step, record)],
                );
                self.put(place(counts), total);
                self.put(place(sums), log);
            }
            Op::TallyValues {
                width,
                place: compared,
                levels,
                record,
                answers,
                targets,
                moments,
                counts,
                sums,
            } => {
                let (mut total, mut log) = (self.take(place(counts)), self.take(place(sums)));
                let answers = tally_values::Answers {
                    width,
                    place: compared,
                    levels,
                    values: self.rows(program, step, answers),
                };
                tally_values::tally_values(
                    answers,
                    self.rows(program, step, targets),
                    &self.shared[place(moments)].numbers()[range(moments)],
                    step.record == record,
                    &mut total[range(counts)],
                    &mut log[record_of(program, sums, step, record)],
                );
                self.put(place(counts), total);
                self.put(place(sums), log);
            }
            Op::Keep {
                first,
                values,
                kept,
            } => {
                let mut out = self.take(place(kept));
                let from = (step.first - first) as usize;
                let values_of = self.rows(program, step, values);
                keep::keep(values_of, columns(values), from, &mut out[range(kept)]);
                self.put(place(kept), out);
            }
            Op::Clear { values } => {
                let mut out = self.take(place(values));
                clear::clear(&mut out[range(values)]);
                self.put(place(values), out);
            }
            Op::Softmax {
                log,
                logits,
                output,
            } => {
                let mut out = self.take(place(output));
                let logits = &self.own[place(logits)].numbers()[range(logits)];
                softmax::softmax(log, logits, columns(output), &mut out[range(output)]);
                self.put(place(output), out);
            }
            Op::SoftmaxGradient {
                log,
                kept,
                gradient,
            } => {
                let mut out = self.take(place(gradient));
                let kept = &self.own[place(kept)].numbers()[range(kept)];
                let values = &mut out[range(gradient)];
                softmax_gradient::softmax_gradient(log, kept, columns(gradient), values);
                self.put(place(gradient), out);
            }
            Op::Add { a, b, output } => {
                let mut out = self.take(place(output));
                let (a, b) = (self.rows(program, step, a), self.rows(program, step, b));
                add::add(a, b, &mut out[range(output)]);
                self.put(place(output), out);
            }
            Op::Prelu {
                input,
                slope,
                output,
            } => {
                let mut out = self.take(place(output));
                let slope = self.rows(program, step, slope)[0];
                prelu::prelu(
                    self.rows(program, step, input),
                    slope,
                    &mut out[range(output)],
                );
                self.put(place(output), out);
            }
            Op::PreluGradient {
                input,
                slope,
                gradient,
                slopes,
            } => {
                let (mut d, mut out) = (self.take(place(gradient)), self.take(place(slopes)));
                let slope = self.rows(program, step, slope)[0];
                prelu_gradient::prelu_gradient(
                    self.rows(program, step, input),
                    slope,
                    &mut d[range(gradient)],
                    &mut out[range(slopes)],
                );
                self.put(place(gradient), d);
                self.put(place(slopes), out);
            }
            Op::BatchNorm {
                input,
                scale_shift,
                running,
                statistics,
                output,
            } => {
                let mut out = self.take(place(output));
                let mut moments = self.take(place(statistics));
                let mut kept = self.take(place(running));
                batch_norm::batch_norm(
                    self.rows(program, step, input),
                    self.rows(program, step, scale_shift),
                    &mut kept[range(running)],
                    &mut moments[range(statistics)],
                    &mut out[range(output)],
                );
                self.put(place(output), out);
                self.put(place(statistics), moments);
                self.put(place(running), kept);
            }
            Op::BatchNormInference {
                input,
                scale_shift,
                running,
                output,
            } => {
                let mut out = self.take(place(output));
                batch_norm_inference::batch_norm_inference(
                    self.rows(program, step, input),
                    self.rows(program, step, scale_shift),
                    self.rows(program, step, running),
                    &mut out[range(output)],
                );
                self.put(place(output), out);
            }
            Op::BatchNormGradient {
                input,
                scale_shift,
                statistics,
                gradient,
                accumulate,
                output,
            } => {
                let (mut d, mut out) = (self.take(place(gradient)), self.take(place(output)));
                batch_norm_gradient::batch_norm_gradient(
                    self.rows(program, step, input),
                    self.rows(program, step, scale_shift),
                    self.rows(program, step, statistics),
                    &mut d[range(gradient)],
                    accumulate,
                    &mut out[range(output)],
                );
                self.put(place(gradient), d);
                self.put(place(output), out);
            }
            Op::LayerNorm {
                input,
                scale_shift,
                statistics,
                output,
            } => {
                let (mut out, mut moments) =
                    (self.take(place(output)), self.take(place(statistics)));
                layer_norm::layer_norm(
                    self.rows(program, step, input),
                    self.rows(program, step, scale_shift),
                    &mut moments[range(statistics)],
                    &mut out[range(output)],
                );
                self.put(place(output), out);
                self.put(place(statistics), moments);
            }
            Op::LayerNormParameters {
                input,
                statistics,
                gradient,
                accumulate,
                output,
            } => {
                let mut out = self.take(place(output));
                layer_norm_parameters::layer_norm_parameters(
                    self.rows(program, step, input),
                    self.rows(program, step, statistics),
                    self.rows(program, step, gradient),
                    accumulate,
                    &mut out[range(output)],
                );
                self.put(place(output), out);
            }
            Op::LayerNormGradient {
                input,
                scale_shift,
                statistics,
                gradient,
            } => {
                let mut d = self.take(place(gradient));
                layer_norm_gradient::layer_norm_gradient(
                    self.rows(program, step, input),
                    self.rows(program, step, scale_shift),
                    self.rows(program, step, statistics),
                    &mut d[range(gradient)],
                );
                self.put(place(gradient), d);
            }
        }
    }

    /// Runs an update's program by gradients that `given` gives.
    pub(super) fn update(
        &mut self,
        program: &Program,
        step: &Step,
        given: &(dyn Fn(usize, &mut [f32]) + Sync),
        team: &Team,
    ) {
        // Alone, the update reads them as they are made; others have to find them in their place.
        let alone = |op: &Op| matches!(op, Op::Update { .. } | Op::Clear { .. });
        if program.ops.iter().all(alone) {
            for op in &program.ops {
                self.update_op(program, op, step, Gradients::Given(given), team);
            }
            return;
        }
        if let Some(gradients) = program.tensor(buffer::GRADIENTS) {
            let (first, len) = (gradients.offset, gradients.columns);
            let mut out = self.take(gradients.buffer);
            let mut values = vec![0.0; len];
            given(0, &mut values);
            for (gradient, value) in out[first..first + len].iter_mut().zip(values) {
                *gradient = T::of(value);
            }
            self.put(gradients.buffer, out);
        }
        for op in &program.ops {
            self.run(program, op, step, team);
        }
    }

    fn update_op(
        &mut self,
        program: &Program,
        op: &Op,
        step: &Step,
        source: Gradients<'_, T>,
        team: &Team,
    ) {
        let Op::Update {
            optimizer,
            parameters,
            moments,
            hyper,
            decayed,
            ..
        } = op
        else {
            return;
        };
        let place = |tensor: TensorId| program.tensors[tensor].buffer;
        let range = |tensor: TensorId| {
            let first = program.tensors[tensor].offset;
            first..first + program.len(tensor)
        };
        let mut w = self.take(place(*parameters));
        let moment = |k: usize| moments.get(k).copied();
        let mut kept = [0, 1, 2].map(|k| {
            let taken = moment(k).map(|moment| self.take(place(moment)));
            taken.unwrap_or_default()
        });
        let hyper = &self.own[place(*hyper)].numbers()[range(*hyper)];
        let rates = update::Rates::new(hyper, step, optimizer);
        let mut k = 0..;
        let mut columns = kept.each_mut().map(|kept| {
            let moment = k.next().and_then(moment);
            &mut kept[moment.map_or(0..0, range)]
        });
        let weights = &mut w[range(*parameters)];
        let columns = &mut columns[..moments.len()];
        match source {
            Gradients::There(gradients) => update::update(
                optimizer, gradients, &rates, *decayed, weights, columns, team,
            ),
            Gradients::Given(given) => {
                update::update_given(optimizer, given, &rates, *decayed, weights, columns, team);
            }
        }
        for (&moment, kept) in moments.iter().zip(kept) {
            self.put(place(moment), kept);
        }
        self.put(place(*parameters), w);
    }

    pub(super) fn take(&mut self, place: usize) -> Vec<T> {
        match &mut self.own[place] {
            Values::Numbers(values) => take(values),
            Values::Indices(_) => Vec::new(),
        }
    }

    pub(super) fn put(&mut self, place: usize, values: Vec<T>) {
        self.own[place] = Values::Numbers(values);
    }

    /// A tensor's values in the rows that the step has.
    pub(super) fn rows(&self, program: &Program, step: &Step, tensor: TensorId) -> &[T] {
        let first = first(program, tensor, self.skipped);
        let tensor = &program.tensors[tensor];
        let rows = match tensor.rows {
            Rows::Batch => step.rows as usize,
            Rows::Fixed(rows) => rows,
        };
        &self.own[tensor.buffer].numbers()[first..first + rows * tensor.columns]
    }

    fn numbers(&self, program: &Program, tensor: TensorId) -> &[T] {
        let tensor = &program.tensors[tensor];
        let rows = match tensor.rows {
            Rows::Fixed(rows) => rows,
            Rows::Batch => program.batch,
        };
        &self.own[tensor.buffer].numbers()[tensor.offset..tensor.offset + rows * tensor.columns]
    }

    fn mask(
        &self,
        program: &Program,
        kind: Dropout,
        layer: u32,
        (hyper, keys): (TensorId, TensorId),
        step: &Step,
    ) -> dropout::Mask<T> {
        let rate = self.numbers(program, hyper)[4];
        let keys = self.own[program.tensors[keys].buffer].indices();
        dropout::Mask::new(kind, rate, keys, (step.number, layer), step.first)
    }

    /// The values of a product's operands in half precision, if it has them so.
    pub(super) fn halves(
        &self,
        program: &Program,
        op: &Op,
        [a, b]: [TensorId; 2],
        step: &Step,
    ) -> Option<[Vec<T>; 2]> {
        let Halved { magnified } = program.halved(op)?;
        let power = if magnified { step.magnifier() } else { 1.0 };
        let of = |tensor, power| half::halved(self.rows(program, step, tensor), power);
        Some([of(a, power), of(b, 1.0)])
    }

    /// The operands of a product, as they are read: a`[m, k]`, b`[k, n]`.
    fn factors(
        &self,
        program: &Program,
        a: TensorId,
        b: TensorId,
        transpose: Transpose,
        step: &Step,
    ) -> (Factor<'_, T>, Factor<'_, T>) {
        let factor = |tensor: TensorId, transposed: bool| {
            let rows = match program.tensors[tensor].rows {
                Rows::Batch => step.rows as usize,
                Rows::Fixed(rows) => rows,
            };
            let factor = Factor {
                values: self.rows(program, step, tensor),
                rows,
                columns: program.tensors[tensor].columns,
                row_stride: program.tensors[tensor].columns,
                column_stride: 1,
            };
            if transposed {
                factor.transposed()
            } else {
                factor
            }
        };
        (
            factor(a, transpose == Transpose::A),
            factor(b, transpose == Transpose::B),
        )
    }
}
