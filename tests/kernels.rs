//! Kernels on the adapter against their twins: each alone, and in whole programs.

use std::time::Duration;

use clap::ValueEnum;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, KERNELS, Mode, Sums, Tile, Tuning};
use gpu_mlp::backend::{
    Backend, Check, Data, Drawn, TOLERANCES, check, contents, difference, kernels, products,
    run_all, tolerance,
};
use gpu_mlp::model::{Activation, Dropout, Embeddings, Lookup, Network, Normalization, Periodic};
use gpu_mlp::program::{
    Augmentation, Capacity, Element, Link, Loss, LossFunction, LossWeights, Op, Optimizer,
    Precision, Program, Reduction, Rule, Step, buffer,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn open(mode: Mode) -> GpuBackend {
    GpuBackend::open(&AdapterChoice::Best)
        .expect("a Vulkan adapter: see scripts/test.sh")
        .with_mode(mode)
}

/// For whole programs: what one op rounds goes into the next, and Adam divides by the roots of small second moments.
const PROGRAM_TOLERANCE: f32 = 5e-4;

fn agree(program: &Program, rows: usize, seed: u64) {
    for mode in [Mode::Dispatches, Mode::Resident] {
        let error =
            difference(&mut open(mode), program, (rows, seed), Drawn::Usual).expect("it runs");
        assert!(
            error <= PROGRAM_TOLERANCE,
            "{error:e} by {mode:?}, {rows} rows of\n{program}"
        );
    }
}

/// Without those whose derivative jumps, where a value lies within rounding of the place; their kernels are tried alone.
/// Without Lion, whose sign jumps.
fn steady() -> Vec<Rule> {
    let all = Rule::value_variants().iter().copied();
    all.filter(|rule| *rule != Rule::Lion).collect()
}

/// Nothing half of the time: the adapter runs many steps at once of a program without mixtures.
fn augmentations() -> Vec<Augmentation> {
    let noise = Augmentation {
        noise: 0.5,
        mask: 0.2,
        ..Augmentation::default()
    };
    let mixup = Augmentation {
        mixup: 0.4,
        ..noise
    };
    vec![
        Augmentation::default(),
        Augmentation::default(),
        noise,
        mixup,
    ]
}

/// Without those whose slope jumps, and without those of an exponential: drawn weights make logits that have none.
fn smooth_losses() -> Vec<LossFunction> {
    use LossFunction::{Gaussian, Hinge, Mae, Poisson, Quantile};
    let all = LossFunction::ALL.into_iter();
    all.filter(|function| !matches!(function, Hinge | Mae | Quantile { .. } | Gaussian | Poisson))
        .collect()
}

fn smooth() -> Vec<Activation> {
    use Activation::{HardSigmoid, LeakyRelu, Prelu, Relu, Selu};
    let all = Activation::value_variants().iter().copied();
    all.filter(|function| ![Relu, LeakyRelu, Prelu, Selu, HardSigmoid].contains(function))
        .collect()
}

proptest! {
    // The same cases every time: a logit that lies within rounding of zero may count as right on one side alone.
    #![proptest_config(ProptestConfig { cases: 40, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn training_and_inference_agree_with_the_twins(
        inputs in 1_usize..70,
        hidden in prop::collection::vec(1_usize..90, 0..3),
        outputs in 1_usize..40,
        members in 1_usize..4,
        batch in 1_usize..140,
        rows in 1_usize..140,
        loss in prop::sample::select(smooth_losses()),
        activation in prop::sample::select(smooth()),
        dropout in prop::sample::select(vec![Dropout::None, Dropout::Plain, Dropout::Alpha]),
        normalization in prop::sample::select(Normalization::value_variants().to_vec()),
        residual: bool,
        rule in prop::sample::select(steady()),
        softmax: bool,
        augmentation in prop::sample::select(augmentations()),
        weights in prop::sample::select(vec![LossWeights::None, LossWeights::Rows, LossWeights::Outputs]),
        fused: bool,
        kind in 0_usize..4,
        seed in 0_u64..1000,
    ) {
        // Layers as wide as each other, so that there is something to add.
        let hidden = if residual { vec![hidden.first().copied().unwrap_or(1); hidden.len()] } else { hidden };
        let network = Network {
            dropout,
            normalization,
            residual,
            ..Network::new(inputs, &hidden, activation, outputs, Activation::Identity)
        };
        let weights = if loss.of_class() && weights == LossWeights::Outputs { LossWeights::Rows } else { weights };
        let loss = Loss { weights, ..Loss::new(loss, Reduction::Mean) };
        let optimizer = Optimizer::new(rule);
        let capacity = Capacity { members, batch, rows: 150, order: 2 * batch, records: 2 };
        let program = match kind {
            0 => Program::training(&network, &loss, &optimizer, capacity),
            1 => Program::gradients(&network, &loss, capacity),
            2 => Program::update(&network, &optimizer, capacity),
            _ => Program::inference(&network, if softmax { Link::Softmax } else { Link::Sigmoid }, capacity),
        };
        let program = if kind < 2 { program.augmented(&augmentation) } else { program };
        let program = if fused { program.fused() } else { program };
        agree(&program, rows.min(batch), seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn programs_with_embeddings_agree_with_the_twins(
        numbers in 0_usize..20,
        plain in 0_usize..5,
        texts in 0_usize..4,
        rows_each in 1_usize..40,
        width in 1_usize..10,
        hidden in prop::collection::vec(1_usize..70, 0..2),
        members in 1_usize..4,
        batch in 1_usize..140,
        rows in 1_usize..140,
        kind in 0_usize..3,
        seed in 0_u64..1000,
    ) {
        let embeddings = Embeddings {
            periodic: (numbers > 0).then(|| Periodic::new(numbers)),
            lookup: (texts > 0).then(|| Lookup { rows: vec![rows_each; texts], width }),
        };
        let inputs = (numbers + plain + texts).max(1);
        let network = Network {
            embeddings,
            ..Network::new(inputs, &hidden, Activation::Tanh, 3, Activation::Identity)
        };
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity { members, batch, rows: 150, order: 2 * batch, records: 2 };
        let program = match kind {
            0 => Program::training(&network, &loss, &Optimizer::ADAM, capacity),
            1 => Program::gradients(&network, &loss, capacity),
            _ => Program::inference(&network, Link::Identity, capacity),
        };
        agree(&program.fused(), rows.min(batch), seed);
    }
}

#[test]
fn long_sums_agree_with_the_twins_or_are_refused() {
    let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
    for (inputs, units, batch) in [(3, 2, 16_384), (20_000, 3, 5), (4_095, 4_093, 3)] {
        let network = Network::new(
            inputs,
            &[],
            Activation::Identity,
            units,
            Activation::Identity,
        );
        let capacity = Capacity {
            members: 1,
            batch,
            rows: batch,
            order: batch,
            records: 1,
        };
        agree(
            &Program::gradients(&network, &loss, capacity).fused(),
            batch,
            1,
        );
    }
    let network = Network::new(60_000, &[], Activation::Identity, 64, Activation::Identity);
    let capacity = Capacity {
        members: 1,
        batch: 4,
        rows: 4,
        order: 4,
        records: 1,
    };
    let program = Program::gradients(&network, &loss, capacity).fused();
    let mut gpu =
        GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh");
    match gpu.compile(&program) {
        Err(error) => assert!(error.to_string().contains("60000 inputs"), "{error}"),
        Ok(_) => agree(&program, 4, 1),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn every_kernel_alone_agrees_with_its_twin(
        m in 1_usize..300,
        n in 1_usize..300,
        k in 1_usize..300,
        members in 1_usize..4,
        short in 0.0..1.0_f64,
        seed: u64,
    ) {
        let rows = ((m as f64 * short) as usize).max(1);
        let mut gpu = open(Mode::Dispatches);
        for (kernel, program) in kernels([m, n, k], members, 0) {
            let error = difference(&mut gpu, &program, (rows, seed), Drawn::Usual).expect("it runs");
            prop_assert!(error <= tolerance(kernel), "{}: {:e}, {} rows of\n{}", kernel, error, rows, program);
        }
    }
}

/// The kernels that differ by more than they may.
fn wrong(errors: Vec<(&'static str, f32)>) -> Vec<(&'static str, f32)> {
    let mut wrong: Vec<_> = errors
        .into_iter()
        .filter(|&(kernel, error)| error > tolerance(kernel))
        .collect();
    wrong.sort_by_key(|&(kernel, _)| kernel);
    wrong
}

#[test]
fn every_kernel_has_an_error_that_is_allowed_and_a_reason() {
    let mut named: Vec<&str> = TOLERANCES
        .iter()
        .flat_map(|(_, _, of)| of.to_vec())
        .collect();
    named.sort_unstable();
    let listed: Vec<&str> = KERNELS.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, listed);
}

#[test]
fn sizes_around_tiles_and_subgroups_agree_with_the_twins() {
    const SIZES: [usize; 16] = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65];
    let mut gpu = open(Mode::Dispatches);
    let mut errors = Vec::new();
    for number in 0..SIZES.len() {
        // Each size is that of rows, of columns and of sums, next to others each time.
        let [m, n, k] = [1, 7, 5].map(|step| SIZES[(number * step + step) % SIZES.len()]);
        for (kernel, program) in kernels([m, n, k], 1, number) {
            let case = (m, number as u64);
            let error = difference(&mut gpu, &program, case, Drawn::Usual).expect("it runs");
            errors.push((kernel, error));
        }
    }
    assert_eq!(wrong(errors), []);
}

#[test]
fn however_a_product_is_cut_its_bits_are_the_same() {
    // Rows by words and by vectors of four, of a whole batch and of a part of one, in packs whose members begin anywhere; the longer
    // sums in slices, some tiles making them side by side and others one behind the other.
    let cases = [
        ([33, 31, 17], 3, 30),
        ([68, 72, 200], 2, 65),
        ([20, 10, 24], 1, 20),
        ([300, 9, 272], 2, 280),
    ];
    let tiles = open(Mode::Dispatches).tiles();
    assert!(tiles.len() >= 4, "{tiles:?}");
    for (sizes, members, rows) in cases {
        for precision in [Precision::F32, Precision::F16] {
            let forms = in_precision(products(sizes, members, 0), precision);
            assert_eq!(forms.len(), 10);
            let of = |tile| -> Vec<Vec<Vec<u32>>> {
                let gpu = open(Mode::Dispatches).with_sums(Sums::ByShape);
                let mut gpu = gpu.with_tile(tile);
                let bits = |(_, program): &(&str, Program)| {
                    let found = contents(&mut gpu, program, (rows, 5), Drawn::Usual);
                    let found = found.expect("it runs").into_iter();
                    found
                        .map(|values| values.into_iter().map(f32::to_bits).collect())
                        .collect()
                };
                forms.iter().map(bits).collect()
            };
            // Sums by an adapter's own matrices have an order of their own, the same for all of their tiles.
            let suited = tiles
                .iter()
                .filter(|tile| tile.precisions().contains(&precision));
            let (own, others): (Vec<Tile>, Vec<Tile>) =
                suited.partition(|tile| matches!(tile, Tile::Cooperative { .. }));
            for alike in [own, others].iter().filter(|alike| !alike.is_empty()) {
                let first = of(alike[0]);
                for &tile in &alike[1..] {
                    for ((kernel, program), (found, expected)) in
                        forms.iter().zip(of(tile).iter().zip(&first))
                    {
                        assert!(
                            found == expected,
                            "{kernel} by {tile}, {rows} rows of\n{program}"
                        );
                    }
                }
            }
        }
    }
}

fn in_precision(
    programs: Vec<(&'static str, Program)>,
    precision: Precision,
) -> Vec<(&'static str, Program)> {
    let programs = programs.into_iter();
    let with = |(kernel, program): (_, Program)| (kernel, program.with_precision(precision));
    programs.map(with).collect()
}

#[test]
fn products_in_half_precision_agree_with_the_twins() {
    for (number, (sizes, rows)) in [
        ([1, 1, 1], 1),
        ([33, 31, 17], 30),
        ([300, 9, 272], 280),
        ([130, 140, 150], 130),
    ]
    .into_iter()
    .enumerate()
    {
        for sums in [Sums::Rising, Sums::ByShape] {
            let mut gpu = open(Mode::Dispatches).with_sums(sums);
            for (kernel, program) in in_precision(products(sizes, 2, number), Precision::F16) {
                let case = (rows, number as u64);
                let error = difference(&mut gpu, &program, case, Drawn::Usual).expect("it runs");
                assert!(
                    error <= tolerance(kernel),
                    "{error:e} by {sums:?}, {rows} rows of\n{program}"
                );
            }
        }
    }
}

#[test]
fn half_precision_is_seen_in_products_alone() {
    // By how much the products of both precisions differ: by roundings of 2^-11, not by nothing, not by more.
    let [m, n, k] = [64, 48, 96];
    let found = |program: &Program| {
        let mut gpu = open(Mode::Dispatches);
        contents(&mut gpu, program, (m, 1), Drawn::Usual).expect("it runs")
    };
    for (_, exact) in products([m, n, k], 1, 0) {
        let [whole, half] = [Precision::F32, Precision::F16]
            .map(|precision| found(&exact.with_precision(precision)));
        let pairs = whole.iter().flatten().zip(half.iter().flatten());
        let largest = pairs.fold(0.0_f32, |most, (whole, half)| {
            most.max((whole - half).abs())
        });
        // Sums of up to 96 products of up to 4, each off by 2^-10 at most.
        assert!(
            largest > 1e-5 && largest < 96.0 * 4.0 / 1024.0,
            "{largest:e}"
        );
    }
}

#[test]
fn programs_in_half_precision_agree_with_the_twins_fused_or_not() {
    let network = Network::new(70, &[90, 40], Activation::Tanh, 10, Activation::Identity);
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    let capacity = Capacity {
        members: 2,
        batch: 200,
        rows: 300,
        order: 200,
        records: 1,
    };
    let program = Program::gradients(&network, &loss, capacity).with_precision(Precision::F16);
    for program in [program.clone(), program.fused()] {
        // The adapter has no kernel of many steps for it, though it is asked for one.
        let mut gpu = open(Mode::Resident);
        let compiled = gpu.compile(&program).expect("it fits");
        assert!(gpu.dispatches(compiled, 1) >= program.ops.len());
        for mode in [Mode::Dispatches, Mode::Resident] {
            let error = difference(&mut open(mode), &program, (150, 1), Drawn::Usual);
            // What differs in its last bit may be rounded to another half.
            let error = error.expect("it runs");
            assert!(error <= 1e-3, "{error:e}");
        }
    }
    let mut twins = CpuBackend::<f32>::new();
    let mut gradients = |program: &Program| {
        let gradients = program
            .buffers
            .iter()
            .take_while(|buffer| buffer.name != buffer::GRADIENTS);
        let owned = gradients.filter(|buffer| !buffer.shared && buffer.element == Element::F32);
        let place = 2 * owned.count();
        let found = contents(&mut twins, program, (150, 1), Drawn::Usual).expect("it runs");
        found[place..place + 2].concat()
    };
    let pairs = gradients(&program)
        .into_iter()
        .zip(gradients(&program.fused()));
    assert!(
        pairs
            .map(|(one, other)| (one - other).abs())
            .fold(0.0, f32::max)
            < 1e-3
    );
}

#[test]
fn long_sums_are_made_in_slices_and_by_lanes_where_a_graphics_card_makes_them() {
    let opened = |sums| open(Mode::Dispatches).with_sums(sums);
    for sums in [Sums::Rising, Sums::ByShape] {
        // Weights of 600 terms, rows of 272 in slices and by lanes; of a part of a batch, the last of the slices have no terms.
        for (number, (columns, members, rows)) in
            [(9, 1, 600), (9, 3, 100), (40, 2, 20), (40, 1, 1)]
                .into_iter()
                .enumerate()
        {
            let mut gpu = opened(sums);
            for (kernel, program) in products([600, columns, 272], members, number) {
                let error = difference(&mut gpu, &program, (rows, 3), Drawn::Usual);
                let error = error.expect("it runs");
                assert!(error <= tolerance(kernel), "{error:e} of\n{program}");
            }
        }
    }
    // A member of a pack has the bits that it has alone, though a pack has more tiles.
    let gradients = |members| {
        let network = Network::new(40, &[30], Activation::Tanh, 3, Activation::Identity);
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity {
            members,
            batch: 400,
            rows: 400,
            order: 400,
            records: 1,
        };
        let program = Program::gradients(&network, &loss, capacity).fused();
        let mut gpu = opened(Sums::ByShape);
        let compiled = gpu.compile(&program).expect("it fits");
        let values: Vec<f32> = (0..400 * 40).map(|at| (at as f32 * 0.37).sin()).collect();
        gpu.write(buffer::INPUTS, 0, 0, Data::F32(&values))
            .expect("it fits");
        let order: Vec<u32> = (0..400).collect();
        let weights: Vec<f32> = (0..40 * 30 + 30 * 3).map(|at| (at as f32).cos()).collect();
        for member in 0..members {
            gpu.write(buffer::ORDER, member, 0, Data::U32(&order))
                .expect("it fits");
            gpu.write(buffer::PARAMETERS, member, 0, Data::F32(&weights))
                .expect("it fits");
        }
        let step = Step {
            rows: 400,
            loss_scale: 1.0,
            ..Step::default()
        };
        run_all(&mut gpu, compiled, &[step]).expect("it runs");
        let mut bits = |member| -> Vec<u32> {
            let read = gpu.read(buffer::GRADIENTS, member, 0, weights.len());
            let values = read.expect("it is there").into_iter();
            values.map(f32::to_bits).collect()
        };
        (0..members).map(&mut bits).collect::<Vec<_>>()
    };
    let alone = gradients(1);
    assert!(alone[0].iter().filter(|bits| **bits != 0).count() > 1000);
    assert!(gradients(20).iter().all(|member| *member == alone[0]));
}

#[test]
fn a_row_has_the_same_outputs_in_whatever_batch() {
    for sums in [Sums::Rising, Sums::ByShape] {
        // The columns of each way that sums are made forward.
        for columns in [9, 40, 1100] {
            let outputs = |batch: usize| -> Vec<u32> {
                let network = Network::new(272, &[], Activation::Tanh, columns, Activation::Tanh);
                let capacity = Capacity {
                    members: 1,
                    batch,
                    rows: 700,
                    order: 700,
                    records: 1,
                };
                let program = Program::inference(&network, Link::Identity, capacity).fused();
                let mut gpu = open(Mode::Dispatches).with_sums(sums);
                let compiled = gpu.compile(&program).expect("it fits");
                let values: Vec<f32> = (0..700 * 272).map(|at| (at as f32 * 0.37).sin()).collect();
                let weights: Vec<f32> = (0..272 * columns).map(|at| (at as f32).cos()).collect();
                let order: Vec<u32> = (0..700).collect();
                for (name, data) in [
                    (buffer::INPUTS, Data::F32(&values)),
                    (buffer::PARAMETERS, Data::F32(&weights)),
                    (buffer::ORDER, Data::U32(&order)),
                ] {
                    gpu.write(name, 0, 0, data).expect("it fits");
                }
                let step = Step {
                    rows: batch as u32,
                    ..Step::default()
                };
                run_all(&mut gpu, compiled, &[step]).expect("it runs");
                let read = gpu
                    .read(buffer::OUTPUTS, 0, 0, columns)
                    .expect("it is there");
                read.into_iter().map(f32::to_bits).collect()
            };
            let alone = outputs(1);
            assert!(alone.iter().any(|bits| *bits != 0));
            assert!(outputs(700) == alone, "{columns} columns, {sums:?}");
        }
    }
}

#[test]
fn a_step_of_three_layers_is_twelve_dispatches() {
    // 188 MB of inputs, which a binding of the software adapter does not hold; alone and as a pack.
    let network = Network::new(784, &[512, 512], Activation::Relu, 10, Activation::Identity);
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    for members in [1, 4] {
        let capacity = Capacity {
            members,
            batch: 256,
            rows: 60_000,
            order: 60_000,
            records: 1,
        };
        let program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
        for sums in [Sums::Rising, Sums::ByShape] {
            let mut gpu = open(Mode::Dispatches).with_sums(sums);
            let compiled = gpu.compile(&program).expect("it fits");
            assert_eq!(gpu.dispatches(compiled, 1), 12, "{members} by {sums:?}");
        }
    }
}

#[test]
fn rows_of_a_dataset_are_found_in_both_of_its_bindings_and_in_any_of_three() {
    // 137 and 274 MB, where a binding holds 128 MiB on the software adapter.
    for (columns, dispatches) in [(700, 1), (1_400, 4)] {
        let rows = 49_000;
        let network = Network::new(columns, &[], Activation::Tanh, 1, Activation::Identity);
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 6,
            rows,
            order: 6,
            records: 1,
        };
        let mut program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
        program.ops.truncate(1);
        let mut gpu = open(Mode::Dispatches);
        let compiled = gpu.compile(&program).expect("it fits");
        assert!(gpu.dispatches(compiled, 1) <= dispatches);
        let inputs: Vec<f32> = (0..rows * columns)
            .map(|at| (at / columns) as f32 + (at % columns) as f32 / 2048.0)
            .collect();
        let targets: Vec<f32> = (0..rows).map(|row| -(row as f32)).collect();
        let order = [48_999, 0, 23_967, 23_966, 47_934, 47_933];
        for (name, data) in [
            (buffer::INPUTS, Data::F32(&inputs)),
            (buffer::TARGETS, Data::F32(&targets)),
            (buffer::ORDER, Data::U32(&order)),
        ] {
            gpu.write(name, 0, 0, data).expect("it fits");
        }
        let step = Step {
            rows: 6,
            ..Step::default()
        };
        run_all(&mut gpu, compiled, &[step]).expect("it runs");
        let x = gpu.read("x", 0, 0, 6 * columns).expect("it is there");
        let t = gpu.read("t", 0, 0, 6).expect("it is there");
        for (place, &row) in order.iter().enumerate() {
            let first = row as usize * columns;
            assert_eq!(x[place * columns..][..columns], inputs[first..][..columns]);
            assert_eq!(t[place], targets[row as usize]);
        }
    }
}

#[test]
fn what_is_the_fastest_is_tried_once_and_changes_no_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let forms = products([128, 128, 256], 1, 0);
    let (_, program) = &forms[0];
    let bits = |gpu: &mut GpuBackend| -> Vec<Vec<u32>> {
        let found = contents(gpu, program, (128, 5), Drawn::Usual).expect("it runs");
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
        found.into_iter().map(bits).collect()
    };
    let tuned = |again| {
        let folder = Some(folder.path().join("cache"));
        open(Mode::Dispatches).with_tuning(&Tuning {
            folder,
            again,
            limit: Duration::from_secs(600),
        })
    };
    let expected = bits(&mut open(Mode::Dispatches));
    // Anew, remembered, anew as it is asked for, and behind a damaged file.
    for (again, damaged, tried) in [
        (false, false, 1),
        (false, false, 0),
        (true, false, 1),
        (false, true, 1),
    ] {
        if damaged {
            for file in std::fs::read_dir(folder.path().join("cache")).expect("a folder") {
                std::fs::write(file.expect("a file").path(), "{").expect("it is written");
            }
        }
        let mut gpu = tuned(again);
        assert_eq!(bits(&mut gpu), expected);
        assert_eq!(gpu.tried(), tried, "{again} {damaged}");
    }
    // Another network's kinds of product stay what they were while this one's are tried anew.
    let other = &products([256, 128, 64], 1, 1)[0].1;
    for (program, again, tried) in [(other, false, 1), (program, true, 1), (other, false, 0)] {
        let mut gpu = tuned(again);
        gpu.compile(program).expect("it fits");
        assert_eq!(gpu.tried(), tried, "{again}");
        // Nor is it tried again by the same backend.
        gpu.compile(program).expect("it fits");
        assert_eq!(gpu.tried(), tried, "{again}");
    }
    // What was damaged is whole again.
    let files = std::fs::read_dir(folder.path().join("cache")).expect("a folder");
    let whole = files.map(|file| std::fs::read(file.expect("a file").path()).expect("it is read"));
    assert!(whole.map(|text| assert!(text.len() > 100)).count() >= 1);
    // Where there is no time nothing is tried, nor is it for a small one.
    let mut gpu = open(Mode::Dispatches).with_tuning(&Tuning {
        limit: Duration::ZERO,
        ..Tuning::default()
    });
    assert_eq!(bits(&mut gpu), expected);
    assert_eq!(gpu.tried(), 0);
    let mut gpu = tuned(true);
    gpu.compile(&products([32, 64, 64], 1, 0)[0].1)
        .expect("it fits");
    assert_eq!(gpu.tried(), 0);
}

#[test]
fn denormal_numbers_are_taken_as_they_are_or_as_zeros() {
    let mut gpu = open(Mode::Dispatches);
    let mut errors = Vec::new();
    for (number, [m, n, k]) in [[1, 1, 1], [5, 33, 7], [65, 17, 64]]
        .into_iter()
        .enumerate()
    {
        for (kernel, program) in kernels([m, n, k], 1, number) {
            let case = (m, number as u64);
            let error = difference(&mut gpu, &program, case, Drawn::Denormal).expect("it runs");
            errors.push((kernel, error));
        }
    }
    assert_eq!(wrong(errors), []);
}

#[test]
fn infinite_logits_give_what_they_give_the_twins() {
    let mut gpu = open(Mode::Dispatches);
    let mut errors = Vec::new();
    for (number, [m, n, k]) in [[7, 1, 1], [40, 3, 1], [9, 65, 1]].into_iter().enumerate() {
        let of_logits = ["activation", "loss_gradient", "softmax"];
        let programs = kernels([m, n, k], 1, number).into_iter();
        for (kernel, program) in programs.filter(|(kernel, _)| of_logits.contains(kernel)) {
            let case = (m, number as u64);
            let error = difference(&mut gpu, &program, case, Drawn::Infinite).expect("it runs");
            if error > tolerance(kernel) {
                eprintln!("{error:e} of\n{program}");
            }
            errors.push((kernel, error));
        }
    }
    assert_eq!(wrong(errors), []);
}

#[test]
fn the_check_of_an_adapter_tries_every_kernel() {
    let checks = check(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh");
    let names: Vec<_> = checks.iter().map(|check| check.kernel).collect();
    assert_eq!(
        names,
        KERNELS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for check in checks {
        assert!(check.passed(), "{check:?}");
    }
}

#[test]
fn the_check_of_a_worker_tries_what_its_programs_consist_of() {
    let network = Network::new(5, &[9], Activation::Relu, 3, Activation::Identity);
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    let capacity = Capacity {
        members: 3,
        batch: 4,
        rows: 8,
        order: 8,
        records: 1,
    };
    let program = Program::shard(&network, &loss, capacity).fused();
    let mut gpu = open(Mode::Auto);
    gpu.compile(&program).expect("it compiles");
    let mut cpu = CpuBackend::<f32>::with_threads(2);
    let both: [&mut dyn Backend; 2] = [&mut gpu, &mut cpu];
    for (backend, of_adapter) in both.into_iter().zip([true, false]) {
        let checks = backend.check(&[&program]).expect("it runs");
        let names: Vec<_> = checks.iter().map(|check| check.kernel).collect();
        let is_of = |name: &str| program.ops.iter().any(|op| op.name() == name);
        let own = names.iter().filter(|name| is_of(name)).count();
        // An adapter that is slow does not come to all of them in its time.
        assert!(own > 0 || of_adapter, "{names:?}");
        assert_eq!(names.contains(&"steps"), of_adapter, "{names:?}");
        let also = |name: &str| of_adapter && name == "steps";
        assert!(
            names.iter().all(|name| is_of(name) || also(name)),
            "{names:?}"
        );
        assert!(checks.iter().all(Check::passed), "{checks:?}");
    }
}

#[test]
fn buffers_larger_than_a_binding_are_taken_in_pieces() {
    // 151 MB of parameters, and nine members of 17 MB each, where a binding holds 128 MiB on the software adapter.
    let mut gpu = open(Mode::Dispatches);
    let updates = kernels([1, 6_151, 6_143], 1, 0);
    let products = kernels([3, 2_053, 2_048], 9, 1);
    let named = |name: &'static str, programs: Vec<(&'static str, Program)>| {
        programs
            .into_iter()
            .find(move |(kernel, _)| *kernel == name)
    };
    for program in [
        named("sgd", updates.clone()),
        named("square_sums", updates.clone()),
        named("clip_norm", updates),
        named("matmul_bias_activation", products),
    ] {
        let (kernel, program) = program.expect("it is listed");
        let rows = program.batch;
        let mut adapter = open(Mode::Dispatches);
        let error = difference(&mut adapter, &program, (rows, 1), Drawn::Usual).expect("it runs");
        assert!(error <= tolerance(kernel), "{kernel}: {error:e}");
    }
    // Seven of nine members would fit: two groups of three do, then the third.
    let (_, mut join) = named("join", kernels([1, 1, 1], 9, 3)).expect("it is listed");
    join.batch = 1;
    for tensor in &mut join.tensors {
        tensor.columns = 4 << 20;
    }
    for buffer in &mut join.buffers {
        buffer.len = 4 << 20;
    }
    for op in &mut join.ops {
        if let Op::Join { members, .. } = op {
            *members = 3;
        }
    }
    let error = difference(&mut open(Mode::Dispatches), &join, (1, 1), Drawn::Usual);
    assert!(error.expect("it runs") <= tolerance("join"));
    // The same backend refuses what no piece of memory holds.
    let (_, gather) = named("gather", kernels([1, 65_536, 65_536], 1, 2)).expect("it is listed");
    let error = gpu.compile(&gather).expect_err("17 GB are too much");
    assert!(error.to_string().contains("--device cpu"), "{error}");
}
