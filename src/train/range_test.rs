use serde::Serialize;

use super::Plan;
use super::mixing::Mixing;
use super::sampling;
use crate::backend::{Backend, BackendError, Data, run_all, write_weights};
use crate::program::{Capacity, Hyper, Program, Step, buffer, record};
use crate::random::{Purpose, key};

/// What the loss does while the learning rate rises from step to step (Smith 2017, "Cyclical Learning Rates for Training
/// Neural Networks").
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RangeTest {
    /// The rate of each step.
    pub rates: Vec<f64>,
    /// The training loss of each step, smoothed over those before; it ends where it is four times the lowest.
    pub losses: Vec<f64>,
    /// The rate at which the loss falls the fastest; `None` if it never falls.
    pub suggestion: Option<f64>,
}

/// Steps of a test, and the rates of the first and the last.
const STEPS: usize = 256;
const RATES: [f64; 2] = [1e-6, 10.0];

/// Share of the losses before in a smoothed loss.
const SMOOTHING: f64 = 0.9;

/// How far above the lowest loss a test ends.
const FAR: f64 = 4.0;

/// Steps at the beginning of which the smoothed loss says little yet.
const UNSURE: usize = 16;

/// Runs the test on a backend that has run nothing else: one of the plan's networks, its batches and its optimizer.
pub fn range_test(backend: &mut dyn Backend, plan: &Plan) -> Result<RangeTest, BackendError> {
    let options = plan.options();
    let member = plan.members().swap_remove(0);
    let parts = plan.parts();
    let count = parts[0].train.len();
    let mut order = Vec::new();
    sampling::order(
        options,
        &parts[0],
        &plan.targets.learned,
        count,
        (member.seed, 0),
        &mut order,
    );
    let batch = options.batch_size.unwrap_or(order.len());
    let batch = batch.min(backend.limits().rows).clamp(1, order.len());
    let network = &plan.network;
    let capacity = Capacity {
        members: 1,
        batch,
        rows: plan.inputs.rows,
        order: order.len(),
        records: STEPS,
    };
    let augmentation = options.augmentation;
    let program = Program::training(network, &options.loss, &options.optimizer, capacity);
    let program = program.augmented(&augmentation);
    let program = program.with_precision(options.precision);
    let compiled = backend.compile(&program.fused())?;
    let hyper = Hyper {
        learning_rate: 1.0,
        ..member.hyper
    };
    backend.write(buffer::INPUTS, 0, 0, Data::F32(&plan.inputs.values))?;
    backend.write(
        buffer::TARGETS,
        0,
        0,
        Data::F32(&plan.targets.learned.values),
    )?;
    backend.write(buffer::ORDER, 0, 0, Data::U32(&order))?;
    backend.write(
        buffer::HYPER,
        0,
        0,
        Data::F32(bytemuck::cast_slice(&[hyper])),
    )?;
    if augmentation.mixup > 0.0 {
        // The pairs and shares of the first pass are those of all.
        let mut mixing = Mixing::default();
        mixing.add(augmentation.mixup, (member.seed, 0), &order, batch);
        mixing.write(backend, 0)?;
    }
    if network.drops(0) || augmentation.draws() {
        let key = key(member.seed, Purpose::Dropout);
        backend.write(buffer::KEYS, 0, 0, Data::U32(&key))?;
    }
    write_weights(backend, network, buffer::PARAMETERS, 0, &member.weights)?;
    let whole = order.len() / batch;
    let scale = options.loss.scale(batch, network.outputs());
    let rates: Vec<f64> = (0..STEPS).map(rate).collect();
    let steps: Vec<Step> = (0..STEPS)
        .map(|index| {
            let [correction1, correction2, correction3] =
                options.optimizer.corrections(index as u64 + 1);
            Step {
                first: (index % whole * batch) as u32,
                rows: batch as u32,
                record: index as u32,
                loss_scale: scale as f32,
                rate: rates[index] as f32,
                correction1,
                correction2,
                correction3,
                number: index as u32,
                average: options.optimizer.share(index as u64 + 1),
            }
        })
        .collect();
    run_all(backend, compiled, &steps)?;
    let log = backend.read(buffer::LOG, 0, 0, STEPS * record::WIDTH)?;
    let losses = log
        .chunks(record::WIDTH)
        .map(|record| f64::from(record[record::LOSS]) * scale);
    let losses = smoothed(losses);
    Ok(RangeTest {
        suggestion: steepest(&losses).map(|step| rates[step]),
        rates: rates[..losses.len()].to_vec(),
        losses,
    })
}

fn rate(step: usize) -> f64 {
    let [first, last] = RATES;
    first * (last / first).powf(step as f64 / (STEPS - 1) as f64)
}

/// Running means of the losses, up to where they are far above the lowest, or no numbers.
fn smoothed(losses: impl Iterator<Item = f64>) -> Vec<f64> {
    let (mut mean, mut weight, mut lowest) = (0.0, 0.0, f64::INFINITY);
    let running = losses.map(|loss| {
        mean = SMOOTHING * mean + (1.0 - SMOOTHING) * loss;
        weight = SMOOTHING * weight + (1.0 - SMOOTHING);
        mean / weight
    });
    let near = |loss: &f64| {
        lowest = lowest.min(*loss);
        // A loss may be below zero: then there is no "times", and what is no number ends the test.
        loss.is_finite() && (lowest <= 0.0 || *loss <= FAR * lowest)
    };
    running.take_while(near).collect()
}

/// The step at which the loss falls the fastest over the logarithm of the rate.
fn steepest(losses: &[f64]) -> Option<usize> {
    let lowest = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]))?;
    let slope = |step: usize| losses[step + 1] - losses[step - 1];
    let falling = (UNSURE..lowest.saturating_sub(1)).filter(|&step| slope(step) < 0.0);
    falling.min_by(|&a, &b| slope(a).total_cmp(&slope(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_of_a_curve_is_found_and_its_end_cut() {
        // Flat, falling the fastest at step 100, rising from step 160 on.
        let curve = |step: usize| {
            let x = (step as f64 - 100.0) / 10.0;
            let rise = if step > 160 {
                0.1 * (step as f64 - 160.0)
            } else {
                0.0
            };
            2.0 - x.tanh() + rise
        };
        let losses: Vec<f64> = (0..STEPS).map(curve).collect();
        assert!(steepest(&losses).is_some_and(|step| step.abs_diff(100) <= 1));
        let smooth = smoothed(losses.iter().copied());
        assert!((190..STEPS).contains(&smooth.len()), "{}", smooth.len());
        assert_eq!(smoothed([1.0, f64::NAN, 1.0].into_iter()).len(), 1);
        assert_eq!(steepest(&[1.0; 200]), None);
    }

    #[test]
    fn rates_rise_by_one_factor() {
        assert!(
            (rate(0) / 1e-6 - 1.0).abs() < 1e-12 && (rate(STEPS - 1) / 10.0 - 1.0).abs() < 1e-12
        );
        assert!((rate(8) / rate(7) - rate(1) / rate(0)).abs() < 1e-12);
    }
}
