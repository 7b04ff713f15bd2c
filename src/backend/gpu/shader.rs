use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use wgpu::naga;

use super::device::Device;
use super::kept::Kept;
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
    "answers",
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
    "join",
    "keep",
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
    "tally_classes",
    "tally_labels",
    "tally_values",
    "verdict",
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
    "halves",
    "logarithm",
    "losses",
    "magnifier",
    "mask",
    "matrix16",
    "matrix8",
    "moments0",
    "moments1",
    "moments2",
    "moments3",
    "norm",
    "operands",
    "product",
    "product_cooperative",
    "product_lanes",
    "product_subgroup",
    "product_wide",
    "products",
    "reduce",
    "row_sums",
    "slices",
    "step",
    "stored_half",
    "stored_whole",
    "surprise",
    "turn",
    "update",
    "updates",
    "vectors",
    "waves",
    "words",
);

/// Of all kernels and what they include: another one for other kernels.
pub(super) fn checksum() -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for (name, text) in KERNELS.iter().chain(SNIPPETS) {
        sum.update(name.as_bytes());
        sum.update(text.as_bytes());
    }
    sum.finalize()
}

/// A kernel's whole source, with the `override` constants as they are without a word.
pub fn source(kernel: &str) -> Option<String> {
    specialized(kernel, &[])
}

/// A kernel's whole source with its `override` constants filled in, as it is handed to wgpu.
///
/// They are filled in as text: naga 30 cannot size workgroup arrays by an expression of several overrides. Two more things
/// are done to the text:
/// - `#import NAME` stands for a snippet, and is nothing where that is there already; with `if CONSTANT` or
///   `unless CONSTANT …` behind it, it depends on constants, which are 0 unless they are given;
/// - `#repeat i COUNT`, up to its `#end`, stands for so many copies of what is between, with the copy's number for `{i}`: what
///   drivers keep in registers has no index but a constant one. COUNT is a number or a constant.
pub fn specialized(kernel: &str, constants: &[(&str, u32)]) -> Option<String> {
    let (_, text) = KERNELS.iter().find(|(name, _)| *name == kernel)?;
    let mut lines = Vec::new();
    expand(text, constants, &mut BTreeSet::new(), &mut lines);
    for line in &mut lines {
        let Some((name, kind)) = line
            .strip_prefix("override ")
            .and_then(|rest| rest.split_once(": "))
        else {
            continue;
        };
        if let Some((_, value)) = constants.iter().find(|(constant, _)| *constant == name) {
            *line = if kind.starts_with("bool") {
                format!("const {name}: bool = {};", *value != 0)
            } else {
                format!("const {name}: u32 = {value}u;")
            };
        }
    }
    let mut whole = String::new();
    let borrowed: Vec<&str> = lines.iter().map(String::as_str).collect();
    repeat(&borrowed, &borrowed, &mut whole);
    Some(whole)
}

fn expand(
    text: &str,
    constants: &[(&str, u32)],
    seen: &mut BTreeSet<String>,
    whole: &mut Vec<String>,
) {
    let set = |name: &str| {
        constants
            .iter()
            .any(|(known, value)| *known == name && *value != 0)
    };
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let import = match words[..] {
            ["#import", import] => Some((import, true)),
            ["#import", import, "if", constant] => Some((import, set(constant))),
            ["#import", import, "unless", ref constants @ ..] => {
                Some((import, !constants.iter().any(|constant| set(constant))))
            }
            _ => None,
        };
        let snippet = import.and_then(|(import, wanted)| {
            let (name, snippet) = SNIPPETS.iter().find(|(name, _)| *name == import)?;
            Some((name, snippet, wanted))
        });
        match snippet {
            Some((name, snippet, wanted)) => {
                if wanted && seen.insert((*name).to_owned()) {
                    expand(snippet, constants, seen, whole);
                }
            }
            // An import of nothing stays in the text, where the parser points at it.
            None => whole.push(line.to_owned()),
        }
    }
}

/// Copies out what is between `#repeat` and `#end`; counts are looked up in all of the text. One without an end, or with a count
/// that is none, stays in the text, where the parser points at it.
fn repeat(lines: &[&str], all: &[&str], whole: &mut String) {
    let mut rest = lines;
    while let Some((line, behind)) = rest.split_first() {
        rest = behind;
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["#repeat", name, count] = words[..]
            && let Some(count) = count_of(count, all)
            && let Some(end) = end(behind)
        {
            for copy in 0..count {
                let number = copy.to_string();
                let numbered: Vec<String> = behind[..end]
                    .iter()
                    .map(|line| line.replace(&format!("{{{name}}}"), &number))
                    .collect();
                let borrowed: Vec<&str> = numbered.iter().map(String::as_str).collect();
                repeat(&borrowed, all, whole);
            }
            rest = &behind[end + 1..];
        } else {
            whole.push_str(line);
            whole.push('\n');
        }
    }
}

