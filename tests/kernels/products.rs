//! Products: however they are cut, in half precision, and sums that are long.

use std::time::Duration;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, Mode, Sums, Tile, Tuning};
use gpu_mlp::backend::{Backend, Data, Drawn, contents, difference, products, run_all, tolerance};
use gpu_mlp::model::{Activation, Network};
use gpu_mlp::program::{
    Capacity, Element, Hyper, Link, Loss, LossFunction, Optimizer, Precision, Program, Reduction,
    Rule, Step, buffer,
};

use super::{agree, open};

#[test]
fn however_a_product_is_cut_its_bits_are_the_same() {
    // Rows by words and by vectors of four, of a whole batch and of a part of one, alone and in packs; the longer
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

/// Tiles whose operands are buffers, and images: software adapters with subgroups of eight lanes and more have both.
fn by_subgroups_and_images() -> Option<(Tile, Tile)> {
    let tiles = open(Mode::Dispatches).tiles();
    let of_kind = |wanted: &dyn Fn(&Tile) -> bool| tiles.iter().copied().find(wanted);
    let by_subgroups = of_kind(&|tile| matches!(tile, Tile::Subgroup { .. }));
    by_subgroups.zip(of_kind(&|tile| matches!(tile, Tile::Image { .. })))
}

#[test]
fn images_hold_what_the_buffers_do_whatever_is_written_in_between() {
    // Muon multiplies what it changes in place; tensors begin anywhere, and the last rows of images are parts of one.
    let network = Network::new(44, &[96, 68], Activation::Tanh, 36, Activation::Identity);
    let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
    let Some((by_subgroups, by_images)) = by_subgroups_and_images() else {
        return;
    };
    for (members, rule) in [(1, Rule::Muon), (3, Rule::Adam)] {
        let capacity = Capacity {
            members,
            batch: 60,
            rows: 180,
            order: 180,
            records: 1,
        };
        let program = Program::training(&network, &loss, &Optimizer::new(rule), capacity).fused();
        let parameters = |tile: Tile| -> Vec<u32> {
            let mut gpu = open(Mode::Dispatches).with_tile(tile);
            let compiled = gpu.compile(&program).expect("it fits");
            let len = program.buffers.iter();
            let len = len.filter(|buffer| buffer.name == buffer::PARAMETERS);
            let len: usize = len.map(|buffer| buffer.len).sum();
            let drawn = |len: usize| -> Vec<f32> { (0..len).map(|at| (at as f32).sin()).collect() };
            gpu.write(buffer::INPUTS, 0, 0, Data::F32(&drawn(180 * 44)))
                .expect("it fits");
            gpu.write(buffer::TARGETS, 0, 0, Data::F32(&drawn(180 * 36)))
                .expect("it fits");
            let order: Vec<u32> = (0..180).collect();
            let hyper: [f32; Hyper::WIDTH] = bytemuck::cast(Hyper {
                learning_rate: 0.05,
                ..Hyper::default()
            });
            for member in 0..members {
                for (name, data) in [
                    (buffer::ORDER, Data::U32(&order)),
                    (buffer::HYPER, Data::F32(&hyper)),
                    (buffer::PARAMETERS, Data::F32(&drawn(len))),
                ] {
                    gpu.write(name, member, 0, data).expect("it fits");
                }
            }
            let step = |number: u32| Step {
                first: 60 * number,
                rows: 60,
                loss_scale: 1e-3,
                rate: 1.0,
                correction1: 1.0,
                correction2: 1.0,
                correction3: 1.0,
                ..Step::default()
            };
            run_all(&mut gpu, compiled, &[step(0), step(1), step(2)]).expect("it runs");
            let read = |member| gpu.read(buffer::PARAMETERS, member, 0, len);
            let read = (0..members).map(read);
            let read = read.flat_map(|values| values.expect("it is there"));
            read.map(f32::to_bits).collect()
        };
        let found = parameters(by_images);
        assert!(found.iter().all(|bits| f32::from_bits(*bits).is_finite()));
        assert!(found == parameters(by_subgroups), "{rule:?}");
    }
}

#[test]
fn operands_with_long_rows_have_the_same_bits_in_panels() {
    // Panels whose rows may be copied one by one, four by four and sixteen by sixteen, the last of them a part of one.
    let Some((by_subgroups, by_images)) = by_subgroups_and_images() else {
        return;
    };
    for (sizes, members, rows) in [([36, 1088, 1040], 2, 33), ([40, 1100, 1028], 3, 40)] {
        for (kernel, program) in products(sizes, members, 0) {
            let bits = |tile| -> Vec<Vec<u32>> {
                let mut gpu = open(Mode::Dispatches).with_tile(tile);
                let found = contents(&mut gpu, &program, (rows, 7), Drawn::Usual);
                let bits =
                    |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                found.expect("it runs").into_iter().map(bits).collect()
            };
            assert!(
                bits(by_images) == bits(by_subgroups),
                "{kernel}, {rows} rows of\n{program}"
            );
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
