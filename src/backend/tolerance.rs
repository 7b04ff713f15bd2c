//! How far each kernel may be from its twin, relative to the largest value of its tensor, or to 1 if that is less; and why.

/// The error allowed, the reason, and the kernels that it is for.
pub const TOLERANCES: &[(f32, &str, &[&str])] = &[
    (
        0.0,
        "values are copied or counted, or the smaller or larger of two is taken: nothing is rounded",
        &[
            "clear",
            "clip_value",
            "gather",
            "gather_both",
            "keep",
            "lookup",
        ],
    ),
    (
        1e-6,
        "a few sums and products of a value, each rounded once, that a compiler may contract to fewer; a division or a root, which \
         WGSL allows to be off by 2.5 units in the last place",
        &[
            "add",
            "average",
            "bias_add",
            "combine",
            "dropout",
            "dropout_gradient",
            "join",
            "mix",
            "momentum",
            "muon",
            "prelu",
            "sgd",
        ],
    ),
    (
        4e-6,
        "polynomials of up to nine terms for exponentials, logarithms and circles, or roots and divisions one behind the other",
        &[
            "activation",
            "activation_gradient",
            "adadelta",
            "adagrad",
            "adam",
            "amsgrad",
            "answers",
            "lion",
            "perturb",
            "rmsprop",
            "verdict",
        ],
    ),
    (
        2e-5,
        "sums of up to some thousand values or products in another order, or a function of such a sum, of operands that are rounded \
         alike where they are of half precision; for images, places between \
         pixels that are rounded before values are told apart",
        &[
            "batch_norm",
            "batch_norm_gradient",
            "batch_norm_inference",
            "bias_gradient",
            "clip_norm",
            "layer_norm",
            "layer_norm_gradient",
            "layer_norm_parameters",
            "lookup_gradient",
            "loss_gradient",
            "matmul",
            "matmul_activation_gradient",
            "matmul_bias_activation",
            "matmul_bias_gradient",
            "max_norm",
            "metrics",
            "normalize",
            "periodic",
            "periodic_gradient",
            "prelu_gradient",
            "softmax",
            "softmax_gradient",
            "square_sums",
            "steps",
            "tally_classes",
            "tally_labels",
            "tally_values",
            "warp",
        ],
    ),
];

/// The error allowed for a kernel; of one that has none, none is.
pub fn tolerance(kernel: &str) -> f32 {
    let of = TOLERANCES
        .iter()
        .find(|(_, _, kernels)| kernels.contains(&kernel));
    of.map_or(0.0, |(error, _, _)| *error)
}
