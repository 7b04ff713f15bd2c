use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::data::stream;
use gpu_mlp::predictor::{
    Averages, CHUNK, ClassScores, ErrorScores, Metrics, Model, QuantileScores, RankScores, Report,
};
use serde::Serialize;

use super::device::{DeviceChoice, open};
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
    /// Print one JSON object: rows, loss, accuracy, balanced-accuracy, matthews, macro and weighted (precision, recall, f1),
    /// roc-auc, average-precision, top-5-accuracy, log-loss, calibration-error (null where there is none), confusion (true by
    /// predicted) and classes; or rmse, mae, r2, mape, explained-variance, median-absolute-error, max-error, and nll of the
    /// loss gaussian; or of the loss quantile pinball, mae of the median, quantiles (quantile, pinball, coverage), and coverage
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
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    errors: Option<ErrorScores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nll: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quantiles: Vec<QuantileScores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    confusion: Vec<Vec<u64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<ClassScores>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let model = Model::load(&options.model)?;
    let mut backend = open(&options.device)?;
    let mut predictor = model.on(&mut *backend)?;
    let mut report = Report::default();
    let description = &model.description;
    for table in stream(
        &options.data,
        &description.preprocessing,
        Some(&description.target),
        CHUNK,
    )? {
        predictor.evaluate(&table?, &mut report)?;
    }
    let classes = report.classes(model.labels());
    let averages = (!classes.is_empty()).then(|| Averages::new(report.confusion()));
    let (ranks, errors) = (report.ranks(), report.errors());
    let (quantiles, coverage) = (report.quantiles(), report.interval());
    let nll = report.negative_log_likelihood();
    if options.json {
        output::json(&Summary {
            rows: report.rows(),
            metrics: report.metrics(),
            averages,
            ranks,
            errors,
            nll,
            quantiles,
            coverage,
            labels: model.labels().to_vec(),
            confusion: report.confusion().to_vec(),
            classes,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![vec!["rows".to_owned(), report.rows().to_string()]];
    rows.extend(
        output::metrics(&report.metrics())
            .into_iter()
            .map(|(name, value)| vec![name.to_owned(), value]),
    );
    for (name, value) in averages.iter().flat_map(|averages| {
        [
            ("balanced accuracy", averages.balanced_accuracy),
            ("macro F1", averages.plain.f1),
            ("Matthews", averages.matthews),
        ]
    }) {
        rows.push(vec![name.to_owned(), format!("{value:.4}")]);
    }
    for (name, value) in ranks.iter().flat_map(|ranks| {
        [
            ("ROC AUC", ranks.roc_auc),
            ("average precision", ranks.average_precision),
            ("top-5 accuracy", ranks.top_5_accuracy),
            ("log-loss", ranks.log_loss),
            ("calibration error", ranks.calibration_error),
        ]
    }) {
        rows.extend(value.map(|value| vec![name.to_owned(), format!("{value:.4}")]));
    }
    if let Some(errors) = errors {
        let told = [
            (
                "median error",
                output::significant(errors.median_absolute_error),
            ),
            ("largest error", output::significant(errors.max_error)),
            ("MAPE", format!("{:.4}", errors.mape)),
            (
                "explained variance",
                format!("{:.4}", errors.explained_variance),
            ),
        ];
        rows.extend(told.map(|(name, value)| vec![name.to_owned(), value]));
    }
    rows.extend(nll.map(|nll| vec!["negative log-likelihood".to_owned(), format!("{nll:.4}")]));
    rows.extend(coverage.map(|share| vec!["coverage".to_owned(), format!("{share:.4}")]));
    let mut text = output::table(&rows);
    if !quantiles.is_empty() {
        let header = ["quantile", "pinball", "coverage"].map(str::to_owned);
        let of = |scores: &QuantileScores| {
            vec![
                scores.quantile.to_string(),
                output::significant(scores.pinball),
                format!("{:.4}", scores.coverage),
            ]
        };
        let lines = [header.to_vec()]
            .into_iter()
            .chain(quantiles.iter().map(of));
        text += &format!("\n{}", output::table(&lines.collect::<Vec<_>>()));
    }
    if !classes.is_empty() {
        let header = ["true \\ predicted".to_owned()]
            .into_iter()
            .chain(model.labels().iter().cloned())
            .collect();
        let counts = report.confusion().iter().zip(model.labels());
        let counts = counts.map(|(row, label)| {
            [label.clone()]
                .into_iter()
                .chain(row.iter().map(ToString::to_string))
                .collect()
        });
        text += &format!(
            "\n{}",
            output::table(&[header].into_iter().chain(counts).collect::<Vec<_>>())
        );
        text += &format!("\n{}", output::classes(&classes));
    }
    output::text(&text)?;
    Ok(ExitCode::SUCCESS)
}
