use std::ops::ControlFlow;

use gpu_mlp::model::{Activation, Embeddings, Initializer, Lookup, Network, initialize};
use gpu_mlp::program::{Augmentation, Hyper, Loss, LossFunction, Optimizer, Precision, Reduction};
use gpu_mlp::train::{
    End, Event, Member, Monitor, Options, Parts, Rows, Sampling, Schedule, TrainError, train,
};

use super::{Digits, cpu, options};

#[test]
fn steps_can_be_limited_and_a_run_stopped() {
    let digits = Digits::new(0.1);
    let outcome = digits
        .train(&mut cpu(), &[1], 1e-3, |options| {
            options.max_steps = Some(50);
        })
        .expect("it trains");
    assert_eq!(
        (outcome.steps, outcome.end, outcome.members[0].history.len()),
        (50, End::Done, 2)
    );

    let network = Network::new(64, &[], Activation::Relu, 10, Activation::Identity);
    let members = [Member {
        weights: initialize(&network, Initializer::Auto, 1),
        hyper: Hyper::default(),
        seed: 1,
    }];
    let rows = Rows {
        inputs: &digits.inputs,
        targets: &digits.targets,
        parts: &[Parts {
            validation: &[],
            test: &[],
            ..digits.parts()
        }],
    };
    let options = Options {
        loss: Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean),
        optimizer: Optimizer::SGD,
        batch_size: Some(1),
        accumulate: 1,
        monitor: Monitor::Loss,
        epochs: 1000,
        max_steps: None,
        patience: None,
        shuffle: true,
        sampling: Sampling::Each,
        schedule: Schedule::default(),
        lbfgs: None,
        augmentation: Augmentation::default(),
        precision: Precision::F32,
    };
    let mut stop = |event: Event<'_>| match event {
        Event::Steps { done, .. } if done > 100 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let outcome =
        train(&mut cpu(), &network, &members, rows, &options, &mut stop).expect("it trains");
    assert_eq!(outcome.end, End::Stopped);
    assert!(outcome.steps > 100 && outcome.steps < 1_000_000);
}

#[test]
fn a_row_that_is_none_of_the_table_is_refused() {
    let digits = Digits::new(0.0);
    let lookup = Lookup {
        rows: vec![10],
        width: 2,
    };
    // The last pixel of an image is from 0 to 16, once it is as it was.
    let network = Network {
        embeddings: Embeddings {
            lookup: Some(lookup),
            ..Embeddings::default()
        },
        ..Network::new(64, &[], Activation::Relu, 10, Activation::Identity)
    };
    let member = Member {
        weights: initialize(&network, Initializer::Auto, 1),
        hyper: Hyper::default(),
        seed: 1,
    };
    let rows = Rows {
        inputs: &digits.inputs,
        targets: &digits.targets,
        parts: &[digits.parts()],
    };
    let refused = train(
        &mut cpu(),
        &network,
        &[member],
        rows,
        &options(),
        &mut |_| ControlFlow::Continue(()),
    );
    let error = refused.expect_err("a pixel is no row").to_string();
    assert!(error.contains("no row of the embedding's table"), "{error}");
}

#[test]
fn a_diverging_loss_ends_the_run_and_leaves_the_last_good_weights() {
    let digits = Digits::new(0.1);
    let error = digits
        .train(&mut cpu(), &[1], 1e30, |_| {})
        .expect_err("nothing learns at this rate");
    let TrainError::Diverged { loss, .. } = error else {
        panic!("{error}");
    };
    assert!(!loss.is_finite());
}

#[test]
fn data_that_does_not_fit_the_network_is_refused() {
    let mut digits = Digits::new(0.1);
    digits.split.train.push(1797);
    let error = digits
        .train(&mut cpu(), &[1], 1e-3, |_| {})
        .expect_err("there is no such row");
    assert!(error.to_string().contains("row 1797 of 1797"), "{error}");
    digits.inputs.columns = 32;
    let error = digits
        .train(&mut cpu(), &[1], 1e-3, |_| {})
        .expect_err("the inputs are narrower");
    assert!(error.to_string().contains("32 inputs"), "{error}");
}
