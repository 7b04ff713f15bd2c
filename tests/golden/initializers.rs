use gpu_mlp::model::{Activation, Initializer, Network, Weights, initialize};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    out: usize,
    #[serde(rename = "in")]
    inputs: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    initializer: Initializer,
    mean: f64,
    variance: f64,
    /// 3 for a normal and 1.8 for a uniform distribution; none without a variance.
    kurtosis: Option<f64>,
}

/// Mean, variance and kurtosis.
fn moments(values: &[f32]) -> [f64; 3] {
    let count = values.len() as f64;
    let mean = values.iter().copied().map(f64::from).sum::<f64>() / count;
    let about = |power: i32| {
        let away = values
            .iter()
            .map(|&value| (f64::from(value) - mean).powi(power));
        away.sum::<f64>() / count
    };
    [mean, about(2), about(4) / about(2).powi(2)]
}

#[test]
fn weights_begin_with_the_moments_that_pytorch_gives_them() {
    let golden: Golden =
        serde_json::from_str(include_str!("../data/initializers.json")).expect("it is valid");
    let network = Network::new(
        golden.inputs,
        &[],
        Activation::Relu,
        golden.out,
        Activation::Identity,
    );
    assert_eq!(golden.cases.len(), 12);
    for case in golden.cases {
        let Weights(weights) = initialize(&network, case.initializer, 7);
        assert_eq!(weights[0].len(), golden.inputs * golden.out);
        let [mean, variance, kurtosis] = moments(&weights[0]);
        let name = case.initializer;
        // Both are of 120,000 draws.
        let deviation = case.variance.sqrt();
        assert!(
            (mean - case.mean).abs() <= 0.02 * deviation,
            "{name:?}: {mean}"
        );
        let far = (variance - case.variance).abs();
        assert!(far <= 0.02 * case.variance, "{name:?}: {variance}");
        if let Some(expected) = case.kurtosis {
            let far = (kurtosis - expected).abs();
            assert!(far < 0.03 * expected, "{name:?}: {kurtosis} {expected}");
        }
        assert!(weights[1].iter().all(|&bias| bias == 0.0), "{name:?}");
    }
}
