use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use wgpu::{Adapter, DeviceType, Instance, InstanceDescriptor, Limits};

use crate::backend::BackendError;

/// An adapter as people know it.
#[derive(Clone, Debug)]
pub struct AdapterInfo {
    /// Its position in [`adapters`], as in `--device gpu:N`.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// Vulkan, Metal or DX12.
    pub backend: String,
    /// Discrete, integrated, virtual or a processor in disguise.
    pub kind: String,
    /// Name and version of the driver.
    pub driver: String,
    /// The limits that decide what fits.
    pub limits: Limits,
    /// What products in half precision are made of.
    pub half: String,
    /// Why it cannot run our kernels, if so.
    pub unusable: Option<String>,
}

/// Which adapter to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The best there is: discrete before integrated before virtual before software.
    Best,
    /// By position in [`adapters`].
    Index(usize),
    /// By a part of its name, whatever the case.
    Name(String),
}

/// All adapters, the best first.
pub fn adapters() -> Vec<AdapterInfo> {
    listed().into_iter().map(|(info, _)| info).collect()
}

/// The way to the drivers, which is never closed: one that is unloaded while the program ends, or while another of its
/// threads opens it, crashes.
fn instance() -> &'static Instance {
    static INSTANCE: OnceLock<Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        // DX12, Metal and Vulkan alone: GL's compute shaders lack the limits that our kernels need.
        let mut descriptor = InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::PRIMARY;
        Instance::new(descriptor)
    })
}

fn listed() -> Vec<(AdapterInfo, Adapter)> {
    let instance = instance();
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    });
    let describe = |(index, adapter): (usize, Adapter)| {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let described = AdapterInfo {
            index,
            half: match cooperative(&adapter) {
                _ if info.device_type == DeviceType::Cpu => "rounded f32".to_owned(),
                Some(side) => format!("matrices of {side}x{side}"),
                None if adapter.features().contains(wgpu::Features::SHADER_F16) => "f16".to_owned(),
                None => "rounded f32".to_owned(),
            },
            unusable: shortcoming(&limits),
            name: info.name,
            backend: info.backend.to_string(),
            kind: match info.device_type {
                DeviceType::DiscreteGpu => "discrete",
                DeviceType::IntegratedGpu => "integrated",
                DeviceType::VirtualGpu => "virtual",
                DeviceType::Cpu => "software",
                DeviceType::Other => "other",
            }
            .to_owned(),
            driver: format!("{} {}", info.driver, info.driver_info)
                .trim()
                .to_owned(),
            limits,
        };
        (described, adapter)
    };
    adapters.into_iter().enumerate().map(describe).collect()
}

/// The first of our kernels' needs that an adapter with these limits does not meet.
fn shortcoming(limits: &Limits) -> Option<String> {
    [
        (
            "invocations a workgroup",
            limits.max_compute_invocations_per_workgroup,
            256,
        ),
        (
            "storage buffers a stage",
            limits.max_storage_buffers_per_shader_stage,
            8,
        ),
        (
            "bytes of workgroup memory",
            limits.max_compute_workgroup_storage_size,
            16_384,
        ),
        (
            "bytes of a uniform binding",
            limits.max_uniform_buffer_binding_size as u32,
            16_384,
        ),
    ]
    .into_iter()
    .find(|(_, has, needs)| has < needs)
    .map(|(what, has, needs)| format!("it has {has} {what}, {needs} are needed"))
}

/// What a device reports, the graver the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failure {
    Error,
    OutOfMemory,
    Lost,
}

/// How long a device that has failed may take for what is under way still.
const LAST: Duration = Duration::from_secs(10);

/// An opened device with its queue, and the first error that it reported.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) handle: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) limits: Limits,
    /// Invocations that a small workgroup is best made of: one subgroup where lanes are a processor's vector, else enough
    /// to hide the latency of memory.
    pub(super) lanes: u32,
    /// Lanes of the smallest and the largest subgroup, if subgroups can exchange values.
    pub(super) subgroups: Option<[u32; 2]>,
    /// Rows and columns of the matrices of half precision, with sums in f32, that subgroups multiply, if they do. All subgroups have as
    /// many lanes then.
    pub(super) cooperative: Option<u32>,
    /// Whether shaders have numbers of half precision.
    pub(super) half: bool,
    /// Whether lanes are a processor's.
    pub(super) software: bool,
    /// Values that flat passes read at a time at most, where they can.
    pub(super) vectors: usize,
    /// Terms of a product's sums at most.
    pub(super) depth: usize,
    fault: Arc<Mutex<Option<(Failure, String)>>>,
}

