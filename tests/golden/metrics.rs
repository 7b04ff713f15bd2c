//! Metrics as scikit-learn has them, of answers that are counted in two steps.

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, Data, run_all};
use gpu_mlp::data::Matrix;
use gpu_mlp::model::{Activation, Network};
use gpu_mlp::predictor::Report;
use gpu_mlp::program::{Answer, Capacity, Levels, Program, Step, Stretch, buffer};
use serde::Deserialize;

use super::{PRECISE, near, singles};

/// Of sums in f32, of which a hundredth may be left.
const SINGLE: f64 = 2e-5;

/// Networks, and how many of them answer together.
#[derive(Clone, Copy)]
struct Pack {
    members: usize,
    together: usize,
}

/// Answers and targets as a batch has them, and what becomes of them.
struct Case {
    answer: Answer,
    outputs: usize,
    answers: Matrix,
    targets: Matrix,
}

impl Case {
    fn new(answer: Answer, columns: usize, answers: Vec<f32>, targets: Vec<f32>) -> Self {
        let rows = answers.len() / columns;
        let matrix = |values: Vec<f32>| Matrix {
            rows,
            columns: values.len() / rows,
            values,
        };
        let outputs = if answer == Answer::Pair { 1 } else { columns };
        Case {
            answer,
            outputs,
            answers: matrix(answers),
            targets: matrix(targets),
        }
    }

    /// Nothing but the counts and sums of answers that are there, in two steps at most.
    fn program(&self, pack: Pack) -> (Program, Vec<Step>) {
        let rows = self.answers.rows;
        let half = rows.div_ceil(2);
        // The first step is the fourth of a longer log.
        let record = 3;
        let stretch = Stretch {
            record,
            records: 2,
            first: 0,
            kept: rows,
            together: pack.together,
        };
        let capacity = Capacity {
            members: pack.members,
            batch: half,
            rows: pack.members * rows,
            order: rows,
            records: 2,
        };
        let function = Activation::Identity;
        let network = Network::new(1, &[], function, self.outputs, function);
        let program = Program::tally_of_answers(&network, (self.answer, stretch), capacity);
        let steps = (0..rows).step_by(half).enumerate();
        let steps = steps.map(|(number, first)| Step {
            first: first as u32,
            rows: half.min(rows - first) as u32,
            record: (record + number) as u32,
            ..Step::default()
        });
        (program, steps.collect())
    }

    /// Each member's answers and targets, one behind the other. The mean of those that answer together is the case's, to the bit.
    fn write(&self, backend: &mut dyn Backend, program: &Program, pack: Pack) {
        let rows = self.answers.rows;
        let (mut answers, mut targets) = (Vec::new(), Vec::new());
        for member in 0..pack.members {
            let share = match (pack.together, member % pack.together) {
                (1, _) => 1.0,
                (_, 0) => 2.0,
                _ => 0.0,
            };
            answers.extend(self.answers.values.iter().map(|answer| share * answer));
            targets.extend(&self.targets.values);
            // Every other group has its rows from the last to the first.
            let first = (member * rows) as u32;
            let mut order: Vec<u32> = (first..first + rows as u32).collect();
            if member / pack.together % 2 == 1 {
                order.reverse();
            }
            let order = Data::U32(&order);
            backend
                .write(buffer::ORDER, member, 0, order)
                .expect("it fits");
        }
        for (name, data) in [
            (buffer::ANSWERED, Data::F32(&answers)),
            (buffer::WANTED, Data::F32(&targets)),
        ] {
            backend.write(name, 0, 0, data).expect("it fits");
        }
        if let Some(described) = program.buffer(buffer::MOMENTS) {
            let moments = [0.0, 1.0].repeat(described.len / 2);
            let moments = Data::F32(&moments);
            backend
                .write(buffer::MOMENTS, 0, 0, moments)
                .expect("it fits");
        }
    }

    fn run(&self, backend: &mut dyn Backend, pack: Pack) -> usize {
        let (program, steps) = self.program(pack);
        let compiled = backend.compile(&program).expect("it compiles");
        self.write(backend, &program, pack);
        // What was counted before is no part of it.
        run_all(backend, compiled, &steps).expect("it runs");
        run_all(backend, compiled, &steps).expect("it runs");
        steps.len()
    }

    /// The case's answers and targets in a member's order.
    fn ordered(&self, pack: Pack, member: usize) -> [Matrix; 2] {
        let mut order: Vec<u32> = (0..self.answers.rows as u32).collect();
        if member / pack.together % 2 == 1 {
            order.reverse();
        }
        [&self.answers, &self.targets].map(|matrix| matrix.rows_of(&order))
    }

    /// Holds what a report says against expected values, on the CPU in both precisions and on the adapter, of a network that answers
    /// alone and of groups of two that answer together.
    fn hold(&self, told: impl Fn(&Report) -> Vec<Option<f64>>, expected: &[Option<f64>]) {
        for [members, together] in [[1, 1], [4, 2]] {
            self.hold_as(Pack { members, together }, &told, expected);
        }
    }

