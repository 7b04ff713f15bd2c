use gpu_mlp::backend::Backend;
use gpu_mlp::model::{Dropout, Normalization};

use super::{Digits, cpu, gpu};

#[test]
fn digits_are_learned_on_either_device() {
    let digits = Digits::new(0.1);
    for backend in [&mut cpu() as &mut dyn Backend, &mut gpu()] {
        let outcome = digits
            .train(backend, &[1], 1e-3, |options| options.patience = Some(5))
            .expect("it trains");
        let [_, Some(validation), Some(test)] = outcome.members[0].scores else {
            panic!("all parts have rows");
        };
        assert!(test.accuracy > 0.95, "{test:?}");
        let history = &outcome.members[0].history;
        let losses = history
            .iter()
            .filter_map(|epoch| epoch.validation)
            .map(|scores| scores.loss);
        let best = losses.fold(f64::INFINITY, f64::min);
        assert_eq!(validation.loss, best, "the best weights are kept");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let digits = Digits::new(0.0).with(Dropout::Plain);
    let run = |backend: &mut dyn Backend| {
        digits
            .train(backend, &[1], 1e-3, |options| options.epochs = 2)
            .expect("it trains")
            .members
    };
    assert_eq!(run(&mut cpu()), run(&mut cpu()));
    assert_eq!(run(&mut gpu()), run(&mut gpu()));
}

#[test]
fn after_one_epoch_the_adapter_has_the_loss_of_the_cpu() {
    for dropout in [Dropout::None, Dropout::Plain, Dropout::Alpha] {
        let digits = Digits::new(0.1).with(dropout);
        let run = |backend: &mut dyn Backend| {
            let outcome = digits
                .train(backend, &[1], 1e-3, |options| options.epochs = 1)
                .expect("it trains");
            let epoch = outcome.members[0].history[0];
            [
                epoch.train.loss,
                epoch.validation.expect("there are such rows").loss,
            ]
        };
        for (gpu, cpu) in run(&mut gpu()).into_iter().zip(run(&mut cpu())) {
            assert!(
                (gpu / cpu - 1.0).abs() < 1e-4,
                "{gpu} on the adapter, {cpu} on the CPU with {dropout} dropout"
            );
        }
    }
}

#[test]
fn normalized_networks_learn_and_the_devices_agree() {
    for normalization in [Normalization::Batch, Normalization::Layer] {
        let digits = Digits::new(0.1).normalized(normalization);
        let run = |backend: &mut dyn Backend| {
            let outcome = digits.train(backend, &[1], 3e-3, |options| options.epochs = 3);
            let scores = outcome.expect("it trains").members[0].scores;
            scores[2].expect("there are such rows")
        };
        let (found, expected) = (run(&mut gpu()), run(&mut cpu()));
        assert!(expected.accuracy > 0.93, "{normalization}: {expected:?}");
        assert!(
            (found.loss / expected.loss - 1.0).abs() < 1e-3,
            "{normalization}: {found:?} on the adapter, {expected:?} on the CPU"
        );
    }
}
