//! The f64 twin's gradients against central differences, for every loss and activation, fused and unfused.

use clap::ValueEnum;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, Data, write_weights};
use gpu_mlp::model::{
    Activation, Dropout, Embeddings, Initializer, Lookup, Network, Normalization, Periodic,
    initialize,
};
use gpu_mlp::program::{
    Capacity, Hyper, Loss, LossFunction, LossWeights, Places, Program, Reduction, Step, buffer,
    record,
};
use proptest::prelude::*;

const ROWS: usize = 7;

/// A network with a batch of its own, ready to tell its loss and its gradient.
struct Case {
    backend: CpuBackend<f64>,
    program: gpu_mlp::backend::ProgramId,
    places: Vec<std::ops::Range<usize>>,
    step: Step,
    scale: f64,
}

impl Case {
    fn new(network: &Network, loss: Loss, fused: bool, seed: u64) -> Self {
        let outputs = network.outputs();
        let capacity = Capacity {
            members: 1,
            batch: ROWS,
            rows: ROWS,
            order: ROWS,
            records: 1,
        };
        let mut program = Program::gradients(network, &loss, capacity);
        if fused {
            program = program.fused();
        }
        let mut backend = CpuBackend::<f64>::new();
        let compiled = backend.compile(&program).expect("it compiles");
        let weights = initialize(network, Initializer::XavierUniform, seed);
        write_weights(&mut backend, network, buffer::PARAMETERS, 0, &weights).expect("they fit");
        let trained = Places::new(network).places.into_iter();
        let trained = trained.filter(|place| place.buffer == buffer::PARAMETERS);
        let places = trained.map(|place| place.offset..place.offset + place.len());
        let number = |i: usize| ((i * 7919 + seed as usize * 104_729) % 2003) as f32 / 1001.5 - 1.0;
        let mut inputs: Vec<f32> = (0..ROWS * network.inputs).map(number).collect();
        if let Some(lookup) = &network.embeddings.lookup {
            for (row, inputs) in inputs.chunks_exact_mut(network.inputs).enumerate() {
                let columns = inputs.len() - lookup.rows.len()..inputs.len();
                let mut first = 0;
                for (input, &rows) in inputs[columns].iter_mut().zip(&lookup.rows) {
                    *input = (first + (row * 5 + seed as usize) % rows) as f32;
                    first += rows;
                }
            }
        }
        let targets: Vec<f32> = match loss.function {
            function if function.of_class() => {
                (0..ROWS).map(|row| (row % outputs) as f32).collect()
            }
            LossFunction::BinaryCrossEntropy => (0..ROWS * outputs)
                .map(|i| (i % 3 == 0).into())
                .map(|bit: u8| bit.into())
                .collect(),
            function => {
                let values = ROWS * outputs / function.width();
                (0..values).map(|i| number(i + 500)).collect()
            }
        };
        let rows = targets.chunks(targets.len() / ROWS).enumerate();
        let weighted = rows.flat_map(|(row, target)| {
            let weight = |place: usize| 0.25 * (row + place) as f32;
            let weights = (0..loss.weights.columns(outputs)).map(weight);
            target.iter().copied().chain(weights).collect::<Vec<_>>()
        });
        let targets: Vec<f32> = weighted.collect();
        let order: Vec<u32> = (0..ROWS as u32).rev().collect();
        if network.drops(0) {
            let hyper = Hyper {
                dropout: 0.4,
                ..Hyper::default()
            };
            let hyper: [f32; Hyper::WIDTH] = bytemuck::cast(hyper);
            let key = [seed as u32, 5];
            for (name, data) in [
                (buffer::HYPER, Data::F32(&hyper)),
                (buffer::KEYS, Data::U32(&key)),
            ] {
                backend.write(name, 0, 0, data).expect("it fits");
            }
        }
        backend
            .write(buffer::INPUTS, 0, 0, Data::F32(&inputs))
            .expect("it fits");
        backend
            .write(buffer::TARGETS, 0, 0, Data::F32(&targets))
            .expect("it fits");
        backend
            .write(buffer::ORDER, 0, 0, Data::U32(&order))
            .expect("it fits");
        let scale = loss.scale(ROWS, outputs) as f32;
        let step = Step {
            rows: ROWS as u32,
            loss_scale: scale,
            ..Step::default()
        };
        Case {
            backend,
            program: compiled,
            places: places.collect(),
            step,
            scale: scale.into(),
        }
    }

    /// The loss at the present parameters; the gradients hold its gradient afterwards.
    fn loss(&mut self) -> f64 {
        self.backend
            .values_mut(buffer::GRADIENTS, 0)
            .expect("it is there")
            .fill(0.0);
        self.backend
            .run(self.program, &[self.step])
            .expect("it runs");
        self.backend.values(buffer::LOG, 0).expect("it is there")[record::LOSS] * self.scale
    }

    fn shifted(&mut self, index: usize, by: f64) -> f64 {
        let before = self
            .backend
            .values(buffer::PARAMETERS, 0)
            .expect("it is there")[index];
        self.backend
            .values_mut(buffer::PARAMETERS, 0)
            .expect("it is there")[index] = before + by;
        let loss = self.loss();
        self.backend
            .values_mut(buffer::PARAMETERS, 0)
            .expect("it is there")[index] = before;
        loss
    }
}