    fn hold_as(
        &self,
        pack: Pack,
        told: &dyn Fn(&Report) -> Vec<Option<f64>>,
        expected: &[Option<f64>],
    ) {
        let tallied = self.answer.tallied(self.outputs);
        let report = |counts: &[f64], sums: &[f64], kept: Vec<f32>, member: usize| {
            let [answers, targets] = self.ordered(pack, member);
            assert_eq!(kept, answers.values);
            let mut report = Report::new(self.answer, self.outputs);
            report.add_tally(counts, sums, &[]);
            report.keep(&answers, &targets);
            report
        };
        let expect = |report: &Report, tolerance: f64, on: &str| {
            let found = told(report);
            let there = |all: &[Option<f64>]| all.iter().map(Option::is_some).collect::<Vec<_>>();
            assert_eq!(
                there(&found),
                there(expected),
                "{found:?} {expected:?} {on}"
            );
            let some = |all: &[Option<f64>]| all.iter().copied().flatten().collect::<Vec<_>>();
            let (program, _) = self.program(pack);
            near(
                "metric",
                &some(&found),
                &some(expected),
                tolerance,
                on,
                &program,
            );
        };
        let mut precise = CpuBackend::<f64>::new();
        let steps = self.run(&mut precise, pack);
        for member in 0..pack.members {
            let values = |name: &str| precise.values(name, member).expect("it is there").to_vec();
            let kept = values(buffer::KEPT);
            let kept = kept.iter().map(|&value| value as f32).collect();
            let sums = &values(buffer::SUMS)[..steps * tallied.sums()];
            let all = report(&values(buffer::COUNTS), sums, kept, member);
            expect(&all, PRECISE, "the CPU in f64");
        }
        for mut backend in singles() {
            self.run(&mut *backend, pack);
            for member in 0..pack.members {
                let mut read = |name: &str, len: usize| {
                    backend.read(name, member, 0, len).expect("it is there")
                };
                let double = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
                let counts: Vec<f64> = double(read(buffer::COUNTS, tallied.counts()));
                let sums: Vec<f64> = double(read(buffer::SUMS, steps * tallied.sums()));
                let kept = read(buffer::KEPT, self.answers.values.len());
                let all = report(&counts, &sums, kept, member);
                expect(&all, SINGLE, &backend.device());
            }
        }
    }
}

#[derive(Deserialize)]
struct Scores {
    classes: Vec<Classes>,
    values: Vec<Values>,
    several: Vec<Several>,
    quantiles: Vec<Quantiles>,
}

#[derive(Deserialize)]
struct Classes {
    columns: usize,
    answers: Vec<f32>,
    targets: Vec<f32>,
    /// ROC AUC, average precision, log-loss, calibration error.
    expected: Vec<Option<f64>>,
    /// Top-k accuracy for k from 1 to the number of classes.
    top: Vec<f64>,
}

#[derive(Deserialize)]
struct Values {
    answers: Vec<f32>,
    targets: Vec<f32>,
    expected: Vec<f64>,
}

#[derive(Deserialize)]
struct Several {
    columns: usize,
    answers: Vec<f32>,
    targets: Vec<f32>,
    expected: Vec<f64>,
}

#[derive(Deserialize)]
struct Quantiles {
    levels: Levels,
    answers: Vec<f32>,
    targets: Vec<f32>,
    pinball: Vec<f64>,
    coverage: Vec<f64>,
}

fn scores() -> Scores {
    serde_json::from_str(include_str!("../data/scores.json")).expect("it is valid")
}

fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

#[test]
fn metrics_of_probabilities_are_those_of_scikit_learn() {
    for case in scores().classes {
        let answer = match case.columns {
            2 => Answer::Pair,
            _ => Answer::Softmax,
        };
        let columns = case.columns;
        let expected = [case.expected, some(&case.top)].concat();
        let case = Case::new(answer, columns, case.answers, case.targets);
        let told = |report: &Report| {
            let ranks = report.ranks().expect("they are classes");
            let mut told = vec![
                ranks.roc_auc,
                ranks.average_precision,
                ranks.log_loss,
                ranks.calibration_error,
            ];
            told.extend((1..=columns).map(|k| report.tally().top_accuracy(k)));
            told
        };
        case.hold(told, &expected);
    }
}

#[test]
fn metrics_of_confusions_are_those_of_scikit_learn() {
    #[derive(Deserialize)]
    struct Confused {
        confusion: Vec<Vec<u64>>,
        expected: Vec<f64>,
    }
    let text = include_str!("../data/metrics.json");
    let cases: Vec<Confused> = serde_json::from_str(text).expect("it is valid");
    for case in cases {
        let classes = case.confusion.len();
        let (mut answers, mut targets) = (Vec::new(), Vec::new());
        for (class, row) in case.confusion.iter().enumerate() {
            for (called, &count) in row.iter().enumerate() {
                for _ in 0..count {
                    answers.extend((0..classes).map(|c| f32::from(u8::from(c == called))));
                    targets.push(class as f32);
                }
            }
        }
        let of_rows = Case::new(Answer::Softmax, classes, answers, targets);
        let told = |report: &Report| {
            assert_eq!(report.tally().confusion(), case.confusion);
            let found = report.tally().averages();
            let means = [found.plain, found.weighted];
            let means = means.map(|mean| [mean.precision, mean.recall, mean.f1]);
            some(
                &[
                    &[found.balanced_accuracy, found.matthews][..],
                    &means.concat(),
                ]
                .concat(),
            )
        };
        of_rows.hold(told, &some(&case.expected));
    }
}

