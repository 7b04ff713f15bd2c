use super::*;
use gpu_mlp::model::{Activation, Dropout, Initializer, initialize};
use gpu_mlp::program::{LossFunction, Reduction};

const ROWS: usize = 41;
const INPUTS: usize = 30;

fn case(function: LossFunction, outputs: usize) -> (Network, Weights, Batch, Loss) {
    let network = Network {
        dropout: Dropout::Plain,
        ..Network::new(
            INPUTS,
            &[40, 33],
            Activation::Tanh,
            outputs,
            Activation::Identity,
        )
    };
    let weights = initialize(&network, Initializer::XavierUniform, 7);
    let targets = if function.of_class() {
        (0..ROWS).map(|row| (row % outputs) as f32).collect()
    } else {
        numbers(ROWS * outputs, 5)
    };
    let batch = Batch::new(ROWS, numbers(ROWS * INPUTS, 1), targets);
    (
        network,
        weights,
        batch,
        Loss::new(function, Reduction::Mean),
    )
}

#[test]
fn a_batch_in_pieces_has_the_loss_and_gradient_of_the_whole() {
    for function in [LossFunction::CROSS_ENTROPY, LossFunction::Mse] {
        let (network, weights, batch, loss) = case(function, 4);
        for (mut backend, far) in backends() {
            let whole = batch.gradient(
                &mut *backend,
                (&network, &weights),
                &loss,
                &everything(),
                ROWS,
            );
            for piece in [1, 7, 20, 40] {
                let (found, gradient) = batch.gradient(
                    &mut *backend,
                    (&network, &weights),
                    &loss,
                    &everything(),
                    piece,
                );
                near(&[found], &[whole.0], far);
                for (found, expected) in gradient.0.iter().zip(&whole.1.0) {
                    near(found, expected, far);
                }
            }
        }
    }
}

#[test]
fn the_devices_draw_the_same() {
    let (network, weights, batch, loss) = case(LossFunction::CROSS_ENTROPY, 4);
    let everything = everything();
    for augmentation in [
        Augmentation {
            noise: 1.0,
            ..Augmentation::default()
        },
        Augmentation {
            mask: 0.5,
            ..Augmentation::default()
        },
        Augmentation {
            warp: everything.warp,
            ..Augmentation::default()
        },
        everything,
    ] {
        let mut outcomes = backends().map(|(mut backend, _)| {
            batch.gradient(
                &mut *backend,
                (&network, &weights),
                &loss,
                &augmentation,
                ROWS,
            )
        });
        let [(expected, gradient), others @ ..] = &mut outcomes;
        for (found, of_other) in others {
            near(&[*found], &[*expected], 1e-5);
            near(&of_other.0.concat(), &gradient.0.concat(), 1e-4);
        }
    }
}

#[test]
fn a_drawn_loss_has_the_gradient_of_its_formula() {
    let (network, mut weights, batch, loss) = case(LossFunction::CROSS_ENTROPY, 3);
    let mut backend = CpuBackend::<f64>::new();
    let mut at = |weights: &Weights| {
        batch.gradient(
            &mut backend,
            (&network, weights),
            &loss,
            &everything(),
            ROWS,
        )
    };
    let (_, gradient) = at(&weights);
    let h = 1.0 / 64.0;
    for (tensor, place) in [(0, 0), (0, 100), (1, 3), (2, 50), (3, 2), (4, 9), (5, 1)] {
        let middle = weights.0[tensor][place];
        let mut slope = |h: f32| {
            let mut loss = |by: f32| {
                weights.0[tensor][place] = middle + by;
                f64::from(at(&weights).0)
            };
            (loss(h) - loss(-h)) / f64::from(2.0 * h)
        };
        // Richardson's extrapolation: an error of order h⁴; losses are read as single numbers.
        let expected = (4.0 * slope(h) - slope(2.0 * h)) / 3.0;
        weights.0[tensor][place] = middle;
        let found = f64::from(gradient.0[tensor][place]);
        assert!(
            (found - expected).abs() < 3e-5,
            "{tensor} {place}: {found} {expected}"
        );
    }
}
