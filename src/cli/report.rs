use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use gpu_mlp::elastic::PoolReport;
use gpu_mlp::predictor::{Metrics, most_probable};
use gpu_mlp::train::{End, Fitted, HeldOut, OfTarget, Outcome, RangeTest};
use serde::Serialize;

use super::output::{self, Sink, flattened};

/// What `train --json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    device: String,
    steps: u64,
    epochs: usize,
    seconds: f64,
    steps_per_second: f64,
    samples_per_second: f64,
    train: Option<Metrics>,
    validation: Option<Metrics>,
    test: Option<Metrics>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    folds: &'a [HeldOut],
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deviation: Option<Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_fold: Option<Metrics>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    targets: &'a [OfTarget],
    history: &'a serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<PoolReport>,
    model: String,
    end: &'static str,
}

/// Why a run ended, in a word.
pub(super) fn end(end: End) -> &'static str {
    match end {
        End::Done => "done",
        End::Converged => "converged",
        End::Patience => "patience",
        End::Stopped => "stopped",
    }
}

/// Samples that all networks were trained on, by the seconds that it took.
pub(super) fn samples_per_second(outcome: &Outcome) -> f64 {
    let (_, samples, time) = outcome.measured;
    rate(outcome.members.len() as u64 * samples, time)
}

