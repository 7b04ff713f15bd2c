use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::backend::Backend;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterInfo, adapters};

use super::output;

/// List what there is to train on
#[derive(Args)]
#[command(after_help = "Example:
  gpu-mlp devices")]
pub(super) struct Options {
    /// Print one JSON object: cpu, adapters (name, backend, kind, driver, limits, unusable)
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let cpu = CpuBackend::<f32>::new().device();
    let adapters = adapters();
    if options.json {
        let adapter = |adapter: &AdapterInfo| {
            serde_json::json!({
                "device": format!("gpu:{}", adapter.index),
                "name": adapter.name,
                "backend": adapter.backend,
                "kind": adapter.kind,
                "driver": adapter.driver,
                "unusable": adapter.unusable,
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
            "adapters": adapters.iter().map(adapter).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{cpu}\n");
    for adapter in &adapters {
        let limits = &adapter.limits;
        text += &format!(
            "gpu:{} {}\n  {} {}, {}\n  bindings to {} MiB, buffers to {} MiB; workgroups of {} invocations and {} KiB; {} \
             storage buffers\n",
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
        );
        if let Some(reason) = &adapter.unusable {
            text += &format!("  cannot be used: {reason}\n");
        }
    }
    if adapters.is_empty() {
        text += "no GPU adapter was found (looked for Vulkan, Metal and DX12)\n";
    }
    output::text(&text)?;
    Ok(ExitCode::SUCCESS)
}
