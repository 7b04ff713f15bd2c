//! Kernels: their sources, what is filled into them, and pipelines made of them.

mod pipelines;
#[cfg(test)]
mod tests;
mod text;

pub(super) use pipelines::{Constants, Pipelines, step_layout};
pub use text::specialized;

macro_rules! shaders {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../shaders/", $folder, $name, ".wgsl")))),*]
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
    "arena_in_buffer",
    "arena_in_image",
    "batch",
    "circle",
    "columns",
    "eights",
    "erfc",
    "exponential",
    "fours",
    "functions",
    "gaussian",
    "halves",
    "images",
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
    "ones",
    "operands",
    "ops_by_table",
    "ops_by_value",
    "ops_in_line",
    "ops_in_tiles",
    "ops_on_answers",
    "ops_that_draw",
    "product",
    "product_cooperative",
    "product_lanes",
    "product_subgroup",
    "products",
    "reduce",
    "row_sums",
    "rows",
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
