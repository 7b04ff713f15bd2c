use std::collections::BTreeMap;

use gpu_mlp::train::{Curve, Plateau, Schedule, Warmup};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    losses: Vec<f64>,
    plateau: Vec<f64>,
    torch: String,
    #[serde(flatten)]
    schedules: BTreeMap<String, Vec<f64>>,
}

#[test]
fn schedules_are_those_of_pytorch() {
    let golden: Golden =
        serde_json::from_str(include_str!("../data/schedules.json")).expect("it is valid");
    let (cold, warm) = (Warmup::default(), Warmup::Steps(8));
    let cases = [
        (
            "step",
            Curve::Step {
                every: 3,
                factor: 0.5,
            },
            cold,
        ),
        ("exponential", Curve::Exponential { factor: 0.75 }, cold),
        ("polynomial", Curve::Polynomial { power: 2.0 }, cold),
        ("cosine", Curve::Cosine { cycles: 2 }, cold),
        ("one-cycle", Curve::OneCycle, cold),
        ("inverse-square-root", Curve::InverseSquareRoot, warm),
        ("warm cosine", Curve::Cosine { cycles: 1 }, warm),
        (
            "warm cosine",
            Curve::Cosine { cycles: 1 },
            Warmup::Share(0.2),
        ),
    ];
    for (name, curve, warmup) in cases {
        let schedule = Schedule { curve, warmup };
        for (step, expected) in golden.schedules[name].iter().enumerate() {
            let found = schedule.factor(step as u64, 40, 4);
            assert!(
                (found - expected).abs() < 1e-12,
                "{name}, step {step}: {found} instead of {expected} (PyTorch {})",
                golden.torch
            );
        }
    }
    let mut plateau = Plateau::default();
    for (&loss, &expected) in golden.losses.iter().zip(&golden.plateau) {
        assert_eq!(plateau.after(loss, 0.5, 2), expected);
    }
}