impl Device {
    pub(super) fn open(choice: &AdapterChoice) -> Result<Device, BackendError> {
        let listed = listed();
        let found = if listed.is_empty() {
            "none was found (looked for Vulkan, Metal and DX12)".to_owned()
        } else {
            let names: Vec<_> = listed
                .iter()
                .map(|(info, _)| format!("gpu:{} {}", info.index, info.name))
                .collect();
            format!("found {}", names.join(", "))
        };
        let position = match choice {
            AdapterChoice::Best => listed.iter().position(|(info, _)| info.unusable.is_none()),
            AdapterChoice::Index(index) => (*index < listed.len()).then_some(*index),
            AdapterChoice::Name(part) => {
                let part = part.to_lowercase();
                listed
                    .iter()
                    .position(|(info, _)| info.name.to_lowercase().contains(&part))
            }
        };
        let Some((info, adapter)) = position.and_then(|position| listed.into_iter().nth(position))
        else {
            return Err(BackendError::NoAdapter {
                wanted: match choice {
                    AdapterChoice::Best => "that can be used".to_owned(),
                    AdapterChoice::Index(index) => format!("gpu:{index}"),
                    AdapterChoice::Name(name) => format!("named {name:?}"),
                },
                found,
                advice: ADVICE.to_owned(),
            });
        };
        let name = format!("{} ({}, {})", info.name, info.backend, info.driver);
        if let Some(reason) = info.unusable {
            return Err(BackendError::Unusable {
                device: name,
                reason,
            });
        }
        let cooperative = cooperative(&adapter);
        let software = adapter.get_info().device_type == DeviceType::Cpu;
        let wide_words = software && adapter.features().contains(wgpu::Features::SHADER_INT64);
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("gpu-mlp"),
            required_features: adapter.features()
                & (wgpu::Features::SUBGROUP
                    | wgpu::Features::SHADER_F16
                    | wgpu::Features::PIPELINE_CACHE
                    | wgpu::Features::TIMESTAMP_QUERY
                    | if wide_words {
                        wgpu::Features::SHADER_INT64
                    } else {
                        wgpu::Features::empty()
                    }
                    | if cooperative.is_some() {
                        wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
                    } else {
                        wgpu::Features::empty()
                    }),
            required_limits: info.limits.clone(),
            experimental_features: if cooperative.is_some() {
                // SAFETY: what wgpu cannot promise yet of cooperative matrices is that their loads and stores stay inside what they
                // are given a pointer into. Ours are in `shaders/lib/product_cooperative.wgsl` alone, on three arrays of workgroup
                // memory: a matrix of a SIDE begins at a multiple of SIDE rows and columns of a tile whose sides are multiples of
                // it, rows PITCH apart, and the arrays have a side's rows of PITCH. `Tile::cut` chooses the sides, and
                // `tile::tests` counts it out for every tile and size of subgroup. Each is called by whole subgroups, in control
                // flow that is the same for the whole workgroup.
                unsafe { wgpu::ExperimentalFeatures::enabled() }
            } else {
                wgpu::ExperimentalFeatures::disabled()
            },
            ..Default::default()
        });
        let (device, queue) =
            pollster::block_on(request).map_err(|error| BackendError::Unusable {
                device: name.clone(),
                reason: error.to_string(),
            })?;
        let fault = Arc::new(Mutex::new(None));
        // The first error, unless a graver one follows: behind a loss everything fails.
        let note = |fault: &Mutex<Option<(Failure, String)>>, failure: Failure, what: String| {
            let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
            if fault.as_ref().is_none_or(|(known, _)| *known < failure) {
                *fault = Some((failure, what));
            }
        };
        let noted = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let failure = match error {
                wgpu::Error::OutOfMemory { .. } => Failure::OutOfMemory,
                _ => Failure::Error,
            };
            note(&noted, failure, error.to_string());
        }));
        let noted = Arc::clone(&fault);
        device.set_device_lost_callback(move |reason, message| {
            note(&noted, Failure::Lost, format!("{reason:?} {message}"));
        });
        Ok(Device {
            name,
            handle: device,
            queue,
            lanes: match adapter.get_info() {
                info if info.device_type == DeviceType::Cpu => info.subgroup_max_size.clamp(4, 64),
                _ => 64,
            },
            // llvmpipe leaves a shader's loops after 65,535 iterations of all of them (see `resident::ITERATIONS`); a tile
            // of 16 terms takes up to 50.
            depth: match adapter.get_info().device_type {
                DeviceType::Cpu => 20_000,
                _ => usize::MAX,
            },
            subgroups: subgroups(&adapter),
            cooperative,
            half: adapter.features().contains(wgpu::Features::SHADER_F16),
            software,
            // A processor's driver moves words of 64 bits, two values each, as fast as those of 32.
            vectors: if wide_words { 8 } else { 4 },
            limits: info.limits,
            fault,
        })
    }

    /// The first error that the device reported since it was opened: once it failed, it stays failed.
    pub(super) fn check(&self) -> Result<(), BackendError> {
        let noted = || {
            let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
            fault.clone()
        };
        if noted().is_some_and(|(failure, _)| failure < Failure::Lost) {
            // Behind a loss everything fails, and the loss itself is told once nothing is under way any more.
            let _ = self.handle.poll(wgpu::PollType::Wait {
                submission_index: None,
                timeout: Some(LAST),
            });
        }
        let Some((failure, reason)) = noted() else {
            return Ok(());
        };
        let (device, reason) = (self.name.clone(), line(&reason));
        Err(match failure {
            Failure::Error => BackendError::Device { device, reason },
            Failure::OutOfMemory => BackendError::OutOfMemory { device, reason },
            Failure::Lost => BackendError::Lost { device, reason },
        })
    }

    /// What was just seen to fail, or the device's own report of why.
    pub(super) fn failed(&self, reason: &dyn ToString) -> BackendError {
        self.check().err().unwrap_or_else(|| BackendError::Device {
            device: self.name.clone(),
            reason: line(&reason.to_string()),
        })
    }

    /// Waits for a submission, or for all; not for longer than the limit.
    pub(super) fn wait(
        &self,
        submission_index: Option<wgpu::SubmissionIndex>,
        limit: Duration,
    ) -> Result<(), BackendError> {
        let wait = wgpu::PollType::Wait {
            submission_index,
            timeout: Some(limit),
        };
        match self.handle.poll(wait) {
            Ok(_) => self.check(),
            Err(wgpu::PollError::Timeout) => Err(BackendError::Hung {
                device: self.name.clone(),
                seconds: limit.as_secs_f64(),
            }),
            Err(error) => Err(self.failed(&error)),
        }
    }
}

