use super::small::Add;
use crate::model::{Dropout, Periodic};
use crate::program::{Hyper, Image, Op, Rows, Warp};

/// What is done to rows, and what layers have beside products.
pub(super) fn layers(add: &mut Add<'_>, [m, n, k]: [usize; 3]) {
    let batch = Rows::Batch;
    for (deviation, mask) in [(0.1, 0.0), (0.0, 0.3), (1.5, 0.2)] {
        add(&format!("perturb {deviation} {mask}"), &|small| {
            Op::Perturb {
                deviation,
                mask,
                layer: 3,
                keys: small.keys(),
                values: small.tensor("values", batch, n),
            }
        });
    }
    add("mix", &|small| Op::Mix {
        shares: small.tensor("shares", Rows::Fixed(1), m),
        other: small.tensor("other", batch, n),
        values: small.tensor("values", batch, n),
    });
    for warp in warps([n, k]) {
        let Warp {
            rotate,
            image: Image { channels, .. },
            ..
        } = warp;
        add(&format!("warp {rotate} {channels}"), &|small| Op::Warp {
            warp,
            layer: 3,
            keys: small.keys(),
            input: small.tensor("input", batch, warp.image.values()),
            output: small.tensor("output", batch, warp.image.values()),
        });
    }
    for kind in [Dropout::Plain, Dropout::Alpha] {
        add(&format!("{kind} dropout"), &|small| Op::Dropout {
            kind,
            layer: 3,
            hyper: small.tensor("hyper", Rows::Fixed(1), Hyper::WIDTH),
            keys: small.keys(),
            input: small.tensor("input", batch, n),
            output: small.tensor("output", batch, n),
        });
        add(&format!("{kind} dropout gradient"), &|small| {
            Op::DropoutGradient {
                kind,
                layer: 3,
                hyper: small.tensor("hyper", Rows::Fixed(1), Hyper::WIDTH),
                keys: small.keys(),
                gradient: small.tensor("gradient", batch, n),
            }
        });
    }
    for log in [false, true] {
        add(&format!("softmax {log}"), &|small| Op::Softmax {
            log,
            logits: small.tensor("logits", batch, n),
            output: small.tensor("output", batch, n),
        });
        add(&format!("softmax gradient {log}"), &|small| {
            Op::SoftmaxGradient {
                log,
                kept: small.tensor("kept", batch, n),
                gradient: small.tensor("gradient", batch, n),
            }
        });
    }
    add("add", &|small| Op::Add {
        a: small.tensor("a", batch, n),
        b: small.tensor("b", batch, n),
        output: small.tensor("output", batch, n),
    });
    add("prelu", &|small| Op::Prelu {
        input: small.tensor("input", batch, n),
        slope: small.tensor("slope", Rows::Fixed(1), 1),
        output: small.tensor("output", batch, n),
    });
    add("prelu gradient", &|small| Op::PreluGradient {
        input: small.tensor("input", batch, n),
        slope: small.tensor("slope", Rows::Fixed(1), 1),
        gradient: small.tensor("gradient", batch, n),
        slopes: small.tensor("slopes", batch, n),
    });
    add("batch norm", &|small| Op::BatchNorm {
        input: small.tensor("input", batch, n),
        scale_shift: small.tensor("scale", Rows::Fixed(2), n),
        running: small.tensor("moment", Rows::Fixed(2), n),
        statistics: small.tensor("statistics", Rows::Fixed(2), n),
        output: small.tensor("output", batch, n),
    });
    add("batch norm inference", &|small| Op::BatchNormInference {
        input: small.tensor("input", batch, n),
        scale_shift: small.tensor("scale", Rows::Fixed(2), n),
        running: small.tensor("moment", Rows::Fixed(2), n),
        output: small.tensor("output", batch, n),
    });
    add("layer norm", &|small| Op::LayerNorm {
        input: small.tensor("input", batch, n),
        scale_shift: small.tensor("scale", Rows::Fixed(2), n),
        statistics: small.tensor("statistics", batch, 2),
        output: small.tensor("output", batch, n),
    });
    add("layer norm gradient", &|small| Op::LayerNormGradient {
        input: small.tensor("input", batch, n),
        scale_shift: small.tensor("scale", Rows::Fixed(2), n),
        statistics: small.tensor("statistics", batch, 2),
        gradient: small.tensor("gradient", batch, n),
    });
    for accumulate in [false, true] {
        add(&format!("batch norm gradient {accumulate}"), &|small| {
            Op::BatchNormGradient {
                input: small.tensor("input", batch, n),
                scale_shift: small.tensor("scale", Rows::Fixed(2), n),
                statistics: small.tensor("statistics", Rows::Fixed(2), n),
                gradient: small.tensor("gradient", batch, n),
                accumulate,
                output: small.tensor("output", Rows::Fixed(2), n),
            }
        });
        add(&format!("layer norm parameters {accumulate}"), &|small| {
            Op::LayerNormParameters {
                input: small.tensor("input", batch, n),
                statistics: small.tensor("statistics", batch, 2),
                gradient: small.tensor("gradient", batch, n),
                accumulate,
                output: small.tensor("output", Rows::Fixed(2), n),
            }
        });
    }
    let shape = Periodic {
        numbers: 1 + k % 5,
        frequencies: 1 + n % 19,
        outputs: 1 + m % 4,
    };
    let rest = k % 3;
    let columns = shape.numbers * shape.width() + rest;
    add("waves", &|small| Op::Periodic {
        shape,
        input: small.tensor("input", batch, shape.numbers + rest),
        parameters: small.tensor("parameters", Rows::Fixed(1), shape.values()),
        output: small.tensor("output", batch, columns),
    });
    let (lookups, width) = (1 + n % 3, 1 + m % 9);
    let looked_up = rest + lookups * width;
    add("lookup", &|small| Op::Lookup {
        lookups,
        input: small.tensor("texts", batch, rest + lookups),
        table: small.tensor("table", Rows::Fixed(lookups * k), width),
        output: small.tensor("output", batch, looked_up),
    });
    for accumulate in [false, true] {
        add(&format!("waves gradient {accumulate}"), &|small| {
            Op::PeriodicGradient {
                shape,
                input: small.tensor("input", batch, shape.numbers + rest),
                parameters: small.tensor("parameters", Rows::Fixed(1), shape.values()),
                gradient: small.tensor("gradient", batch, columns),
                accumulate,
                output: small.tensor("output", Rows::Fixed(1), shape.values()),
            }
        });
        add(&format!("lookup gradient {accumulate}"), &|small| {
            Op::LookupGradient {
                lookups,
                input: small.tensor("texts", batch, rest + lookups),
                gradient: small.tensor("gradient", batch, looked_up),
                accumulate,
                output: small.tensor("output", Rows::Fixed(lookups * k), width),
            }
        });
    }
}

/// Images of up to so many values, and what happens to them.
fn warps([n, k]: [usize; 2]) -> [Warp; 3] {
    let side = |size: usize| size.min(24) as u32;
    let warp = |shift, rotate, cutout, channels, channels_last| Warp {
        image: Image {
            height: side(n),
            width: side(k),
            channels,
            channels_last,
        },
        background: -0.5,
        shift,
        rotate,
        flip: cutout > 0,
        cutout,
    };
    [
        warp(2, 0.0, 0, 1, false),
        warp(0, 180.0, 5, 3, true),
        warp(1, 15.0, 4, 2, false),
    ]
}
