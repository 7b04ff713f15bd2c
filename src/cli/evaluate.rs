use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::data::stream;
use gpu_mlp::predictor::{
    Averages, CHUNK, ClassScores, ErrorScores, LabelAverages, LabelScores, Metrics, Model,
    QuantileScores, RankScores, Report, ValueScores,
};
use serde::Serialize;

use super::device::{DeviceChoice, open};
use super::error::bad_input;
use super::output;

/// Tell how well a model does on rows with targets
#[derive(Args)]
#[command(after_help = "Examples:
  gpu-mlp evaluate model.safetensors test.csv
  gpu-mlp evaluate model.safetensors fashion-mnist/ --json")]
pub(super) struct Options {
    /// The model file
    model: PathBuf,
    /// Rows with their targets, in any form that train takes; a folder with a test set of its own is tested on that
    data: String,
    /// auto, cpu, gpu, gpu:N, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Tell the share of the rows whose class is among the K most probable, for each K [default: 5 for more than five classes]
    #[arg(long, value_name = "K", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    top_k: Vec<u32>,
    /// Print one JSON object: rows, loss, accuracy, balanced-accuracy, matthews, macro and weighted (precision, recall, f1),
    /// roc-auc, average-precision, log-loss, calibration-error (null where there is none), top-5-accuracy and so on, confusion
    /// (true by predicted) and classes; of labels hamming-loss, micro and targets (each one's scores) too; or rmse, mae, r2, mape, explained-variance, median-absolute-error, max-error, of several
    /// values the means with targets (each one's), and nll of the loss gaussian; or of the loss quantile pinball, mae of the median, quantiles (quantile, pinball, coverage), and coverage
    /// between the least and the largest
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    rows: u64,
    #[serde(flatten)]
    metrics: Metrics,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    averages: Option<Averages>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    ranks: Option<RankScores>,
    #[serde(flatten)]
    top: BTreeMap<String, f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    of_labels: Option<LabelAverages>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    errors: Option<ErrorScores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nll: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quantiles: Vec<QuantileScores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<OfTarget>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    confusion: Vec<Vec<u64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<ClassScores>,
}

/// One of several targets.
#[derive(Serialize)]
struct OfTarget {
    target: String,
    #[serde(flatten)]
    scores: Scores,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Scores {
    Value(ValueScores),
    Label(LabelScores),
}

impl Summary {
    fn new(model: &Model, report: &Report, top_k: &[u32]) -> Self {
        let classes = report.classes(model.classes());
        let top = top_k.iter().filter_map(|&k| {
            let accuracy = report.tally().top_accuracy(k as usize)?;
            Some((format!("top-{k}-accuracy"), accuracy))
        });
        let (of_labels, each) = report.labels().unzip();
        let labels = each.into_iter().flatten().map(Scores::Label);
        let values = report.values().into_iter().map(Scores::Value);
        let targets = model.targets().into_iter().zip(values.chain(labels));
        let targets = targets.map(|(target, scores)| OfTarget { target, scores });
        Summary {
            rows: report.rows(),
            metrics: report.metrics(),
            averages: (!classes.is_empty()).then(|| report.tally().averages()),
            ranks: report.ranks(),
            top: top.collect(),
            of_labels,
            errors: report.errors(),
            nll: report.negative_log_likelihood(),
            quantiles: report.quantiles(),
            coverage: report.interval(),
            targets: if model.targets().len() > 1 {
                targets.collect()
            } else {
                Vec::new()
            },
            labels: model.classes().to_vec(),
            confusion: report.tally().confusion(),
            classes,
        }
    }

