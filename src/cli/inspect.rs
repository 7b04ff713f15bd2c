use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::model::ParameterShape;
use gpu_mlp::predictor::Model;
use gpu_mlp::program::LossFunction;

use super::output;

/// Show what a model file holds
#[derive(Args)]
#[command(after_help = "Example:
  gpu-mlp inspect model.safetensors")]
pub(super) struct Options {
    /// The model file
    model: PathBuf,
    /// Print one JSON object: network, parameters, description
    #[arg(long)]
    json: bool,
}

/// Input columns that are listed; the rest are counted.
const LISTED: usize = 20;

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let model = Model::load(&options.model)?;
    if options.json {
        output::json(&serde_json::json!({
            "network": model.network,
            "parameters": model.network.parameter_count(),
            "members": model.members.len(),
            "description": model.description,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |cells: &[&dyn std::fmt::Display]| {
        cells.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let network = &model.network;
    let mut layers = vec![row(&[&"layer", &"shape", &"activation", &"parameters"])];
    let of_embeddings = network.embedding_parameters();
    let count = |module: &str| -> usize {
        let own = of_embeddings.iter();
        let own = own.filter(|parameter| parameter.name.starts_with(module));
        own.map(ParameterShape::len).sum()
    };
    if let Some(waves) = network.embeddings.periodic {
        let shape = format!("{} → {}", waves.numbers, waves.numbers * waves.width());
        let function = format!("{} waves", waves.frequencies);
        layers.push(row(&[&"periodic", &shape, &function, &count("periodic")]));
    }
    if let Some(lookup) = &network.embeddings.lookup {
        let columns = lookup.rows.len();
        let shape = format!("{columns} → {}", columns * lookup.width);
        let function = format!("{} rows", lookup.height());
        layers.push(row(&[&"embedding", &shape, &function, &count("embedding")]));
    }
    for (n, layer) in network.layers.iter().enumerate() {
        let shape = format!("{} → {}", network.fan_in(n), layer.units);
        let parameters = network.parameters_of(n).into_iter();
        let trained = parameters.filter(|parameter| parameter.role.is_trained());
        let mut activation = layer.activation.to_string();
        if network.normalizes(n) {
            activation = format!("{} norm, {activation}", network.normalization);
        }
        if network.adds(n) {
            activation += " + input";
        }
        layers.push(row(&[
            &format!("layers.{n}"),
            &shape,
            &activation,
            &trained.map(|parameter| parameter.len()).sum::<usize>(),
        ]));
    }
    let mut inputs = vec![row(&[&"input", &"width", &"encoding"])];
    let described = model.description.preprocessing.describe();
    for input in described.iter().take(LISTED) {
        inputs.push(row(&[&input.name, &input.inputs, &input.encoding]));
    }
    if described.len() > LISTED {
        inputs.push(row(&[&format!("… and {} more", described.len() - LISTED)]));
    }
    let ensemble = match model.members.len() {
        1 => String::new(),
        members => format!("{members} members, each a "),
    };
    let target = &model.description.target;
    let classes = target.classes();
    let value = match target.names().len() {
        1 => "a value".to_owned(),
        count => format!("{count} values"),
    };
    let answers = match model.description.loss.function {
        _ if !classes.is_empty() => format!("one of {}", classes.join(", ")),
        _ if !target.labels().is_empty() => "each of them there or not".to_owned(),
        LossFunction::Quantile { levels } => format!("the quantiles {levels} of {value}"),
        LossFunction::Gaussian => format!("mean and deviation of {value}"),
        _ => value,
    };
    let history = model
        .description
        .history
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let metric = |epoch: &serde_json::Value, part: &str| match &epoch[part]["loss"] {
        serde_json::Value::Number(loss) => format!("{:.4}", loss.as_f64().unwrap_or(f64::NAN)),
        _ => String::new(),
    };
    let mut epochs = vec![row(&[&"epoch", &"train loss", &"validation loss"])];
    let every = history.len().div_ceil(10).max(1);
    let shown = |index: usize| index.is_multiple_of(every) || index + 1 == history.len();
    for (_, epoch) in history
        .iter()
        .enumerate()
        .filter(|(index, _)| shown(*index))
    {
        epochs.push(row(&[
            &epoch["epoch"],
            &metric(epoch, "train"),
            &metric(epoch, "validation"),
        ]));
    }
    output::text(&format!(
        "{}network {} with {} parameters, trained for {} {}\nanswers {}: {answers}\n\n{}\n{}\n{}",
        ensemble,
        model.network,
        model.network.parameter_count(),
        model.description.loss.reduction,
        model.description.loss.function,
        target.names().join(", "),
        output::table(&layers),
        output::table(&inputs),
        output::table(&epochs),
    ))?;
    Ok(ExitCode::SUCCESS)
}
