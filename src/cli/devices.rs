use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, AdapterInfo, adapters};
use gpu_mlp::backend::{Backend, Check, check};

use super::output;
use super::progress::Progress;

/// List what there is to train on
#[derive(Args)]
#[command(after_help = "Example:
  gpu-mlp devices --check")]
pub(super) struct Options {
    /// Run every kernel on each adapter against its CPU twin; exits 1 if one is wrong
    #[arg(long)]
    check: bool,
    /// Print one JSON object: cpu, adapters (name, backend, kind, driver, half, limits, unusable, check)
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let cpu = CpuBackend::<f32>::new().device();
    let adapters = adapters();
    let mut checks: Vec<Option<Vec<Check>>> = Vec::new();
    for adapter in &adapters {
        if !options.check || adapter.unusable.is_some() {
            checks.push(None);
            continue;
        }
        if !options.json {
            output::tell(&format!("checking gpu:{} {}", adapter.index, adapter.name));
        }
        let mut progress = Progress::new("programs", options.json, 0);
        let mut told = |done: usize, count: usize| progress.at(done as u64, count as u64, || None);
        let found = check(&AdapterChoice::Index(adapter.index), &mut told)?;
        progress.done();
        checks.push(Some(found));
    }
    let right = checks.iter().flatten().flatten().all(Check::passed);
    let code = if right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    if options.json {
        let adapter = |(adapter, checks): (&AdapterInfo, &Option<Vec<Check>>)| {
            let checks = checks
                .as_ref()
                .map(|checks| checks.iter().map(described).collect::<Vec<_>>());
            serde_json::json!({
                "device": format!("gpu:{}", adapter.index),
                "name": adapter.name,
                "backend": adapter.backend,
                "kind": adapter.kind,
                "driver": adapter.driver,
                "half": adapter.half,
                "unusable": adapter.unusable,
                "check": checks,
                "limits": {
                    "binding_bytes": adapter.limits.max_storage_buffer_binding_size,
                    "buffer_bytes": adapter.limits.max_buffer_size,
                    "workgroup_invocations": adapter.limits.max_compute_invocations_per_workgroup,
                    "workgroup_bytes": adapter.limits.max_compute_workgroup_storage_size,
                    "storage_buffers": adapter.limits.max_storage_buffers_per_shader_stage,
                },
            })
        };
        output::json(&serde_json::json!({
            "cpu": cpu,
            "adapters": adapters.iter().zip(&checks).map(adapter).collect::<Vec<_>>(),
        }))?;
        return Ok(code);
    }
    let mut text = format!("{cpu}\n");
    for (adapter, checks) in adapters.iter().zip(&checks) {
        let limits = &adapter.limits;
        text += &format!(
            "gpu:{} {}\n  {} {}, {}\n  bindings to {} MiB, buffers to {} MiB; workgroups of {} invocations and {} KiB; {} \
             storage buffers\n  --precision f16 by {}\n",
            adapter.index,
            adapter.name,
            adapter.backend,
            adapter.kind,
            adapter.driver,
            limits.max_storage_buffer_binding_size >> 20,
            limits.max_buffer_size >> 20,
            limits.max_compute_invocations_per_workgroup,
            limits.max_compute_workgroup_storage_size >> 10,
            limits.max_storage_buffers_per_shader_stage,
            adapter.half,
        );
        if let Some(reason) = &adapter.unusable {
            text += &format!("  cannot be used: {reason}\n");
        }
        if let Some(checks) = checks {
            let header = ["  kernel", "cases", "largest error", ""]
                .map(str::to_owned)
                .to_vec();
            let row = |check: &Check| {
                let verdict = if check.passed() { "right" } else { "WRONG" };
                let error = format!("{:.1e}", check.error);
                vec![
                    format!("  {}", check.kernel),
                    check.cases.to_string(),
                    error,
                    verdict.to_owned(),
                ]
            };
            let rows: Vec<_> = [header].into_iter().chain(checks.iter().map(row)).collect();
            text += &output::table(&rows);
        }
    }
    if adapters.is_empty() {
        text += "no GPU adapter was found (looked for Vulkan, Metal and DX12)\n";
    }
    output::text(&text)?;
    Ok(code)
}

fn described(check: &Check) -> serde_json::Value {
    serde_json::json!({
        "kernel": check.kernel,
        "cases": check.cases,
        "error": check.error,
        "passed": check.passed(),
    })
}
