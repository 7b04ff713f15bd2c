use super::*;
use gpu_mlp::model::{Activation, Dropout, Initializer, initialize};
use gpu_mlp::program::{LossFunction, Reduction};

const ROWS: usize = 21;
const INPUTS: usize = 7;
const UNITS: usize = 10;
const OUTPUTS: usize = 3;

/// A matrix `[rows, columns]` with further columns from `more`, which is as high.
fn widened(values: &[f32], columns: usize, more: &[f32]) -> Vec<f32> {
    let rows = values.len() / columns;
    let pairs = values.chunks(columns).zip(more.chunks(more.len() / rows));
    pairs.flat_map(|(own, more)| [own, more].concat()).collect()
}

/// The first columns of a matrix.
fn narrowed(values: &[f32], columns: usize, kept: usize) -> Vec<f32> {
    values
        .chunks(columns)
        .flat_map(|row| row[..kept].to_vec())
        .collect()
}

#[test]
fn inputs_of_zeros_and_units_that_lead_nowhere_change_nothing_but_rounding() {
    let (more_inputs, more_units) = (30, 60);
    for (dropout, norms) in [(Dropout::None, 1), (Dropout::Plain, 2), (Dropout::Alpha, 3)] {
        let network = |inputs, units| Network {
            dropout,
            ..Network::new(
                inputs,
                &[units],
                Activation::Tanh,
                OUTPUTS,
                Activation::Identity,
            )
        };
        let (small, large) = (
            network(INPUTS, UNITS),
            network(INPUTS + more_inputs, UNITS + more_units),
        );
        let weights = initialize(&small, Initializer::XavierUniform, norms);
        let [first, biases, second, last] = &weights.0[..] else {
            panic!("two layers");
        };
        let padded = Weights(vec![
            // Weights of the new inputs are anything, and so are those of the new units.
            [
                widened(first, INPUTS, &numbers(UNITS * more_inputs, 2)),
                numbers(more_units * (INPUTS + more_inputs), 3),
            ]
            .concat(),
            [&biases[..], &numbers(more_units, 4)].concat(),
            widened(second, UNITS, &vec![0.0; OUTPUTS * more_units]),
            last.clone(),
        ]);
        let classes = (0..ROWS)
            .map(|row| (row % OUTPUTS) as f32)
            .collect::<Vec<_>>();
        let inputs = numbers(ROWS * INPUTS, 1);
        let zeros = vec![0.0; ROWS * more_inputs];
        let plain = Batch::new(ROWS, inputs.clone(), classes.clone());
        let wide = Batch::new(ROWS, widened(&inputs, INPUTS, &zeros), classes);
        let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
        let nothing = Augmentation::default();
        for (mut backend, far) in backends() {
            let (expected, of_small) =
                plain.gradient(&mut *backend, (&small, &weights), &loss, &nothing, ROWS);
            let (found, of_large) =
                wide.gradient(&mut *backend, (&large, &padded), &loss, &nothing, ROWS);
            near(&[found], &[expected], far);
            let [first, biases, second, last] = &of_large.0[..] else {
                panic!("two layers");
            };
            let (kept, new) = first.split_at(UNITS * (INPUTS + more_inputs));
            near(
                &narrowed(kept, INPUTS + more_inputs, INPUTS),
                &of_small.0[0],
                far,
            );
            near(&biases[..UNITS], &of_small.0[1], far);
            near(
                &narrowed(second, UNITS + more_units, UNITS),
                &of_small.0[2],
                far,
            );
            near(last, &of_small.0[3], far);
            // Nothing pulls at what leads nowhere, nor at the weights of what is always zero.
            assert!(new.iter().chain(&biases[UNITS..]).all(|&g| g == 0.0));
            let of_zeros = kept
                .chunks(INPUTS + more_inputs)
                .flat_map(|row| &row[INPUTS..]);
            assert!(of_zeros.clone().all(|&g| g == 0.0));
        }
    }
}