    /// All single figures, a line each.
    fn figures(&self) -> String {
        let mut rows = vec![vec!["rows".to_owned(), self.rows.to_string()]];
        let metrics = output::metrics(&self.metrics).into_iter();
        rows.extend(metrics.map(|(name, value)| vec![name.to_owned(), value]));
        let mut shares: Vec<(&str, Option<f64>)> = Vec::new();
        if let Some(averages) = &self.averages {
            shares.extend([
                ("balanced accuracy", Some(averages.balanced_accuracy)),
                ("macro F1", Some(averages.plain.f1)),
                ("Matthews", Some(averages.matthews)),
            ]);
        }
        if let Some(labels) = &self.of_labels {
            shares.extend([
                ("Hamming loss", Some(labels.hamming_loss)),
                ("macro F1", Some(labels.plain.f1)),
                ("micro F1", Some(labels.micro.f1)),
                ("weighted F1", Some(labels.weighted.f1)),
                ("ROC AUC", labels.roc_auc),
                ("average precision", labels.average_precision),
                ("log-loss", labels.log_loss),
            ]);
        }
        if let Some(ranks) = &self.ranks {
            shares.extend([
                ("ROC AUC", ranks.roc_auc),
                ("average precision", ranks.average_precision),
                ("log-loss", ranks.log_loss),
                ("calibration error", ranks.calibration_error),
            ]);
        }
        let of = |name: &str, value: f64| vec![name.to_owned(), format!("{value:.4}")];
        let known = shares.into_iter();
        rows.extend(known.filter_map(|(name, value)| value.map(|value| of(name, value))));
        let top = self.top.iter();
        rows.extend(top.map(|(name, &value)| of(&name.replace("-accuracy", " accuracy"), value)));
        if let Some(errors) = &self.errors {
            for (name, value) in [
                ("median error", errors.median_absolute_error),
                ("largest error", errors.max_error),
            ] {
                rows.push(vec![name.to_owned(), output::significant(value)]);
            }
            rows.push(of("MAPE", errors.mape));
            rows.push(of("explained variance", errors.explained_variance));
        }
        rows.extend(self.nll.map(|nll| of("negative log-likelihood", nll)));
        rows.extend(self.coverage.map(|share| of("coverage", share)));
        output::table(&rows)
    }

    fn quantiles(&self) -> String {
        let header = ["quantile", "pinball", "coverage"].map(str::to_owned);
        let of = |scores: &QuantileScores| {
            vec![
                scores.quantile.to_string(),
                output::significant(scores.pinball),
                format!("{:.4}", scores.coverage),
            ]
        };
        let lines = self.quantiles.iter().map(of);
        output::table(
            &[header.to_vec()]
                .into_iter()
                .chain(lines)
                .collect::<Vec<_>>(),
        )
    }

    fn targets(&self) -> String {
        let row = |of: &OfTarget| match &of.scores {
            Scores::Value(scores) => output::value_row(&of.target, scores),
            Scores::Label(scores) => {
                let shares = [
                    scores.of_label.precision,
                    scores.of_label.recall,
                    scores.of_label.f1,
                ];
                let shares = shares.map(|share| format!("{share:.4}"));
                let rank =
                    |rank: Option<f64>| rank.map_or_else(String::new, |rank| format!("{rank:.4}"));
                let ranks = [rank(scores.roc_auc), rank(scores.average_precision)];
                let name = [of.target.clone()];
                [&name[..], &shares, &ranks, &[scores.support.to_string()]].concat()
            }
        };
        let header = match self.of_labels {
            None => output::value_header("target"),
            Some(_) => [
                "label",
                "precision",
                "recall",
                "F1",
                "ROC AUC",
                "AP",
                "rows",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        let lines = self.targets.iter().map(row);
        output::table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
    }

    fn confusion(&self) -> String {
        let header = ["true \\ predicted".to_owned()];
        let header = header.iter().chain(&self.labels).cloned().collect();
        let counts = self.confusion.iter().zip(&self.labels);
        let counts = counts.map(|(row, label)| {
            let row = row.iter().map(ToString::to_string);
            [label.clone()].into_iter().chain(row).collect()
        });
        output::table(&[header].into_iter().chain(counts).collect::<Vec<_>>())
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let model = Model::load(&options.model)?;
    let top_k = match (&options.top_k[..], model.classes()) {
        ([_, ..], []) => {
            return Err(bad_input(
                "--top-k needs a model of classes, of which each row is one; this one has none",
            ));
        }
        ([], classes) if classes.len() > 5 => &[5][..],
        (given, _) => given,
    };
    let mut backend = open(&options.device)?;
    let mut predictor = model.on(&mut *backend)?;
    let mut report = Report::of(&model);
    let description = &model.description;
    for table in stream(
        &options.data,
        &description.preprocessing,
        Some(&description.target),
        CHUNK,
    )? {
        predictor.evaluate(&table?, &mut report)?;
    }
    let summary = Summary::new(&model, &report, top_k);
    if options.json {
        output::json(&summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = summary.figures();
    for (there, table) in [
        (
            !summary.quantiles.is_empty(),
            Summary::quantiles as fn(&Summary) -> String,
        ),
        (!summary.targets.is_empty(), Summary::targets),
        (!summary.classes.is_empty(), Summary::confusion),
        (!summary.classes.is_empty(), |summary| {
            output::classes(&summary.classes)
        }),
    ] {
        if there {
            text += &format!("\n{}", table(&summary));
        }
    }
    output::text(&text)?;
    Ok(ExitCode::SUCCESS)
}
