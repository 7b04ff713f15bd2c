use std::fmt::{Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::faults::{Faults, Faulty};
use gpu_mlp::backend::gpu::{AdapterChoice, AdapterInfo, GpuBackend, Tuning, adapters};
use gpu_mlp::backend::{Backend, BackendError};
use gpu_mlp::train::{Plan, Spare, fastest};

use super::error::bad_input;

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

/// Names failures that tests ask for, as lose@120: docs/elasticity.md has them.
const FAULTS: &str = "GPU_MLP_FAULTS";

/// They are read once: what has failed does not fail again when the device is opened anew.
static ASKED: LazyLock<Result<Option<Faults>, String>> = LazyLock::new(|| {
    let text = std::env::var_os(FAULTS).filter(|text| !text.is_empty());
    let faults = text.map(|text| text.to_string_lossy().parse());
    faults
        .transpose()
        .map_err(|reason: String| format!("{FAULTS}: {reason}"))
});

/// Refuses failures that are none.
pub(super) fn check_faults() -> Result<()> {
    let asked = ASKED.as_ref().map(drop);
    asked.map_err(bad_input)
}

/// With the failures that were asked for.
pub(super) fn faulty(backend: Box<dyn Backend>) -> Box<dyn Backend> {
    match &*ASKED {
        Ok(Some(faults)) => Box::new(Faulty::new(backend, faults.clone())),
        _ => backend,
    }
}

fn cpu() -> Box<dyn Backend> {
    faulty(Box::new(CpuBackend::<f32>::new()))
}

fn gpu(choice: &AdapterChoice) -> Result<Box<dyn Backend>, BackendError> {
    Ok(faulty(Box::new(open_adapter(choice)?)))
}

/// Opens an adapter, whose kernels are tuned.
pub(crate) fn open_adapter(choice: &AdapterChoice) -> Result<GpuBackend, BackendError> {
    let tuning = Tuning {
        folder: cache_folder(),
        // Once is enough: what is tried anew is remembered.
        again: RETUNE.swap(false, Ordering::Relaxed),
        ..Tuning::default()
    };
    Ok(GpuBackend::open(choice)?.with_tuning(&tuning))
}

/// Whether the next adapter that is opened is to be tuned anew.
static RETUNE: AtomicBool = AtomicBool::new(false);

pub(crate) fn retune() {
    RETUNE.store(true, Ordering::Relaxed);
}

/// Names the folder for what is remembered of adapters, or none if it is empty.
const CACHE: &str = "GPU_MLP_CACHE";

pub(super) fn cache_folder() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = std::env::var_os(CACHE) {
        return (!folder.is_empty()).then(|| folder.into());
    }
    let folder = if cfg!(windows) {
        PathBuf::from(named("LOCALAPPDATA")?)
    } else if cfg!(target_os = "macos") {
        PathBuf::from(named("HOME")?).join("Library").join("Caches")
    } else {
        match named("XDG_CACHE_HOME") {
            Some(folder) => folder.into(),
            None => PathBuf::from(named("HOME")?).join(".cache"),
        }
    };
    Some(folder.join("gpu-mlp"))
}

/// The adapter that is opened by a choice, of those that there are.
pub(crate) fn chosen<'a>(
    choice: &AdapterChoice,
    known: &'a [AdapterInfo],
) -> Option<&'a AdapterInfo> {
    known.iter().find(|adapter| match choice {
        AdapterChoice::Best => adapter.unusable.is_none(),
        AdapterChoice::Index(index) => adapter.index == *index,
        AdapterChoice::Name(part) => {
            let name = adapter.name.to_lowercase();
            name.contains(&part.to_lowercase())
        }
    })
}

/// A graphics card in the place of the one that was chosen; equal ones have one name.
pub(crate) fn another<'a>(
    choice: &AdapterChoice,
    known: &'a [AdapterInfo],
) -> Option<&'a AdapterInfo> {
    let own = chosen(choice, known).map(|adapter| adapter.index);
    known.iter().find(|other| {
        Some(other.index) != own && other.kind != "software" && other.unusable.is_none()
    })
}

/// By which an adapter is chosen again: its name, if no other is found by that.
fn choice_of(adapter: &AdapterInfo, known: &[AdapterInfo]) -> AdapterChoice {
    let by_name = AdapterChoice::Name(adapter.name.clone());
    match chosen(&by_name, known) {
        Some(found) if found.index == adapter.index => by_name,
        _ => AdapterChoice::Index(adapter.index),
    }
}

