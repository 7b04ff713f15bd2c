use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use wgpu::naga;

use super::device::Device;
use crate::backend::BackendError;

macro_rules! shaders {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../shaders/", $folder, $name, ".wgsl")))),*]
    };
}

/// Each kernel's name and source, as in `shaders/`.
pub const KERNELS: &[(&str, &str)] = shaders!("":
    "activation",
    "activation_gradient",
    "adadelta",
    "adagrad",
    "adam",
    "add",
    "amsgrad",
    "average",
    "batch_norm",
    "batch_norm_gradient",
    "batch_norm_inference",
    "bias_add",
    "bias_gradient",
    "clear",
    "clip_norm",
    "clip_value",
    "combine",
    "dropout",
    "dropout_gradient",
    "gather",
    "gather_both",
    "layer_norm",
    "layer_norm_gradient",
    "layer_norm_parameters",
    "lion",
    "lookup",
    "lookup_gradient",
    "loss_gradient",
    "matmul",
    "matmul_activation_gradient",
    "matmul_bias_activation",
    "matmul_bias_gradient",
    "max_norm",
    "metrics",
    "mix",
    "momentum",
    "muon",
    "normalize",
    "periodic",
    "periodic_gradient",
    "perturb",
    "prelu",
    "prelu_gradient",
    "rmsprop",
    "sgd",
    "softmax",
    "softmax_gradient",
    "square_sums",
    "steps",
    "warp",
);

/// What kernels include by `#import NAME`, as in `shaders/lib/`.
const SNIPPETS: &[(&str, &str)] = shaders!("lib/":
    "batch",
    "circle",
    "columns",
    "erfc",
    "exponential",
    "functions",
    "gaussian",
    "logarithm",
    "losses",
    "mask",
    "moments0",
    "moments1",
    "moments2",
    "moments3",
    "norm",
    "product",
    "reduce",
    "step",
    "turn",
    "update",
    "updates",
    "waves",
);

/// A kernel's whole source: each imported snippet once, before what imports it.
pub fn source(kernel: &str) -> Option<String> {
    let (_, text) = KERNELS.iter().find(|(name, _)| *name == kernel)?;
    let mut whole = String::new();
    expand(text, &mut BTreeSet::new(), &mut whole);
    Some(whole)
}

fn expand(text: &str, seen: &mut BTreeSet<String>, whole: &mut String) {
    for line in text.lines() {
        let import = line.strip_prefix("#import ").map(str::trim);
        let snippet = import.and_then(|import| SNIPPETS.iter().find(|(name, _)| *name == import));
        if let Some((name, snippet)) = snippet {
            if seen.insert((*name).to_owned()) {
                expand(snippet, seen, whole);
            }
        } else {
            // An import of nothing stays in the text, where the parser points at it.
            whole.push_str(line);
            whole.push('\n');
        }
    }
}

/// A pipeline, with the bind group layouts that its shader declares.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// Values of a kernel's `override` constants.
pub(super) type Constants = Vec<(&'static str, u32)>;

/// A kernel's whole source with its `override` constants filled in, as it is handed to wgpu.
///
/// They are filled in as text: naga 30 cannot size workgroup arrays by an expression of several overrides.
pub fn specialized(kernel: &str, constants: &[(&str, u32)]) -> Option<String> {
    let mut text = source(kernel)?;
    for (name, value) in constants {
        let filled: Vec<String> = text
            .lines()
            .map(
                |line| match line.strip_prefix(&format!("override {name}: ")) {
                    Some(rest) if rest.starts_with("bool") => {
                        format!("const {name}: bool = {};", *value != 0)
                    }
                    Some(_) => format!("const {name}: u32 = {value}u;"),
                    None => line.to_owned(),
                },
            )
            .collect();
        text = filled.join("\n");
    }
    Some(text)
}

/// Every pipeline made so far, by kernel and constants.
#[derive(Debug)]
pub(super) struct Pipelines {
    /// Layout of group 1, the same for every kernel.
    step: wgpu::BindGroupLayout,
    pipelines: HashMap<(&'static str, Constants), Pipeline>,
}

impl Pipelines {
    pub(super) fn new(step: wgpu::BindGroupLayout) -> Self {
        Pipelines {
            step,
            pipelines: HashMap::new(),
        }
    }

    /// Makes the pipeline if it is not there yet.
    pub(super) fn get(
        &mut self,
        device: &Device,
        kernel: &'static str,
        constants: &Constants,
    ) -> Result<&Pipeline, BackendError> {
        match self.pipelines.entry((kernel, constants.clone())) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                Ok(place.insert(Pipeline::new(device, &self.step, kernel, constants)?))
            }
        }
    }
}

impl Pipeline {
    fn new(
        device: &Device,
        step: &wgpu::BindGroupLayout,
        kernel: &str,
        constants: &Constants,
    ) -> Result<Self, BackendError> {
        let text = specialized(kernel, constants)
            .ok_or_else(|| BackendError::Misuse(format!("there is no kernel {kernel}")))?;
        let parsed = naga::front::wgsl::parse_str(&text).map_err(|error| {
            BackendError::Misuse(format!("{kernel}.wgsl: {}", error.emit_to_string(&text)))
        })?;
        let layout = layout(device, kernel, &parsed);
        let module = device
            .handle
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(kernel),
                source: wgpu::ShaderSource::Naga(Cow::Owned(parsed)),
            });
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
                cache: None,
            });
        Ok(Pipeline { pipeline, layout })
    }
}

/// The layout of group 1: the step, at an offset of its own for each dispatch.
pub(super) fn step_layout(device: &Device) -> wgpu::BindGroupLayout {
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
    use naga::valid::{Capabilities, ValidationFlags, Validator};

    use super::*;

    #[test]
    fn every_kernel_is_valid_wgsl_with_baseline_capabilities() {
        for (kernel, _) in KERNELS {
            let text = source(kernel).expect("the kernel is listed");
            let module = naga::front::wgsl::parse_str(&text).unwrap_or_else(|error| {
                panic!("shaders/{kernel}.wgsl: {}", error.emit_to_string(&text))
            });
            Validator::new(ValidationFlags::all(), Capabilities::empty())
                .validate(&module)
                .unwrap_or_else(|error| {
                    panic!("shaders/{kernel}.wgsl: {}", error.emit_to_string(&text))
                });
        }
    }

    #[test]
    fn every_shader_file_is_listed() {
        for (folder, listed) in [("shaders", KERNELS), ("shaders/lib", SNIPPETS)] {
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let mut files: Vec<_> = std::fs::read_dir(root)
                .expect("the folder is there")
                .map(|entry| entry.expect("it can be read").path())
                .filter(|path| {
                    path.extension()
                        .is_some_and(|extension| extension == "wgsl")
                })
                .map(|path| {
                    path.file_stem()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned()
                })
                .collect();
            files.sort();
            let mut names: Vec<_> = listed.iter().map(|(name, _)| (*name).to_owned()).collect();
            names.sort();
            assert_eq!(files, names);
        }
    }
}