/// Where the `#end` is of the `#repeat` before these lines.
fn end(lines: &[&str]) -> Option<usize> {
    let mut open = 1;
    lines.iter().position(|line| {
        match line.split_whitespace().next() {
            Some("#repeat") => open += 1,
            Some("#end") => open -= 1,
            _ => {}
        }
        open == 0
    })
}

/// A number as it is written, or that of a constant of the text.
fn count_of(count: &str, all: &[&str]) -> Option<u32> {
    let value = |line: &&str| {
        let rest = line
            .strip_prefix("const ")
            .or_else(|| line.strip_prefix("override "))?;
        let rest = rest.strip_prefix(count)?.strip_prefix(": u32 = ")?;
        rest.split_once("u;")?.0.parse().ok()
    };
    count.parse().ok().or_else(|| all.iter().find_map(value))
}

/// A pipeline, with the bind group layouts that its shader declares.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// Values of a kernel's `override` constants.
pub(super) type Constants = Vec<(&'static str, u32)>;

/// Every pipeline made so far, by kernel and constants.
#[derive(Debug)]
pub(super) struct Pipelines {
    /// Layout of group 1, the same for every kernel.
    step: wgpu::BindGroupLayout,
    made: HashMap<(&'static str, Constants), Pipeline>,
    /// The driver's form of them, if they are kept.
    pub(super) kept: Option<Kept>,
    /// How many there were when they were kept last.
    saved: usize,
}

impl Pipelines {
    pub(super) fn new(step: wgpu::BindGroupLayout) -> Self {
        Pipelines {
            step,
            made: HashMap::new(),
            kept: None,
            saved: 0,
        }
    }

    /// Keeps what is new, if any is kept.
    pub(super) fn save(&mut self) {
        if let Some(kept) = &self.kept
            && self.saved < self.made.len()
        {
            self.saved = self.made.len();
            kept.save();
        }
    }

    /// Makes the pipeline if it is not there yet.
    pub(super) fn get(
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
    fn products_by_subgroups_are_valid_wgsl_for_every_size_of_subgroup() {
        for kernel in KERNELS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| name.starts_with("matmul"))
        {
            for (width, vectors, transposed) in [(4, 0, 0), (8, 1, 1), (16, 1, 0)] {
                let constants = [
                    ("SUBGROUP", 1),
                    ("VECTORS", vectors),
                    ("LANES", 8),
                    ("ROWS", 16),
                    ("SUMS", 2),
                    ("WIDTH", width),
                    ("PARTS", 16 / width),
                    ("A_TRANSPOSED", transposed),
                    ("ROW_SUMS", transposed),
                ];
                let text = specialized(kernel, &constants).expect("the kernel is listed");
                let module = naga::front::wgsl::parse_str(&text)
                    .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
                Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP)
                    .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
                    .subgroup_operations(naga::valid::SubgroupOperationSet::all())
                    .validate(&module)
                    .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
            }
        }
    }

    #[test]
    fn products_in_slices_by_lanes_and_wide_are_valid_wgsl() {
        for (kernel, constants) in [
            ("matmul", [("BY_LANES", 1), ("ACCUMULATE", 1)]),
            ("matmul_bias_activation", [("BY_LANES", 1), ("FUNCTION", 7)]),
            ("matmul", [("SLICES", 4), ("ACCUMULATE", 1)]),
            ("matmul_bias_activation", [("SLICES", 4), ("BESIDE", 4)]),
            ("matmul_activation_gradient", [("SLICES", 4), ("WIDE", 1)]),
            ("matmul", [("WIDE", 1), ("VECTORS", 1)]),
            ("matmul_bias_activation", [("WIDE", 1), ("B_TRANSPOSED", 1)]),
            ("matmul_bias_gradient", [("WIDE", 1), ("ROW_SUMS", 1)]),
        ] {
            let text = specialized(kernel, &constants).expect("the kernel is listed");
            let module = naga::front::wgsl::parse_str(&text)
                .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
            Validator::new(ValidationFlags::all(), Capabilities::empty())
                .validate(&module)
                .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
        }
    }

    #[test]
    fn products_in_half_precision_are_valid_wgsl_with_no_more_than_they_say_they_need() {
        let kernels = KERNELS.iter().map(|(name, _)| *name);
        for kernel in kernels.filter(|name| name.starts_with("matmul")) {
            for (constant, capabilities) in [
                (None, Capabilities::empty()),
                (Some("STORED_HALF"), Capabilities::SHADER_FLOAT16),
            ] {
                let mut constants = vec![("HALF", 1), ("MAGNIFIED", 1), ("ROW_SUMS", 1)];
                constants.extend(constant.map(|constant| (constant, 1)));
                let text = specialized(kernel, &constants).expect("the kernel is listed");
                let module = naga::front::wgsl::parse_str(&text)
                    .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
                Validator::new(ValidationFlags::all(), capabilities)
                    .validate(&module)
                    .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
            }
        }
    }

    #[test]
    fn products_by_cooperative_matrices_are_valid_wgsl_with_no_more_than_they_say_they_need() {
        let kernels = KERNELS.iter().map(|(name, _)| *name);
        for kernel in kernels.filter(|name| name.starts_with("matmul")) {
            for (side, vectors, a_transposed, b_transposed) in
                [(16, 0, 0, 0), (16, 1, 1, 0), (8, 1, 0, 1)]
            {
                let constants = [
                    ("COOPERATIVE", 1),
                    ("SIDE_8", (side == 8).into()),
                    ("STEPS", 32 / side),
                    ("LANES", 128),
                    ("HEIGHT", 64),
                    ("BREADTH", 64),
                    ("DOWN", 2),
                    ("ACROSS", 2),
                    ("GROUPS_X", 2),
                    ("LOADS_A", 4),
                    ("LOADS_B", 4),
                    ("ROWS", 8),
                    ("STAGED", 4),
                    ("VECTORS", vectors),
                    ("A_TRANSPOSED", a_transposed),
                    ("B_TRANSPOSED", b_transposed),
                    ("ROW_SUMS", a_transposed),
                    ("HALF", 1),
                    ("MAGNIFIED", 1),
                ];
                let text = specialized(kernel, &constants).expect("the kernel is listed");
                let module = naga::front::wgsl::parse_str(&text)
                    .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
                let capabilities = Capabilities::SHADER_FLOAT16
                    | Capabilities::SUBGROUP
                    | Capabilities::COOPERATIVE_MATRIX;
                Validator::new(ValidationFlags::all(), capabilities)
                    .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
                    .validate(&module)
                    .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
            }
        }
    }

    #[test]
    fn every_loop_counts_towards_a_bound() {
        for (name, text) in KERNELS.iter().chain(SNIPPETS) {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let told = format!("shaders of {name}: {line}");
                assert!(!code.starts_with("loop"), "{told}");
                if let Some(condition) = code.strip_prefix("while ") {
                    // Its counter goes up in its first line.
                    let (counter, _) = condition.split_once(" < ").expect(&told);
                    let next = lines[at + 1];
                    assert!(
                        next == format!("{counter}++;") || next == format!("{counter} += 1u;"),
                        "{told}"
                    );
                }
                let Some(parts) = code.strip_prefix("for (var ") else {
                    assert!(!code.starts_with("for"), "{told}");
                    continue;
                };
                let parts: Vec<&str> = parts.trim_end_matches(") {").split("; ").collect();
                let [start, condition, change] = parts[..] else {
                    panic!("{told}");
                };
                let (counter, _) = start.split_once(" = ").expect(&told);
                let rises = condition.starts_with(&format!("{counter} < "))
                    || condition.starts_with(&format!("{counter} * "));
                let risen = change == format!("{counter}++")
                    || change.starts_with(&format!("{counter} += "));
                let halves =
                    condition == format!("{counter} > 0u") && change == format!("{counter} /= 2u");
                assert!(rises && risen || halves, "{told}");
                // Nothing else changes it.
                let changed = [" = ", " += ", " -= ", "++;"].map(|how| format!("{counter}{how}"));
                let body = lines[at + 1..].iter().take_while(|line| !line.is_empty());
                for line in body {
                    let sets = changed
                        .iter()
                        .any(|change| line.starts_with(change.as_str()));
                    assert!(!sets, "{told}: {line}");
                }
            }
        }
    }

    #[test]
    fn what_is_repeated_is_numbered_and_what_has_no_count_stays() {
        let text = "const ROWS: u32 = 2u;\n#repeat i ROWS\n#repeat j 2\na{i}b{j}\n#end\n#end\n#repeat k NONE\n#end";
        let lines: Vec<&str> = text.lines().collect();
        let mut whole = String::new();
        repeat(&lines, &lines, &mut whole);
        assert_eq!(
            whole,
            "const ROWS: u32 = 2u;\na0b0\na0b1\na1b0\na1b1\n#repeat k NONE\n#end\n"
        );
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
