use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::backend::gpu::wgsl;
use gpu_mlp::data::Numeric;
use gpu_mlp::model::Network;
use gpu_mlp::program::{Augmentation, Capacity, Loss, LossWeights, Op, Optimizer, Program};
use gpu_mlp::train::{BatchSize, Config, Plan};

use super::error::bad_input;
use super::output;

/// Show the program of a training step: an op a line, with shapes, FLOPs and bytes
#[derive(Args)]
#[command(after_help = "Examples:
  gpu-mlp plan
  gpu-mlp plan --inputs 784 --hidden 128 --outputs 10 --batch-size 128
  gpu-mlp plan data.csv --hidden 512,512 --batch-size 256 --unfused
  gpu-mlp plan data.csv --emit-wgsl kernels/")]
pub(super) struct Options {
    /// The data that would be trained on [default: digits]
    #[arg(conflicts_with_all = ["inputs", "outputs"])]
    data: Option<String>,
    /// Inputs of the network, in place of data
    #[arg(long, requires = "outputs", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    inputs: Option<u32>,
    /// Outputs of the network, in place of data: classes, or 1 for a value
    #[arg(long, requires = "inputs", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    outputs: Option<u32>,
    #[command(flatten)]
    config: Config,
    /// Networks that are trained at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    members: u32,
    /// Show the ops before they are joined
    #[arg(long)]
    unfused: bool,
    /// Write the program's kernels into a folder as they are handed to the GPU, a file each
    #[arg(long, value_name = "FOLDER")]
    emit_wgsl: Option<PathBuf>,
    /// Print one JSON object: ops (name, formula, flops, bytes), members, batch
    #[arg(long)]
    json: bool,
}

/// A network, how it is trained, and how much of it there is. L-BFGS has gradients of the device alone.
type Step = (Network, Loss, Option<Optimizer>, Augmentation, Capacity);

/// The step that training on the data would make.
fn data(options: &Options) -> Result<Step> {
    let data = options.data.as_deref().unwrap_or("digits");
    let plan = Plan::open(data, &options.config, None)?;
    let [rows, ..] = plan.counts();
    let training = plan.options();
    let batch = training.batch_size.unwrap_or(rows);
    let capacity = Capacity {
        members: options.members as usize * plan.config.members(),
        batch,
        rows: plan.dataset(),
        order: rows,
        records: rows.div_ceil(batch),
    };
    Ok((
        plan.network.clone(),
        training.loss,
        training.lbfgs.is_none().then_some(training.optimizer),
        training.augmentation,
        capacity,
    ))
}

/// The step of a network of this shape, on as many rows as it takes.
fn shape(options: &Options, inputs: usize, outputs: usize) -> Result<Step> {
    let config = &options.config.with_recipe();
    let function = config.loss_function(if outputs == 1 { 0 } else { outputs });
    let loss = Loss {
        weights: if config.pos_weight.is_some() {
            LossWeights::Outputs
        } else if config.class_weight.is_some() || config.sample_weight.is_some() {
            LossWeights::Rows
        } else {
            LossWeights::None
        },
        ..Loss::new(
            function.map_err(bad_input)?,
            config.reduction.unwrap_or_default(),
        )
    };
    let encoded = config.encoding().map_err(bad_input)?;
    if encoded.numeric == Numeric::Piecewise {
        return Err(bad_input(
            "--numeric piecewise has bins of data; name the data in place of --inputs",
        ));
    }
    let embeddings = config.embeddings(inputs, Vec::new()).map_err(bad_input)?;
    let units = outputs * loss.function.width();
    let network = config
        .network(inputs, embeddings, units)
        .map_err(bad_input)?;
    let batch = match config.batch_size {
        Some(BatchSize::Rows(rows)) => rows,
        _ => 32,
    };
    let capacity = Capacity {
        members: options.members as usize * config.members(),
        batch,
        rows: batch,
        order: batch,
        records: 1,
    };
    let lbfgs = config.chosen_lbfgs().map_err(bad_input)?;
    let (optimizer, _) = config.chosen_optimizer(false).map_err(bad_input)?;
    let optimizer = lbfgs.is_none().then_some(optimizer);
    let augmentation = config.augmentation(None).map_err(bad_input)?;
    Ok((network, loss, optimizer, augmentation, capacity))
}

fn emit(program: &Program, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in wgsl(program) {
        fs::write(folder.join(format!("{name}.wgsl")), text)?;
    }
    Ok(())
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let (network, loss, optimizer, augmentation, capacity) = match (options.inputs, options.outputs)
    {
        (Some(inputs), Some(outputs)) => shape(options, inputs as usize, outputs as usize)?,
        _ => data(options)?,
    };
    // Rows, members and parameters are each within bounds; what they make together has to be counted in 64 bits.
    let size = network.parameter_count() as f64 * capacity.batch as f64 * capacity.members as f64;
    if size > 1e17 {
        return Err(bad_input(
            "--batch-size: a step of this many rows, members and units is beyond all counting; make it smaller",
        ));
    }
    let program = match &optimizer {
        Some(optimizer) => Program::training(&network, &loss, optimizer, capacity),
        None => Program::gradients(&network, &loss, capacity),
    };
    let precision = options.config.precision.unwrap_or_default();
    let program = program.augmented(&augmentation);
    let program = program.with_precision(precision);
    let program = if options.unfused {
        program
    } else {
        program.fused()
    };
    if let Some(folder) = &options.emit_wgsl {
        emit(&program, folder)
            .map_err(|error| bad_input(format!("--emit-wgsl {}: {error}", folder.display())))?;
    }
    if options.json {
        let op = |op: &Op| {
            serde_json::json!({
                "op": op.name(),
                "formula": program.formula(op),
                "flops": program.members * op.flops(&program),
                "bytes": program.members * op.bytes(&program),
            })
        };
        output::json(&serde_json::json!({
            "members": program.members,
            "batch": program.batch,
            "ops": program.ops.iter().map(op).collect::<Vec<_>>(),
        }))?;
    } else {
        output::text(&format!("{program}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