#[test]
fn metrics_of_labels_are_those_of_scikit_learn() {
    #[derive(Deserialize)]
    struct Labels {
        columns: usize,
        answers: Vec<f32>,
        targets: Vec<f32>,
        /// Hamming loss; precision, recall and F1 as macro, micro and weighted averages; log-loss.
        expected: Vec<f64>,
        /// ROC AUC and average precision.
        ranks: Vec<Option<f64>>,
    }
    let text = include_str!("../data/labels.json");
    let cases: Vec<Labels> = serde_json::from_str(text).expect("it is valid");
    for case in cases {
        let right = case
            .answers
            .chunks(case.columns)
            .zip(case.targets.chunks(case.columns));
        let rows = right.clone().count() as f64;
        let right = right.filter(|(answers, targets)| {
            let mut pairs = answers.iter().zip(*targets);
            pairs.all(|(&answer, &target)| (answer > 0.5) == (target > 0.5))
        });
        let accuracy = right.count() as f64 / rows;
        let expected = [some(&case.expected), case.ranks, vec![Some(accuracy)]].concat();
        let case = Case::new(Answer::Labels, case.columns, case.answers, case.targets);
        let told = |report: &Report| {
            let (found, _) = report.labels().expect("they are labels");
            let means = [found.plain, found.micro, found.weighted];
            let means = means.map(|mean| [mean.precision, mean.recall, mean.f1]);
            let mut told = some(&[&[found.hamming_loss][..], &means.concat()].concat());
            let accuracy = report.tally().accuracy();
            told.push(found.log_loss);
            told.extend([found.roc_auc, found.average_precision, Some(accuracy)]);
            told
        };
        case.hold(told, &expected);
    }
}

#[test]
fn metrics_of_values_are_those_of_scikit_learn() {
    let answer = Answer::Values { logarithm: false };
    for case in scores().values {
        let expected = some(&case.expected);
        let case = Case::new(answer, 1, case.answers, case.targets);
        let told = |report: &Report| {
            let values = report.values();
            let errors = values[0].errors;
            some(&[
                errors.mape,
                errors.explained_variance,
                errors.median_absolute_error,
                errors.max_error,
                values[0].rmse,
                values[0].mae,
                values[0].r2,
            ])
        };
        case.hold(told, &expected);
    }
    for case in scores().several {
        let mut expected = some(&case.expected);
        // Without the median, which is of no sum.
        expected.remove(2);
        let case = Case::new(answer, case.columns, case.answers, case.targets);
        let told = |report: &Report| {
            let all = report.values();
            let mean = |of: fn(&gpu_mlp::predictor::ValueScores) -> f64| {
                Some(all.iter().map(of).sum::<f64>() / all.len() as f64)
            };
            let tally = report.tally();
            vec![
                tally.mape(),
                tally.explained_variance(),
                mean(|scores| scores.rmse),
                mean(|scores| scores.mae),
                tally.r2(),
            ]
        };
        case.hold(told, &expected);
    }
}

#[test]
fn metrics_of_quantiles_are_those_of_scikit_learn() {
    for case in scores().quantiles {
        let levels = case.levels;
        let answer = Answer::Quantiles {
            levels,
            logarithm: false,
        };
        let count = levels.values().len();
        let inside = case.targets.iter().zip(case.answers.chunks(count));
        let inside =
            inside.filter(|(target, all)| all[0] <= **target && **target <= all[count - 1]);
        let interval = inside.count() as f64 / case.targets.len() as f64;
        let mut expected = some(&[case.pinball, case.coverage].concat());
        expected.push(Some(interval).filter(|_| count > 1));
        let case = Case::new(answer, count, case.answers, case.targets);
        let told = |report: &Report| {
            let found = report.quantiles();
            let losses = found.iter().map(|of| Some(of.pinball));
            let coverages = found.iter().map(|of| Some(of.coverage));
            losses.chain(coverages).chain([report.interval()]).collect()
        };
        case.hold(told, &expected);
    }
}

#[test]
fn sums_of_a_million_and_a_bit_do_not_cancel() {
    // A deviation of a millionth of the mean, in steps of their own mean.
    let targets: Vec<f32> = (0..64_u8).map(|row| 1e6 + f32::from(row % 8)).collect();
    let answers: Vec<f32> = (0..64_u8)
        .map(|row| 1e6 + f32::from(row % 8) + 0.5)
        .collect();
    let case = Case::new(Answer::Values { logarithm: false }, 1, answers, targets);
    // Var(y) is 5.25.
    let expected = some(&[1.0 - 0.25 / 5.25, 1.0]);
    let told = |report: &Report| vec![report.tally().r2(), report.tally().explained_variance()];
    case.hold(told, &expected);
}
