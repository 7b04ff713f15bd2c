//! What a user gets who says nothing: the defaults on the built-in data.

use std::ops::ControlFlow;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::data::{ReadOptions, load};
use gpu_mlp::predictor::Metrics;
use gpu_mlp::train::{Config, Fitted, Plan};

fn fit(name: &str, seed: u64) -> Fitted {
    let loaded = load(name, &ReadOptions::default()).expect("it is built in");
    let config = Config {
        seed: Some(seed),
        ..Config::default()
    };
    let plan = Plan::new(&loaded, &config, None).expect("the defaults suit it");
    let go_on = &mut |_: gpu_mlp::train::Event<'_>| ControlFlow::Continue(());
    plan.fit(&mut CpuBackend::<f32>::new(), go_on)
        .expect("it trains")
}

fn accuracy(metrics: Option<Metrics>) -> f64 {
    match metrics {
        Some(Metrics::Classification { accuracy, .. }) => accuracy,
        other => panic!("{other:?} is no classification"),
    }
}

#[test]
fn xor_is_solved_with_every_seed() {
    for seed in 1..=20 {
        assert_eq!(accuracy(fit("xor", seed).metrics[0]), 1.0, "seed {seed}");
    }
}

#[test]
fn digits_are_read_with_every_seed() {
    let found: Vec<f64> = (1..=10)
        .map(|seed| accuracy(fit("digits", seed).metrics[2]))
        .collect();
    assert!(
        found[0] >= 0.97 && found.iter().all(|&accuracy| accuracy >= 0.96),
        "{found:?}"
    );
}