fn rate(count: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

/// What each worker did, a line each.
pub(super) fn workers(pool: &PoolReport) -> Vec<String> {
    let mut lines = vec![format!(
        "{} of {} workers, {} shards a batch, {} by {}: {} stolen, {} repeated, {} verified",
        pool.used,
        pool.workers.len(),
        pool.shards,
        pool.scheduling,
        pool.policy,
        pool.stolen,
        pool.repeated,
        pool.verified,
    )];
    for worker in &pool.workers {
        let lost = match worker.losses {
            0 => String::new(),
            losses => format!(", lost {losses} times"),
        };
        let there = match &worker.put_out {
            Some(why) => format!(", put out: {why}"),
            None if worker.live => String::new(),
            None => ", not there".to_owned(),
        };
        lines.push(format!(
            "worker {} ({}): {} shards, {:.0} rows/s, {:.0} % waiting{lost}{there}",
            worker.worker,
            worker.device,
            worker.shards,
            worker.rows_per_second.unwrap_or(0.0),
            100.0 * worker.waiting,
        ));
    }
    lines
}

/// Tells how a training run went.
pub(super) fn report(
    fitted: &Fitted,
    device: &str,
    out: &Path,
    json: bool,
    pool: Option<PoolReport>,
) -> Result<()> {
    let outcome = &fitted.outcome;
    let (steps, _, time) = outcome.measured;
    let seconds = time.as_secs_f64();
    let members = outcome.members.len();
    let samples = samples_per_second(outcome);
    let [train, validation, test] = fitted.metrics;
    let of_folds: Vec<Metrics> = fitted.folds.iter().map(|fold| fold.metrics).collect();
    let (average, spread) = (
        Metrics::combine(&of_folds, mean),
        Metrics::combine(&of_folds, deviation),
    );
    let epochs = outcome.epochs();
    if json {
        return output::json(&Summary {
            device: device.to_owned(),
            steps: outcome.steps,
            epochs,
            seconds,
            steps_per_second: rate(steps, time),
            samples_per_second: samples,
            train,
            validation,
            test,
            folds: &fitted.folds,
            mean: average,
            deviation: spread,
            out_of_fold: fitted.out_of_fold,
            targets: &fitted.targets,
            history: &fitted.model.description.history,
            pool,
            model: out.display().to_string(),
            end: end(outcome.end),
        });
    }
    if let Some(pool) = pool {
        for line in workers(&pool) {
            log::info!("{line}");
        }
    }
    let folds = (1..).zip(&of_folds);
    let folds =
        folds.map(|(number, metrics): (usize, _)| (format!("fold {number}"), Some(*metrics)));
    let named = |name: &str, metrics| (name.to_owned(), metrics);
    let lines = folds.chain([
        named("mean", average),
        named("deviation", spread),
        named("out of fold", fitted.out_of_fold),
        named("train", train),
        named("validation", validation),
        named("test", test),
    ]);
    let mut rows = Vec::new();
    for (name, metrics) in lines {
        let Some(metrics) = metrics else { continue };
        let cells = output::metrics(&metrics);
        if rows.is_empty() {
            let header = cells.iter().map(|(name, _)| (*name).to_owned());
            rows.push([String::new()].into_iter().chain(header).collect());
        }
        rows.push(
            [name]
                .into_iter()
                .chain(cells.into_iter().map(|(_, value)| value))
                .collect(),
        );
    }
    let why = match outcome.end {
        End::Done => "",
        End::Converged => ", as it has converged",
        End::Patience => ", as it got no better",
        End::Stopped => ", as it was stopped",
    };
    let networks = if members > 1 {
        format!("{members} networks, ")
    } else {
        String::new()
    };
    let mut table = output::table(&rows);
    if !fitted.targets.is_empty() {
        table += &format!("\n{}", by_target(&fitted.targets));
    }
    output::text(&format!(
        "{table}\n{networks}{epochs} epochs, {} steps in {seconds:.2} s{why}: {:.0} samples/s on {device}\nmodel: {}\n",
        outcome.steps,
        samples,
        out.display()
    ))
}

/// Each of several targets on the rows that tell the most of it.
fn by_target(targets: &[OfTarget]) -> String {
    let mut rows = vec![output::value_header("target")];
    for of in targets {
        let known = [
            ("out of fold", of.out_of_fold),
            ("train", of.train),
            ("validation", of.validation),
            ("test", of.test),
        ];
        for (part, scores) in known {
            let name = format!("{}, {part}", of.target);
            rows.extend(scores.map(|scores| output::value_row(&name, &scores)));
        }
    }
    output::table(&rows)
}

/// Lines of the curve that [`find_lr`] draws, and the width of the longest.
const CURVE_LINES: usize = 24;
const CURVE_WIDTH: f64 = 50.0;

/// Tells what the loss did while the learning rate rose.
pub(super) fn find_lr(test: &RangeTest, json: bool) -> Result<()> {
    if json {
        return output::json(test);
    }
    let bounds = |pick: fn(f64, f64) -> f64, from| test.losses.iter().copied().fold(from, pick);
    let (lowest, highest) = (
        bounds(f64::min, f64::INFINITY),
        bounds(f64::max, f64::NEG_INFINITY),
    );
    let every = test.losses.len().div_ceil(CURVE_LINES).max(1);
    let mut lines = vec![["rate", "loss", ""].map(str::to_owned).to_vec()];
    for (rate, loss) in test.rates.iter().zip(&test.losses).step_by(every) {
        let share = (loss - lowest) / (highest - lowest).max(f64::MIN_POSITIVE);
        lines.push(vec![
            format!("{rate:.2e}"),
            output::significant(*loss),
            // To the left, where a table has its numbers to the right.
            format!(
                "{:<1$}",
                "▇".repeat(1 + (share * CURVE_WIDTH) as usize),
                CURVE_WIDTH as usize + 1
            ),
        ]);
    }
    let suggestion = match test.suggestion {
        Some(rate) => format!("the loss falls the fastest at --lr {rate:.2e}"),
        None => "the loss does not fall: there is no rate to suggest".to_owned(),
    };
    output::text(&format!("{}\n{suggestion}\n", output::table(&lines)))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of the values themselves, divided by their number, as `NumPy` has it.
fn deviation(values: &[f64]) -> f64 {
    let mean_of = mean(values);
    let squares: Vec<f64> = values
        .iter()
        .map(|value| (value - mean_of).powi(2))
        .collect();
    mean(&squares).sqrt()
}

/// Writes what each row's fold answers, in the rows' order: row (from 1), fold, prediction, and each class's probability.
pub(super) fn out_of_fold(fitted: &Fitted, path: &Path) -> Result<()> {
    let classes = fitted.model.classes();
    let mut lines = Vec::new();
    for (number, fold) in fitted.folds.iter().enumerate() {
        let answers = (0..)
            .zip(&fold.rows)
            .map(|(at, &row)| (row, number + 1, fold.answers.row(at)));
        lines.extend(answers);
    }
    lines.sort_unstable_by_key(|&(row, ..)| row);
    let mut sink = Sink::open(Some(path))?;
    let name = sink.name.clone();
    let mut csv = csv::Writer::from_writer(&mut sink);
    let columns = fitted.model.columns();
    let prediction = ["prediction".to_owned()];
    let answers = match (classes, &columns[..]) {
        ([], [_]) => prediction.to_vec(),
        ([], _) => columns,
        _ => [&prediction[..], &columns].concat(),
    };
    let header = ["row", "fold"].map(str::to_owned).into_iter();
    let header = header.chain(answers);
    csv.write_record(header)
        .map_err(flattened)
        .context(name.clone())?;
    for (row, fold, answer) in lines {
        let mut cells = vec![(row + 1).to_string(), fold.to_string()];
        if !classes.is_empty() {
            cells.push(classes[most_probable(answer)].clone());
        }
        cells.extend(answer.iter().map(ToString::to_string));
        csv.write_record(cells)
            .map_err(flattened)
            .context(name.clone())?;
    }
    csv.flush().context(name)?;
    drop(csv);
    sink.finish()
}

#[cfg(test)]
mod tests {
    use super::deviation;

    #[test]
    fn the_deviation_is_numpys() {
        // numpy.std([1, 2, 4, 7])
        assert!((deviation(&[1.0, 2.0, 4.0, 7.0]) - 2.291_287_847_477_92).abs() < 1e-14);
    }
}
