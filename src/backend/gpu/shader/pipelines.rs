//! Pipelines, by kernel and constants.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::panic::resume_unwind;
use std::thread;

use wgpu::naga;

use super::specialized;
use crate::backend::BackendError;
use crate::backend::gpu::device::Device;
use crate::backend::gpu::kept::Kept;

/// A pipeline, with the bind group layouts that its shader declares.
#[derive(Debug)]
pub(in crate::backend::gpu) struct Pipeline {
    pub(in crate::backend::gpu) pipeline: wgpu::ComputePipeline,
    pub(in crate::backend::gpu) layout: wgpu::BindGroupLayout,
}

/// Values of a kernel's `override` constants.
pub(in crate::backend::gpu) type Constants = Vec<(&'static str, u32)>;

/// Every pipeline made so far, by kernel and constants.
#[derive(Debug)]
pub(in crate::backend::gpu) struct Pipelines {
    /// Layout of group 1, the same for every kernel.
    step: wgpu::BindGroupLayout,
    made: HashMap<(&'static str, Constants), Pipeline>,
    /// The driver's form of them, if they are kept.
    pub(in crate::backend::gpu) kept: Option<Kept>,
    /// How many there were when they were kept last.
    saved: usize,
}

impl Pipelines {
    pub(in crate::backend::gpu) fn new(step: wgpu::BindGroupLayout) -> Self {
        Pipelines {
            step,
            made: HashMap::new(),
            kept: None,
            saved: 0,
        }
    }

    /// Keeps what is new, if any is kept.
    pub(in crate::backend::gpu) fn save(&mut self) {
        if let Some(kept) = &self.kept
            && self.saved < self.made.len()
        {
            self.saved = self.made.len();
            kept.save();
        }
    }

    /// Makes the pipelines that are not there yet, side by side: for drivers that take long for each and leave processors idle.
    pub(in crate::backend::gpu) fn make(
        &mut self,
        device: &Device,
        wanted: impl Iterator<Item = (&'static str, Constants)>,
    ) -> Result<(), BackendError> {
        let missing: BTreeSet<_> = wanted
            .filter(|wanted| !self.made.contains_key(wanted))
            .collect();
        let missing: Vec<_> = missing.into_iter().collect();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let cache = self.kept.as_ref().map(|kept| &kept.cache);
        let step = &self.step;
        for some in missing.chunks(threads) {
            let made: Result<Vec<Pipeline>, BackendError> = thread::scope(|scope| {
                let new = |(kernel, constants): &'_ (&'static str, Constants)| {
                    Pipeline::new(device, step, cache, kernel, constants)
                };
                let threads = some.iter().map(|one| scope.spawn(move || new(one)));
                let threads: Vec<_> = threads.collect();
                let made = threads.into_iter().map(thread::ScopedJoinHandle::join);
                made.map(|made| made.unwrap_or_else(|panic| resume_unwind(panic)))
                    .collect()
            });
            self.made.extend(some.iter().cloned().zip(made?));
        }
        Ok(())
    }

    /// Makes the pipeline if it is not there yet.
    pub(in crate::backend::gpu) fn get(
        &mut self,
        device: &Device,
        kernel: &'static str,
        constants: &Constants,
    ) -> Result<&Pipeline, BackendError> {
        match self.made.entry((kernel, constants.clone())) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let cache = self.kept.as_ref().map(|kept| &kept.cache);
                let new = Pipeline::new(device, &self.step, cache, kernel, constants)?;
                Ok(place.insert(new))
            }
        }
    }
}

