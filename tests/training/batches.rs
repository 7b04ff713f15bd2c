use gpu_mlp::backend::Backend;
use gpu_mlp::model::{Dropout, Normalization};
use gpu_mlp::train::Options;

use super::{Digits, Narrow, cpu, gpu};

#[test]
fn micro_batches_change_a_step_by_rounding_alone() {
    let digits = Digits::new(0.0)
        .with(Dropout::Plain)
        .normalized(Normalization::Layer);
    let full = |options: &mut Options| {
        options.batch_size = None;
        options.epochs = 3;
    };
    let whole = digits
        .train(&mut cpu(), &[1], 1e-3, full)
        .expect("it trains");
    let cut = digits
        .train(&mut Narrow(cpu()), &[1], 1e-3, full)
        .expect("it trains");
    let accumulated = digits
        .train(&mut cpu(), &[1], 1e-3, |options| {
            full(options);
            options.batch_size = Some(60);
            options.accumulate = 1000;
        })
        .expect("it trains");
    assert_eq!((whole.steps, whole.steps), (cut.steps, accumulated.steps));
    let pieces = cut.members[0]
        .history
        .iter()
        .zip(&accumulated.members[0].history);
    for (cut, accumulated) in pieces {
        assert!((cut.train.loss / accumulated.train.loss - 1.0).abs() < 1e-5);
    }
    for (whole, cut) in whole.members[0].history.iter().zip(&cut.members[0].history) {
        let (whole, cut) = (whole.train.loss, cut.train.loss);
        assert!(
            (whole / cut - 1.0).abs() < 1e-5,
            "{whole} in one, {cut} in pieces"
        );
    }
}

#[test]
fn the_order_of_a_batchs_rows_changes_a_step_by_rounding_alone() {
    let digits = Digits::new(0.0);
    for gpu_too in [false, true] {
        let run = |shuffle| {
            let mut backend: Box<dyn Backend> = if gpu_too {
                Box::new(gpu())
            } else {
                Box::new(cpu())
            };
            let outcome = digits.train(&mut *backend, &[1], 1e-3, |options| {
                options.batch_size = None;
                options.epochs = 3;
                options.shuffle = shuffle;
            });
            outcome.expect("it trains").members.remove(0)
        };
        let (ordered, shuffled) = (run(false), run(true));
        assert_ne!(ordered.weights, shuffled.weights);
        for (one, other) in ordered.history.iter().zip(&shuffled.history) {
            let (one, other) = (one.train.loss, other.train.loss);
            assert!((one / other - 1.0).abs() < 1e-5, "{one} {other}");
        }
    }
}

#[test]
fn the_running_mean_of_the_weights_is_what_is_evaluated_and_kept() {
    let digits = Digits::new(0.1);
    let run = |average| {
        let outcome = digits.train(&mut cpu(), &[1], 1e-2, |options| {
            options.epochs = 4;
            options.optimizer.average = average;
        });
        outcome.expect("it trains").members.remove(0)
    };
    let (plain, averaged) = (run(None), run(Some(0.99)));
    // Training itself is the same.
    for (plain, averaged) in plain.history.iter().zip(&averaged.history) {
        assert_eq!(plain.train, averaged.train);
        assert_ne!(plain.validation, averaged.validation);
    }
    assert_ne!(plain.weights, averaged.weights);
    // A mean of nothing but the last weights is the last weights.
    assert_eq!(run(Some(0.0)).weights, plain.weights);
}

#[test]
fn no_units_weights_are_longer_than_the_max_norm() {
    let digits = Digits::new(0.1);
    for backend in [&mut cpu() as &mut dyn Backend, &mut gpu()] {
        let outcome = digits.train(backend, &[1, 2], 1e-2, |options| {
            options.epochs = 2;
            options.optimizer.max_norm = Some(0.75);
        });
        let mut at_the_limit = 0;
        for member in outcome.expect("it trains").members {
            for (matrix, columns) in [(0, 64), (2, 64)] {
                for row in member.weights.0[matrix].chunks(columns) {
                    let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
                    assert!(norm < 0.75 * (1.0 + 1e-5), "{norm}");
                    at_the_limit += usize::from(norm > 0.75 * (1.0 - 1e-5));
                }
            }
        }
        assert!(at_the_limit > 50, "{at_the_limit}");
    }
}
