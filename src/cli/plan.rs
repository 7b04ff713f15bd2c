use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::data::{ReadOptions, load};
use gpu_mlp::program::{Capacity, Op, Program};
use gpu_mlp::train::{Config, Plan};

use super::output;

/// Show the program of a training step: an op a line, with shapes, FLOPs and bytes
#[derive(Args)]
#[command(after_help = "Examples:
  gpu-mlp plan
  gpu-mlp plan data.csv --hidden 512,512 --batch-size 256 --unfused")]
pub(super) struct Options {
    /// The data that would be trained on
    #[arg(default_value = "digits")]
    data: String,
    #[command(flatten)]
    config: Config,
    /// Networks that are trained at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    members: u32,
    /// Show the ops before they are joined
    #[arg(long)]
    unfused: bool,
    /// Print one JSON object: ops (name, formula, flops, bytes), members, batch
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let read = ReadOptions {
        target: options.config.target.clone(),
    };
    let plan = Plan::new(&load(&options.data, &read)?, &options.config, None)?;
    let rows = plan.rows();
    let batch = plan.options().batch_size.unwrap_or(rows.train.len());
    let capacity = Capacity {
        members: options.members as usize,
        batch,
        rows: rows.inputs.rows,
        order: rows.train.len(),
        records: rows.train.len().div_ceil(batch),
    };
    let training = plan.options();
    let program = Program::training(&plan.network, &training.loss, &training.optimizer, capacity);
    let program = if options.unfused {
        program
    } else {
        program.fused()
    };
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