impl Pipeline {
    fn new(
        device: &Device,
        step: &wgpu::BindGroupLayout,
        cache: Option<&wgpu::PipelineCache>,
        kernel: &str,
        constants: &Constants,
    ) -> Result<Self, BackendError> {
        let text = specialized(kernel, constants)
            .ok_or_else(|| BackendError::Misuse(format!("there is no kernel {kernel}")))?;
        let parsed = naga::front::wgsl::parse_str(&text).map_err(|error| {
            BackendError::Misuse(format!("{kernel}.wgsl: {}", error.emit_to_string(&text)))
        })?;
        let layout = layout(device, kernel, &parsed);
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(kernel),
            source: wgpu::ShaderSource::Naga(Cow::Owned(parsed)),
        };
        let checks = wgpu::ShaderRuntimeChecks {
            force_loop_bounding: false,
            ..wgpu::ShaderRuntimeChecks::checked()
        };
        // SAFETY: of what is checked otherwise only the ends of loops are not. The source is one of `KERNELS`, and each of its loops
        // counts towards a bound that it does not change (the test `every_loop_counts_towards_a_bound`).
        let module = unsafe {
            device
                .handle
                .create_shader_module_trusted(descriptor, checks)
        };
        let groups = [Some(&layout), Some(step)];
        let whole = device
            .handle
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(kernel),
                bind_group_layouts: &groups,
                immediate_size: 0,
            });
        let pipeline = device
            .handle
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(kernel),
                layout: Some(&whole),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &[],
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache,
            });
        Ok(Pipeline { pipeline, layout })
    }
}

/// The layout of group 1: the step, at an offset of its own for each dispatch.
pub(in crate::backend::gpu) fn step_layout(device: &Device) -> wgpu::BindGroupLayout {
    device
        .handle
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("step"),
            entries: &[entry(0, wgpu::BufferBindingType::Uniform, true)],
        })
}

fn entry(
    binding: u32,
    ty: wgpu::BufferBindingType,
    has_dynamic_offset: bool,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset,
            min_binding_size: None,
        },
        count: None,
    }
}

/// Of texels of four values that are read, as `super::super::image` makes them; or of one value each, that are written too.
fn image(binding: u32, is_written: bool) -> wgpu::BindGroupLayoutEntry {
    let (access, format, view_dimension) = if is_written {
        (
            wgpu::StorageTextureAccess::ReadWrite,
            wgpu::TextureFormat::R32Float,
            wgpu::TextureViewDimension::D2,
        )
    } else {
        (
            wgpu::StorageTextureAccess::ReadOnly,
            wgpu::TextureFormat::Rgba32Float,
            wgpu::TextureViewDimension::D2Array,
        )
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::StorageTexture {
            access,
            format,
            view_dimension,
        },
        count: None,
    }
}

fn is_written(image: &naga::TypeInner) -> bool {
    matches!(
        image,
        naga::TypeInner::Image {
            class: naga::ImageClass::Storage { access, .. },
            ..
        } if access.contains(naga::StorageAccess::STORE)
    )
}

/// The layout of group 0 as the shader declares it.
fn layout(device: &Device, kernel: &str, module: &naga::Module) -> wgpu::BindGroupLayout {
    let mut entries: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let binding = variable.binding.filter(|binding| binding.group == 0)?;
            let kind = match variable.space {
                naga::AddressSpace::Storage { access } => wgpu::BufferBindingType::Storage {
                    read_only: !access.contains(naga::StorageAccess::STORE),
                },
                naga::AddressSpace::Handle => {
                    let inner = &module.types[variable.ty].inner;
                    return Some(image(binding.binding, is_written(inner)));
                }
                _ => wgpu::BufferBindingType::Uniform,
            };
            Some(entry(binding.binding, kind, false))
        })
        .collect();
    entries.sort_by_key(|entry| entry.binding);
    device
        .handle
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel),
            entries: &entries,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::gpu::AdapterChoice;

    #[test]
    fn pipelines_made_side_by_side_are_those_that_are_asked_for_each_once() {
        let device = Device::open(&AdapterChoice::Best);
        let device = device.expect("a Vulkan adapter: see scripts/test.sh");
        let mut pipelines = Pipelines::new(step_layout(&device));
        let function = |number| ("activation", vec![("FUNCTION", number)]);
        let wanted = [function(0), function(1), ("add", vec![]), function(1)];
        pipelines
            .make(&device, wanted.iter().cloned())
            .expect("they compile");
        assert_eq!(pipelines.made.len(), 3);
        for (kernel, constants) in &wanted {
            pipelines
                .get(&device, kernel, constants)
                .expect("it is there");
        }
        assert_eq!(pipelines.made.len(), 3);
        let error = pipelines.make(&device, std::iter::once(("none", vec![])));
        assert!(error.is_err_and(|error| error.to_string().contains("no kernel none")));
    }
}