/// Waits before an adapter that failed is opened again.
const WAITS: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// What trains when the device fails: itself again, another adapter, the processor.
pub(crate) fn spares(choice: &DeviceChoice) -> Vec<Spare<'static>> {
    let mut spares = Vec::new();
    if let DeviceChoice::Gpu(adapter) = choice {
        for wait in WAITS {
            let adapter = adapter.clone();
            let open = Box::new(move || gpu(&adapter));
            spares.push(Spare { wait, open });
        }
        let failed = adapter.clone();
        let open = Box::new(move || match another(&failed, &adapters()) {
            Some(other) => gpu(&AdapterChoice::Index(other.index)),
            None => Err(BackendError::NoAdapter {
                wanted: "in its place".into(),
                found: "there is no other".into(),
                advice: "The CPU takes over".into(),
            }),
        });
        spares.push(Spare {
            wait: Duration::ZERO,
            open,
        });
    }
    spares.push(Spare {
        wait: Duration::ZERO,
        open: Box::new(|| Ok(cpu())),
    });
    spares
}

/// Opens the device for a training run. With `auto`, real steps are timed on each that may be the fastest; the choice says
/// which it is.
pub(crate) fn open_for(choice: &mut DeviceChoice, plan: &Plan) -> Result<Box<dyn Backend>> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Gpu(adapter) => Ok(gpu(adapter)?),
        DeviceChoice::Auto => {
            let mut candidates = vec![cpu()];
            let mut choices = vec![DeviceChoice::Cpu];
            let listed = adapters();
            if listed.is_empty() {
                log::info!("no GPU adapter was found: the CPU trains");
            }
            for adapter in &listed {
                // A software adapter runs on the processor, and slower than our own code for it.
                if adapter.kind == "software" {
                    log::debug!("{} is a software adapter: the CPU is faster", adapter.name);
                } else if let Some(reason) = &adapter.unusable {
                    log::info!("{} is left out: {reason}", adapter.name);
                } else {
                    match gpu(&AdapterChoice::Index(adapter.index)) {
                        Ok(backend) => {
                            candidates.push(backend);
                            choices.push(DeviceChoice::Gpu(choice_of(adapter, &listed)));
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
        DeviceChoice::Gpu(adapter) => Ok(gpu(adapter)?),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Adapters of these names and kinds; those without a kind cannot be used.
    pub(crate) fn listed(adapters: &[(&str, &str)]) -> Vec<AdapterInfo> {
        let describe = |(index, &(name, kind)): (usize, &(&str, &str))| AdapterInfo {
            index,
            name: name.into(),
            backend: "vulkan".into(),
            kind: kind.into(),
            driver: "a driver".into(),
            limits: wgpu::Limits::default(),
            half: "f16".into(),
            unusable: kind.is_empty().then(|| "it lacks something".into()),
        };
        adapters.iter().enumerate().map(describe).collect()
    }

    #[test]
    fn another_adapter_may_be_one_of_the_same_name_but_not_the_same_one() {
        let known = listed(&[
            ("Old", ""),
            ("Card Ti", "discrete"),
            ("Card", "discrete"),
            ("Card", "discrete"),
            ("llvmpipe", "software"),
        ]);
        let index = |found: Option<&AdapterInfo>| found.map(|adapter| adapter.index);
        for (choice, own, other) in [
            ("gpu", Some(1), Some(2)),
            ("gpu:0", Some(0), Some(1)),
            ("gpu:1", Some(1), Some(2)),
            ("gpu:2", Some(2), Some(1)),
            ("gpu:3", Some(3), Some(1)),
            ("card", Some(1), Some(2)),
            ("LLVM", Some(4), Some(1)),
            ("gpu:9", None, Some(1)),
        ] {
            let Ok(DeviceChoice::Gpu(choice)) = choice.parse() else {
                panic!("{choice} is an adapter");
            };
            let found = [chosen(&choice, &known), another(&choice, &known)].map(index);
            assert_eq!(found, [own, other], "{choice:?}");
        }
        assert!(another(&AdapterChoice::Best, &known[..2]).is_none());
        for adapter in &known {
            assert_eq!(
                index(chosen(&choice_of(adapter, &known), &known)),
                Some(adapter.index)
            );
        }
    }

    #[test]
    fn a_device_that_fails_is_tried_thrice_then_another_adapter_then_the_processor() {
        let waits = |choice: &str| {
            let choice = choice.parse().expect("a device");
            let spares = spares(&choice).into_iter();
            spares.map(|spare| spare.wait).collect::<Vec<_>>()
        };
        assert_eq!(
            waits("gpu"),
            [100, 1000, 5000, 0, 0].map(Duration::from_millis)
        );
        assert_eq!(waits("cpu"), [Duration::ZERO]);
        let mut spares = spares(&DeviceChoice::Cpu);
        let opened = (spares[0].open)().expect("the processor is there");
        assert!(opened.device().starts_with("cpu"), "{}", opened.device());
    }
}
