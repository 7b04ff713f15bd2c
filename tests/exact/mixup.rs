use super::*;
use gpu_mlp::model::{Activation, Initializer, initialize};
use gpu_mlp::program::{LossFunction, LossWeights, Reduction};

const ROWS: usize = 9;
const INPUTS: usize = 4;

/// Of classes the loss is that of both targets by their shares; of values it is that of the target between.
#[test]
fn the_loss_of_a_mixture_is_that_of_its_formula() {
    let mixup = Augmentation {
        mixup: 0.4,
        ..Augmentation::default()
    };
    let plain = Augmentation::default();
    for function in LossFunction::ALL {
        for weights_of in [LossWeights::None, LossWeights::Rows] {
            let loss = Loss {
                weights: weights_of,
                ..Loss::new(function, Reduction::Sum)
            };
            let outputs = 3 * function.width();
            let network = Network::new(
                INPUTS,
                &[5],
                Activation::Tanh,
                outputs,
                Activation::Identity,
            );
            let weights = initialize(&network, Initializer::XavierUniform, 3);
            let of_classes = function.of_class() || function == LossFunction::BinaryCrossEntropy;
            let columns = loss.target_columns(outputs);
            let mut targets = numbers(ROWS * columns, 5);
            for (place, target) in targets.iter_mut().enumerate() {
                if weights_of == LossWeights::Rows && place % columns == columns - 1 {
                    *target = 0.5 + target.abs();
                } else if function.of_class() {
                    *target = (place / columns % outputs) as f32;
                } else if of_classes {
                    *target = (place % 2) as f32;
                }
            }
            let batch = Batch::new(ROWS, numbers(ROWS * INPUTS, 1), targets);
            for (mut backend, far) in backends() {
                let mut run = |batch: &Batch, augmentation| {
                    batch.gradient(
                        &mut *backend,
                        (&network, &weights),
                        &loss,
                        augmentation,
                        ROWS,
                    )
                };
                let (found, gradient) = run(&batch, &mixup);
                // Each row alone, mixed by hand.
                let mut expected = (
                    0.0,
                    Weights(weights.0.iter().map(|w| vec![0.0; w.len()]).collect()),
                );
                for (place, &share) in batch.shares.iter().enumerate() {
                    let rows = [batch.order[place], batch.partners[place]].map(|row| row as usize);
                    let mix = |values: &[f32], columns: usize| -> Vec<f32> {
                        let [own, other] = rows.map(|row| &values[row * columns..][..columns]);
                        let pairs = own.iter().zip(other);
                        pairs.map(|(a, b)| share * a + (1.0 - share) * b).collect()
                    };
                    let inputs = mix(&batch.inputs, INPUTS);
                    let parts = if of_classes {
                        let [own, other] =
                            rows.map(|row| batch.targets[row * columns..][..columns].to_vec());
                        vec![(share, own), (1.0 - share, other)]
                    } else {
                        vec![(1.0, mix(&batch.targets, columns))]
                    };
                    for (share, targets) in parts {
                        let one = Batch {
                            order: vec![0],
                            ..Batch::new(1, inputs.clone(), targets)
                        };
                        let (loss, gradient) = run(&one, &plain);
                        expected.0 += share * loss;
                        let pairs = expected
                            .1
                            .0
                            .iter_mut()
                            .flatten()
                            .zip(gradient.0.iter().flatten());
                        for (sum, g) in pairs {
                            *sum += share * g;
                        }
                    }
                }
                // Inputs that are mixed by hand are single.
                let far = far.max(5e-6);
                near(&[found], &[expected.0], far);
                near(&gradient.0.concat(), &expected.1.0.concat(), far);
            }
        }
    }
}
