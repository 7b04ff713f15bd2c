use std::fmt::{Display, Formatter};
use std::str::FromStr;

use anyhow::Result;
use gpu_mlp::backend::Backend;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, adapters};
use gpu_mlp::train::{Plan, fastest};

/// What runs the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// The fastest of all.
    #[default]
    Auto,
    Cpu,
    Gpu(AdapterChoice),
}

impl FromStr for DeviceChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => DeviceChoice::Auto,
            "cpu" => DeviceChoice::Cpu,
            "gpu" => DeviceChoice::Gpu(AdapterChoice::Best),
            "" => {
                return Err(
                    "auto, cpu, gpu, gpu:N or a part of an adapter's name is needed".into(),
                );
            }
            _ => match text.strip_prefix("gpu:") {
                Some(index) => {
                    let index = index
                        .parse()
                        .map_err(|_| format!("gpu:{index} has no number; see gpu-mlp devices"))?;
                    DeviceChoice::Gpu(AdapterChoice::Index(index))
                }
                None => DeviceChoice::Gpu(AdapterChoice::Name(text.into())),
            },
        })
    }
}

impl Display for DeviceChoice {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Gpu(AdapterChoice::Best) => f.write_str("gpu"),
            DeviceChoice::Gpu(AdapterChoice::Index(index)) => write!(f, "gpu:{index}"),
            DeviceChoice::Gpu(AdapterChoice::Name(name)) => f.write_str(name),
        }
    }
}

fn cpu() -> Box<dyn Backend> {
    Box::new(CpuBackend::<f32>::new())
}

fn gpu(choice: &AdapterChoice) -> Result<Box<dyn Backend>> {
    Ok(Box::new(GpuBackend::open(choice)?))
}

/// Opens the device for a training run. With `auto`, real steps are timed on each that may be the fastest; the choice says
/// which it is.
pub(crate) fn open_for(choice: &mut DeviceChoice, plan: &Plan) -> Result<Box<dyn Backend>> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Gpu(adapter) => gpu(adapter),
        DeviceChoice::Auto => {
            let mut candidates = vec![cpu()];
            let mut choices = vec![DeviceChoice::Cpu];
            let listed = adapters();
            if listed.is_empty() {
                log::info!("no GPU adapter was found: the CPU trains");
            }
            for adapter in listed {
                // A software adapter runs on the processor, and slower than our own code for it.
                if adapter.kind == "software" {
                    log::debug!("{} is a software adapter: the CPU is faster", adapter.name);
                } else if let Some(reason) = adapter.unusable {
                    log::info!("{} is left out: {reason}", adapter.name);
                } else {
                    match gpu(&AdapterChoice::Index(adapter.index)) {
                        Ok(backend) => {
                            candidates.push(backend);
                            choices.push(DeviceChoice::Gpu(AdapterChoice::Name(adapter.name)));
                        }
                        Err(error) => log::info!("{error}"),
                    }
                }
            }
            let fastest = fastest(&mut candidates, plan);
            *choice = fastest.map_or(DeviceChoice::Cpu, |index| choices.swap_remove(index));
            Ok(fastest.map_or_else(cpu, |index| candidates.swap_remove(index)))
        }
    }
}

/// Opens the device for predictions, whose cost is in reading the rows: `auto` is the CPU.
pub(crate) fn open(choice: &DeviceChoice) -> Result<Box<dyn Backend>> {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Gpu(adapter) => gpu(adapter),
    }
}