fn agrees(network: &Network, loss: Loss, fused: bool, seed: u64) {
    let mut case = Case::new(network, loss, fused, seed);
    case.loss();
    let gradient = case
        .backend
        .values(buffer::GRADIENTS, 0)
        .expect("it is there")
        .to_vec();
    let largest = gradient
        .iter()
        .fold(1e-3, |largest: f64, g| largest.max(g.abs()));
    for index in case.places.clone().into_iter().flatten() {
        let slope = |case: &mut Case, h: f64| {
            (case.shifted(index, h) - case.shifted(index, -h)) / (2.0 * h)
        };
        // Richardson's extrapolation of two central differences: an error of order h⁴. Where a loss turns sharply it takes a smaller
        // step, in which there is more rounding.
        let difference =
            |case: &mut Case, h: f64| (4.0 * slope(case, h) - slope(case, 2.0 * h)) / 3.0;
        let agrees = |expected: f64| (gradient[index] - expected).abs() / largest < 1e-6;
        let mut expected = difference(&mut case, 1e-5);
        if !agrees(expected) {
            expected = difference(&mut case, 2e-6);
        }
        assert!(
            agrees(expected),
            "{network} {loss:?} fused {fused}: parameter {index} has {} instead of {expected}",
            gradient[index]
        );
    }
}

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::HalfMean];
#[test]
fn every_loss_and_activation_has_the_gradient_of_its_formula() {
    for function in LossFunction::ALL {
        for reduction in REDUCTIONS {
            for &activation in Activation::value_variants() {
                for output in [Activation::Identity, Activation::Tanh] {
                    let outputs = 2 * function.width();
                    let network = Network::new(3, &[4, 3], activation, outputs, output);
                    let loss = Loss::new(function, reduction);
                    for fused in [false, true] {
                        agrees(&network, loss, fused, 1);
                    }
                    for weights in [LossWeights::Rows, LossWeights::Outputs] {
                        let single = !function.of_class() && function != LossFunction::Gaussian;
                        if weights == LossWeights::Rows || single {
                            agrees(&network, Loss { weights, ..loss }, true, 1);
                        }
                    }
                }
            }
        }
    }
}

/// Without those whose first or second derivative jumps, where a difference across the place is no derivative.
fn smooth() -> Vec<Activation> {
    use Activation::{Elu, HardSigmoid, LeakyRelu, Prelu, Relu, Selu, Softsign};
    let jump = [Relu, LeakyRelu, Prelu, Elu, Selu, HardSigmoid, Softsign];
    let all = Activation::value_variants().iter().copied();
    all.filter(|function| !jump.contains(function)).collect()
}

/// Without those whose first or second derivative jumps, or that are of a slope that does.
fn smooth_losses() -> Vec<LossFunction> {
    let jump = [
        LossFunction::Hinge,
        LossFunction::Mae,
        LossFunction::Huber { delta: 1.0 },
    ];
    let jumps = |function: &LossFunction| {
        jump.contains(function) || matches!(function, LossFunction::Quantile { .. })
    };
    let all = LossFunction::ALL.into_iter();
    all.filter(|function| !jumps(function)).collect()
}

#[test]
fn embeddings_have_the_gradient_of_their_formulas() {
    let waves = Periodic {
        frequencies: 4,
        ..Periodic::new(2)
    };
    let lookup = Lookup {
        rows: vec![3, 2, 4],
        width: 2,
    };
    for (waves, lookup) in [
        (Some(waves), None),
        (None, Some(lookup.clone())),
        (Some(waves), Some(lookup)),
    ] {
        for hidden in [&[][..], &[4, 3]] {
            for (normalization, fused) in
                [(Normalization::None, false), (Normalization::Batch, true)]
            {
                let network = Network {
                    embeddings: Embeddings {
                        periodic: waves,
                        lookup: lookup.clone(),
                    },
                    normalization,
                    dropout: Dropout::Plain,
                    ..Network::new(6, hidden, Activation::Tanh, 2, Activation::Identity)
                };
                let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
                agrees(&network, loss, fused, 3);
            }
        }
    }
}

#[test]
fn a_sharp_turn_of_layer_normalization_has_it_too() {
    // The sums of a row are nearly the same.
    let network = Network {
        normalization: Normalization::Layer,
        ..Network::new(1, &[3, 3], Activation::Gelu, 1, Activation::Identity)
    };
    let loss = Loss::new(LossFunction::BinaryCrossEntropy, Reduction::Mean);
    agrees(&network, loss, true, 181);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn networks_of_any_depth_and_width_have_it_too(
        inputs in 1_usize..6,
        hidden in prop::collection::vec(1_usize..7, 0..4),
        outputs in 1_usize..5,
        function in prop::sample::select(smooth_losses()),
        activation in prop::sample::select(smooth()),
        dropout in prop::sample::select(vec![Dropout::None, Dropout::Plain, Dropout::Alpha]),
        normalization in prop::sample::select(Normalization::value_variants().to_vec()),
        residual: bool,
        seed in 0_u64..1000,
    ) {
        // Layers as wide as each other, so that there is something to add.
        let hidden = if residual { vec![hidden.iter().copied().max().unwrap_or(1); hidden.len()] } else { hidden };
        // Sums of a row that are all the same are where layer normalisation turns the sharpest, two such layers too sharp for a
        // difference: a single unit and dropout make them.
        let layer = normalization == Normalization::Layer;
        let hidden: Vec<usize> = hidden.iter().map(|&units| if layer { units + 2 } else { units }).collect();
        let network = Network {
            dropout: if layer { Dropout::None } else { dropout },
            normalization,
            residual,
            ..Network::new(inputs, &hidden, activation, outputs * function.width(), Activation::Identity)
        };
        let loss = Loss::new(function, Reduction::Mean);
        agrees(&network, loss, true, seed);
    }
}
