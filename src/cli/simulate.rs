use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use gpu_mlp::elastic::policy::PolicyName;
use gpu_mlp::elastic::simulate::{Outcome, Scheduling, Setup, bottleneck, plot, simulate};
use gpu_mlp::model::WholeFile;

use super::error::bad_input;

/// Simulate training on many workers: how policies fare with slow and failing ones
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Numbers of workers, up to 10,000
    #[arg(long, value_delimiter = ',', default_value = "4,16,64,256,1024", value_name = "COUNTS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    workers: Vec<u32>,
    /// Policies, all by default
    #[arg(long, value_enum, value_delimiter = ',', value_name = "POLICIES")]
    policy: Vec<PolicyName>,
    /// Who decides, both by default
    #[arg(long, value_enum, value_delimiter = ',')]
    scheduling: Vec<Scheduling>,
    #[command(flatten)]
    setup: Setup,
    /// An SVG file to draw goodput and lost work into
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  gpu-mlp simulate
  gpu-mlp simulate --workers 64,1024,10000 --policy throughput --plot fleet.svg
  gpu-mlp simulate --workers 8 --mtbf 60 --repair 10 --steps 500

docs/elasticity.md has what is simulated, with formulas.";

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let or_all = |given: &[PolicyName]| match given {
        [] => PolicyName::ALL.to_vec(),
        some => some.to_vec(),
    };
    let schedulings = match &options.scheduling[..] {
        [] => Scheduling::ALL.to_vec(),
        some => some.to_vec(),
    };
    // Whether it can be written is known before the work.
    let plotted = options.plot.as_deref().map(|path| {
        let name = format!("--plot {}", path.display());
        let file = WholeFile::create(path).context(name.clone())?;
        Ok::<_, anyhow::Error>((file, name))
    });
    let plotted = plotted.transpose()?;
    let mut outcomes = Vec::new();
    for &workers in &options.workers {
        for &scheduling in &schedulings {
            for policy in or_all(&options.policy) {
                let outcome = simulate(&options.setup, workers as usize, scheduling, policy);
                outcomes.push(outcome.ok_or_else(|| {
                    bad_input("the run does not end: no worker is left; give a larger --mtbf")
                })?);
            }
        }
    }
    if let Some((mut file, name)) = plotted {
        let written = file.write_all(plot(&outcomes).as_bytes());
        written.and_then(|()| file.finish()).context(name)?;
    }
    let mut out = std::io::stdout().lock();
    if options.json {
        let object = serde_json::json!({
            "setup": options.setup,
            "runs": outcomes,
            "bottleneck": bottleneck(&outcomes).map(|outcome| outcome.workers),
        });
        writeln!(out, "{object}")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "workers   used  scheduling   policy               steps/s  goodput     lost     busy  failures  messages/step"
    )?;
    for outcome in &outcomes {
        let Outcome {
            workers,
            used,
            scheduling,
            policy,
            ..
        } = outcome;
        writeln!(
            out,
            "{workers:>7}  {used:>5}  {scheduling:<11}  {policy:<19}  {:>7.3}  {:>5.1} %  {:>5.1} %  {:>5.1} %  {:>8}  {:>13.0}",
            outcome.steps_per_second,
            100.0 * outcome.goodput,
            100.0 * outcome.lost,
            100.0 * outcome.busy,
            outcome.failures,
            outcome.messages_per_step,
        )?;
    }
    if schedulings.contains(&Scheduling::Central) {
        match bottleneck(&outcomes) {
            Some(outcome) => writeln!(
                out,
                "\nThe coordinator is the bottleneck from {} workers on: it is busy for {:.0} % of the time.",
                outcome.workers,
                100.0 * outcome.busy
            )?,
            None => writeln!(out, "\nThe coordinator is no bottleneck at these sizes.")?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
