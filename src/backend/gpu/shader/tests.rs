use wgpu::naga;
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};

use super::{KERNELS, SNIPPETS, specialized};

/// Rows of a lane of a product, which every tile says.
const ROWS: [(&str, u32); 1] = [("ROWS", 4)];

#[test]
fn every_kernel_is_valid_wgsl_with_baseline_capabilities() {
    for (kernel, _) in KERNELS {
        let text = specialized(kernel, &ROWS).expect("the kernel is listed");
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
        for (width, read, transposed) in [
            (4, "WORDS", 0),
            (8, "VECTORS", 1),
            (16, "VECTORS", 0),
            (8, "IMAGES", 1),
        ] {
            let constants = [
                ("SUBGROUP", 1),
                (read, 1),
                ("LANES", 8),
                ("ROWS", 16),
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
fn products_in_slices_by_lanes_and_by_vectors_are_valid_wgsl() {
    for (kernel, constants) in [
        ("matmul", [("BY_LANES", 1), ("ACCUMULATE", 1)]),
        ("matmul_bias_activation", [("BY_LANES", 1), ("FUNCTION", 7)]),
        ("matmul", [("SLICES", 4), ("ACCUMULATE", 1)]),
        ("matmul_bias_activation", [("SLICES", 4), ("BESIDE", 4)]),
        (
            "matmul_activation_gradient",
            [("SLICES", 4), ("VECTORS", 1)],
        ),
        (
            "matmul_bias_activation",
            [("VECTORS", 1), ("B_TRANSPOSED", 1)],
        ),
        ("matmul_bias_gradient", [("VECTORS", 1), ("ROW_SUMS", 1)]),
    ] {
        let constants = [&constants[..], &ROWS].concat();
        let text = specialized(kernel, &constants).expect("the kernel is listed");
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
        Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&text)));
    }
}

#[test]
fn kernels_that_read_eight_values_at_a_time_are_valid_wgsl_with_words_of_64_bits() {
    let mut tried = 0;
    for (kernel, _) in KERNELS {
        let [ones, eights] = [0, 1].map(|by_eights| {
            let constants = [&[("EIGHTS", by_eights)], &ROWS[..]].concat();
            specialized(kernel, &constants).expect("the kernel is listed")
        });
        if !ones.contains("const EIGHTS: bool") {
            continue;
        }
        let module = naga::front::wgsl::parse_str(&eights)
            .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&eights)));
        Validator::new(ValidationFlags::all(), Capabilities::SHADER_INT64)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{kernel}: {}", error.emit_to_string(&eights)));
        assert!(eights.contains("array<Stored>"), "{kernel}");
        tried += 1;
    }
    assert!(tried > 2, "{tried} kernels");
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
            constants.extend(ROWS);
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
            let risen =
                change == format!("{counter}++") || change.starts_with(&format!("{counter} += "));
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
