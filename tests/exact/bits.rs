use std::ops::ControlFlow;

use super::*;
use gpu_mlp::data::Matrix;
use gpu_mlp::model::{Activation, Dropout, Initializer, initialize};
use gpu_mlp::program::{LossFunction, Optimizer, Reduction};
use gpu_mlp::train::{Member, Options, Parts, Rows, Sampling, Trained, train};

const ROWS: usize = 700;
const INPUTS: usize = 400;

/// Two epochs of a network wide enough for its products to be shared by threads, with all draws that there are.
fn trained(backend: &mut dyn Backend, seeds: &[u64], batch: Option<usize>) -> Vec<Trained> {
    let network = Network {
        dropout: Dropout::Plain,
        ..Network::new(INPUTS, &[96, 64], Activation::Relu, 4, Activation::Identity)
    };
    let inputs = Matrix {
        rows: ROWS,
        columns: INPUTS,
        values: numbers(ROWS * INPUTS, 1),
    };
    // One class of four is rare.
    let class = |row: usize| {
        if row.is_multiple_of(50) {
            3.0
        } else {
            (row % 3) as f32
        }
    };
    let targets = Matrix {
        rows: ROWS,
        columns: 1,
        values: (0..ROWS).map(class).collect(),
    };
    let members: Vec<Member> = seeds
        .iter()
        .map(|&seed| Member {
            weights: initialize(&network, Initializer::Auto, seed),
            hyper: Hyper {
                learning_rate: 1e-3,
                dropout: 0.2,
                ..Hyper::default()
            },
            seed,
        })
        .collect();
    let everything = everything();
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    let options = Options {
        batch_size: batch,
        sampling: Sampling::Balanced,
        augmentation: Augmentation {
            warp: everything.warp.map(|warp| Warp {
                image: Image {
                    height: 20,
                    width: 20,
                    ..warp.image
                },
                ..warp
            }),
            ..everything
        },
        ..Options::plain(loss, Optimizer::ADAM, 128, 2)
    };
    let rows: Vec<u32> = (0..ROWS as u32).collect();
    let (training, validation) = rows.split_at(600);
    let rows = Rows {
        inputs: &inputs,
        targets: &targets,
        parts: &[Parts {
            train: training,
            validation,
            test: &[],
        }],
    };
    let outcome = train(backend, &network, &members, rows, &options, &mut |_| {
        ControlFlow::Continue(())
    });
    outcome.expect("it trains").members
}

#[test]
fn a_seed_used_twice_gives_the_same_bits_at_any_thread_count_and_on_an_adapter() {
    for batch in [Some(128), None] {
        let by = |threads| trained(&mut CpuBackend::<f32>::with_threads(threads), &[1], batch);
        let alone = by(1);
        for threads in [1, 2, 3] {
            assert!(by(threads) == alone, "{threads} threads, batch {batch:?}");
        }
        assert!(trained(&mut gpu(), &[1], batch) == trained(&mut gpu(), &[1], batch));
    }
    // Packs are spread over threads otherwise.
    let by = |threads| {
        let mut cpu = CpuBackend::<f32>::with_threads(threads);
        trained(&mut cpu, &[1, 2, 3], Some(128))
    };
    let alone = by(1);
    for threads in [2, 3] {
        assert!(by(threads) == alone, "{threads} threads");
    }
}

#[test]
fn a_pack_draws_for_each_member_what_it_draws_alone() {
    for gpu_too in [false, true] {
        let open = || -> Box<dyn Backend> {
            if gpu_too {
                Box::new(gpu())
            } else {
                Box::new(CpuBackend::<f32>::new())
            }
        };
        let pack = trained(&mut *open(), &[1, 2], Some(128));
        assert!(pack[0] != pack[1]);
        for (member, seed) in pack.iter().zip([1, 2]) {
            let alone = trained(&mut *open(), &[seed], Some(128));
            assert!(
                *member == alone[0],
                "seed {seed}, on the adapter: {gpu_too}"
            );
        }
    }
}

#[test]
fn the_adapter_has_the_losses_of_the_cpu() {
    let cpu = trained(&mut CpuBackend::<f32>::new(), &[1], Some(128)).remove(0);
    let adapter = trained(&mut gpu(), &[1], Some(128)).remove(0);
    for (one, other) in cpu.history.iter().zip(&adapter.history) {
        let far = (one.train.loss / other.train.loss - 1.0).abs();
        assert!(far < 1e-4, "{} {}", one.train.loss, other.train.loss);
    }
    // Nothing is drawn for rows that are validated: they have the same loss each time they are looked at.
    let last = cpu.history.last().and_then(|epoch| epoch.validation);
    let again = cpu.scores[1];
    assert_eq!(
        last.map(|scores| scores.loss),
        again.map(|scores| scores.loss)
    );
}
