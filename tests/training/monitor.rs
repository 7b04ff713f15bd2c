use std::ops::ControlFlow;

use gpu_mlp::backend::{Backend, Data, run_all, write_weights};
use gpu_mlp::data::Matrix;
use gpu_mlp::model::{Activation, Initializer, Network, Weights, initialize};
use gpu_mlp::predictor::{Averages, average_precision, most_probable, roc_auc};
use gpu_mlp::program::{
    Answer, Capacity, Hyper, Link, Loss, LossFunction, Optimizer, Program, Reduction, Step, buffer,
};
use gpu_mlp::train::{Judge, Member, Monitor, Options, Parts, Rows, Scores, train_judged};

use super::{Digits, Narrow, cpu, gpu};

/// Of each row's score and whether the row is positive.
type Ranked = fn(&[f32], &dyn Fn(usize) -> bool) -> Option<f64>;

/// What a network's last layer gives for rows of a dataset.
fn logits(network: &Network, weights: &Weights, inputs: &Matrix, rows: &[u32]) -> Matrix {
    let mut backend = cpu();
    let capacity = Capacity {
        members: 1,
        batch: rows.len(),
        rows: inputs.rows,
        order: rows.len(),
        records: 1,
    };
    let program = Program::inference(network, Link::Identity, capacity);
    let compiled = backend.compile(&program).expect("it compiles");
    write_weights(&mut backend, network, buffer::PARAMETERS, 0, weights).expect("they fit");
    for (name, data) in [
        (buffer::INPUTS, Data::F32(&inputs.values)),
        (buffer::ORDER, Data::U32(rows)),
    ] {
        backend.write(name, 0, 0, data).expect("it fits");
    }
    let step = Step {
        rows: rows.len() as u32,
        ..Step::default()
    };
    run_all(&mut backend, compiled, &[step]).expect("it runs");
    let columns = network.outputs();
    let values = backend.read(buffer::OUTPUTS, 0, 0, rows.len() * columns);
    Matrix {
        rows: rows.len(),
        columns,
        values: values.expect("they are there"),
    }
}

/// What is monitored of logits, by another way than the device's counts.
fn judged(monitor: Monitor, logits: &Matrix, targets: &[usize]) -> f64 {
    let rows = targets.iter().enumerate();
    let mut confusion = vec![vec![0; 10]; 10];
    for (row, &target) in rows.clone() {
        confusion[target][most_probable(logits.row(row))] += 1;
    }
    let averages = Averages::new(&confusion);
    let softmax = |row: usize| {
        let total: f64 = logits.row(row).iter().map(|&z| f64::from(z).exp()).sum();
        let powers = logits.row(row).iter().map(|&z| f64::from(z).exp());
        powers.map(|power| power / total).collect::<Vec<_>>()
    };
    let mean_over_classes = |score: Ranked| {
        let of = |class: usize| {
            let scores: Vec<f32> = rows
                .clone()
                .map(|(row, _)| softmax(row)[class] as f32)
                .collect();
            score(&scores, &|row| targets[row] == class).expect("there are such rows")
        };
        (0..10).map(of).sum::<f64>() / 10.0
    };
    match monitor {
        Monitor::BalancedAccuracy => averages.balanced_accuracy,
        Monitor::F1 => averages.plain.f1,
        Monitor::Matthews => averages.matthews,
        Monitor::RocAuc => mean_over_classes(roc_auc),
        Monitor::AveragePrecision => mean_over_classes(average_precision),
        _ => {
            let losses = rows.map(|(row, &target)| -softmax(row)[target].ln());
            losses.sum::<f64>() / targets.len() as f64
        }
    }
}

#[test]
fn what_is_monitored_of_answers_is_counted_on_the_device() {
    let digits = Digits::new(0.2);
    let network = Network::new(64, &[16], Activation::Relu, 10, Activation::Identity);
    let members = [1, 2].map(|seed| Member {
        weights: initialize(&network, Initializer::Auto, seed),
        hyper: Hyper {
            learning_rate: 3e-2,
            ..Hyper::default()
        },
        seed,
    });
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    let rows = Rows {
        inputs: &digits.inputs,
        targets: &digits.targets,
        parts: &[digits.parts()],
    };
    let judge = Judge {
        answer: Answer::Softmax,
        moments: &[],
        wanted: &digits.targets,
    };
    let validation = &digits.split.validation;
    let targets = validation.iter();
    let targets: Vec<usize> = targets
        .map(|&row| digits.targets.values[row as usize] as usize)
        .collect();
    for monitor in [
        Monitor::BalancedAccuracy,
        Monitor::F1,
        Monitor::Matthews,
        Monitor::LogLoss,
        Monitor::RocAuc,
        Monitor::AveragePrecision,
    ] {
        let options = Options {
            monitor,
            ..Options::plain(loss, Optimizer::ADAM, 64, 2)
        };
        for backend in [
            &mut cpu() as &mut dyn Backend,
            &mut gpu(),
            &mut Narrow(cpu()),
        ] {
            let outcome = train_judged(
                backend,
                &network,
                &members,
                rows,
                &options,
                Some(judge),
                &mut |_| ControlFlow::Continue(()),
            );
            let trained = outcome.expect("it trains").members;
            for member in &trained {
                let logits = logits(&network, &member.weights, &digits.inputs, validation);
                let expected = judged(monitor, &logits, &targets);
                let last = member.history.last().expect("there are epochs");
                let found = last.judged.expect("it is judged");
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{monitor}: {found} {expected}"
                );
            }
        }
    }
    // A value that there is none of ends the run.
    let zeros = validation.iter().copied();
    let zeros: Vec<u32> = zeros
        .filter(|&row| digits.targets.values[row as usize] != 3.0)
        .collect();
    let error = train_judged(
        &mut cpu(),
        &network,
        &members,
        Rows {
            parts: &[Parts {
                validation: &zeros,
                ..digits.parts()
            }],
            ..rows
        },
        &Options {
            monitor: Monitor::RocAuc,
            ..Options::plain(loss, Optimizer::ADAM, 64, 2)
        },
        Some(judge),
        &mut |_| ControlFlow::Continue(()),
    );
    let error = error.expect_err("it is not judged").to_string();
    assert!(
        error.contains("--monitor roc-auc") && error.contains("--validation"),
        "{error}"
    );
}

#[test]
fn what_is_monitored_decides_which_weights_are_kept() {
    let digits = Digits::new(0.2);
    let run = |monitor| {
        let outcome = digits.train(&mut cpu(), &[1], 3e-2, |options| {
            options.epochs = 30;
            options.patience = Some(30);
            options.monitor = monitor;
        });
        outcome.expect("it trains").members.remove(0)
    };
    for monitor in [Monitor::Loss, Monitor::Accuracy] {
        let member = run(monitor);
        let value = |scores: &Scores| match monitor {
            Monitor::Accuracy => -scores.accuracy,
            _ => scores.loss,
        };
        let epochs = member.history.iter().filter_map(|epoch| epoch.validation);
        let best = epochs
            .map(|scores| value(&scores))
            .fold(f64::INFINITY, f64::min);
        let kept = value(&member.scores[1].expect("there are such rows"));
        assert!((kept - best).abs() < 1e-6, "{monitor}: {kept} {best}");
    }
}