/// See [`Device::subgroups`]. Four lanes is the least that the kernels are made for.
fn subgroups(adapter: &Adapter) -> Option<[u32; 2]> {
    let info = adapter.get_info();
    let sizes = [info.subgroup_min_size, info.subgroup_max_size];
    let usable =
        sizes.iter().all(|size| size.is_power_of_two()) && sizes[0] >= 4 && sizes[1] <= 128;
    (usable && adapter.features().contains(wgpu::Features::SUBGROUP)).then_some(sizes)
}

/// See [`Device::cooperative`].
fn cooperative(adapter: &Adapter) -> Option<u32> {
    let needed = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
        | wgpu::Features::SHADER_F16
        | wgpu::Features::SUBGROUP;
    let alike = subgroups(adapter).is_some_and(|[least, most]| least == most);
    if !alike || !adapter.features().contains(needed) {
        return None;
    }
    let matrices = adapter.cooperative_matrix_properties();
    let has = |side: &u32| {
        matrices.iter().any(|matrix| {
            [matrix.m_size, matrix.n_size, matrix.k_size] == [*side; 3]
                && matrix.ab_type == wgpu::CooperativeScalarType::F16
                && matrix.cr_type == wgpu::CooperativeScalarType::F32
        })
    };
    [16, 8].into_iter().find(has)
}

/// wgpu's messages have a paragraph for each cause; an error of ours is one line.
fn line(reason: &str) -> String {
    reason.split_whitespace().collect::<Vec<_>>().join(" ")
}

const ADVICE: &str = "Install your GPU's Vulkan driver (a software one on Debian and Ubuntu: apt-get install \
                      mesa-vulkan-drivers), or use --device cpu";
