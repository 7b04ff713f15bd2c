//! Every kernel on an adapter against its twin: programs of one op each, from drawn values.

use clap::ValueEnum;
use rand::RngExt;

use super::cpu::CpuBackend;
use super::gpu::{AdapterChoice, GpuBackend, Mode};
use super::{Backend, BackendError, Data, run_all, tolerance};
use crate::model::{Activation, Dropout, Network, Periodic};
use crate::program::{
    Answer, BINS, Capacity, Element, Hyper, Image, Levels, Loss, LossFunction, LossWeights, Op,
    Optimizer, Program, Reduction, Rows, Rule, Step, Tallied, TensorId, Transpose, Warp, buffer,
    chunk, record,
};
use crate::random::{Purpose, Stream};

/// How far a kernel is from its twin.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The kernel's name, as its file has it.
    pub kernel: &'static str,
    /// Programs that it was tried in.
    pub cases: usize,
    /// The largest difference of a value, relative to the largest value of its tensor, or to 1 if that is less.
    pub error: f32,
}

impl Check {
    /// Whether the kernel agrees with its twin.
    pub fn passed(&self) -> bool {
        self.error <= tolerance(self.kernel)
    }
}

/// Sizes of the products that are tried: one of everything, around a subgroup, around a tile, over a few of them.
const SIZES: [[usize; 3]; 5] = [
    [1, 1, 1],
    [7, 9, 5],
    [33, 31, 17],
    [64, 65, 63],
    [130, 70, 200],
];

/// Runs every kernel on an adapter and compares it with its twin.
pub fn check(choice: &AdapterChoice) -> Result<Vec<Check>, BackendError> {
    let mut checks: Vec<Check> = Vec::new();
    let mut gpu = GpuBackend::open(choice)?.with_mode(Mode::Dispatches);
    for (number, [m, n, k]) in SIZES.into_iter().enumerate() {
        for (kernel, program) in kernels([m, n, k], 2, number) {
            let error = difference(&mut gpu, &program, (m, number as u64), Drawn::Usual)?;
            note(&mut checks, kernel, error);
        }
    }
    for (number, function) in LossFunction::ALL.into_iter().enumerate() {
        let mut resident = GpuBackend::open(choice)?.with_mode(Mode::Resident);
        let outputs = 3 * function.width();
        let network = Network::new(5, &[9, 8], Activation::Tanh, outputs, Activation::Identity);
        let loss = Loss::new(function, Reduction::Mean);
        let capacity = Capacity {
            members: 2,
            batch: 12,
            rows: 30,
            order: 12,
            records: 1,
        };
        let program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
        let error = difference(&mut resident, &program, (12, number as u64), Drawn::Usual)?;
        note(&mut checks, "steps", error);
    }
    checks.sort_by_key(|check| check.kernel);
    Ok(checks)
}

fn note(checks: &mut Vec<Check>, kernel: &'static str, error: f32) {
    match checks.iter_mut().find(|check| check.kernel == kernel) {
        Some(check) => {
            check.cases += 1;
            check.error = check.error.max(error);
        }
        None => checks.push(Check {
            kernel,
            cases: 1,
            error,
        }),
    }
}

/// A program of one op for each kernel and each of its forms, over a batch of `m` rows, `n` columns and sums of `k` terms.
/// Buffer names end in `number`, so that one backend takes programs of several sizes.
pub fn kernels(
    [m, n, k]: [usize; 3],
    members: usize,
    number: usize,
) -> Vec<(&'static str, Program)> {
    let mut programs = Vec::new();
    let mut add = |name: &str, make: &dyn Fn(&mut Small) -> Op| {
        let mut small = Small {
            program: Program {
                members,
                batch: m,
                buffers: Vec::new(),
                tensors: Vec::new(),
                ops: Vec::new(),
            },
            suffix: format!("{name} {number}"),
        };
        let op = make(&mut small);
        let kernel = op.name();
        small.program.ops.push(op);
        programs.push((kernel, small.program));
    };
    let batch = Rows::Batch;
    add("gather", &|small| Op::Gather {
        source: small.shared("source", k, n),
        order: small.order(m),
        output: small.tensor("output", batch, n),
    });
    add("gather both", &|small| Op::GatherBoth {
        sources: [
            small.shared("source", k, n),
            small.shared("other source", k, m),
        ],
        order: small.order(m),
        outputs: [
            small.tensor("output", batch, n),
            small.tensor("other output", batch, m),
        ],
    });
    for accumulate in [false, true] {
        add(&format!("weights and bias {accumulate}"), &|small| {
            let [output, bias] = small.flat("gradients", [[k, n], [1, k]]);
            Op::MatmulBiasGradient {
                a: small.tensor("a", batch, k),
                b: small.tensor("b", batch, n),
                accumulate,
                output,
                bias,
            }
        });
        add(&format!("forward {accumulate}"), &|small| Op::Matmul {
            a: small.tensor("a", batch, k),
            b: small.tensor("b", Rows::Fixed(n), k),
            transpose: Transpose::B,
            accumulate,
            output: small.tensor("output", batch, n),
        });
        add(&format!("backward {accumulate}"), &|small| Op::Matmul {
            a: small.tensor("a", batch, k),
            b: small.tensor("b", Rows::Fixed(k), n),
            transpose: Transpose::Neither,
            accumulate,
            output: small.tensor("output", batch, n),
        });
        add(&format!("weights {accumulate}"), &|small| Op::Matmul {
            a: small.tensor("a", batch, k),
            b: small.tensor("b", batch, n),
            transpose: Transpose::A,
            accumulate,
            output: small.tensor("output", Rows::Fixed(k), n),
        });
        add(&format!("bias gradient {accumulate}"), &|small| {
            Op::BiasGradient {
                gradient: small.tensor("gradient", batch, n),
                accumulate,
                output: small.tensor("output", Rows::Fixed(1), n),
            }
        });
    }
    add("bias", &|small| Op::BiasAdd {
        bias: small.tensor("bias", Rows::Fixed(1), n),
        values: small.tensor("values", batch, n),
    });
    for function in Activation::ELEMENTWISE {
        add(&format!("activation {function}"), &|small| Op::Activation {
            function,
            input: small.tensor("input", batch, n),
            output: small.tensor("output", batch, n),
        });
        add(&format!("fused forward {function}"), &|small| {
            Op::MatmulBiasActivation {
                a: small.tensor("a", batch, k),
                b: small.tensor("b", Rows::Fixed(n), k),
                bias: small.tensor("bias", Rows::Fixed(1), n),
                function,
                output: small.tensor("output", batch, n),
            }
        });
        add(&format!("activation gradient {function}"), &|small| {
            Op::ActivationGradient {
                function,
                kept: small.tensor("kept", batch, n),
                gradient: small.tensor("gradient", batch, n),
            }
        });
        add(&format!("fused backward {function}"), &|small| {
            Op::MatmulActivationGradient {
                a: small.tensor("a", batch, k),
                b: small.tensor("b", Rows::Fixed(k), n),
                function,
                kept: small.tensor("kept", batch, n),
                output: small.tensor("output", batch, n),
            }
        });
    }
    for function in LossFunction::ALL {
        let columns = if function.of_class() { 1 } else { n };
        let outputs = n * function.width();
        for weights in [LossWeights::None, LossWeights::Rows, LossWeights::Outputs] {
            let single = !function.of_class() && function != LossFunction::Gaussian;
            if weights == LossWeights::Outputs && !single {
                continue;
            }
            add(&format!("loss {function} {weights:?}"), &|small| {
                Op::LossGradient {
                    function,
                    weights,
                    logits: small.tensor("logits", batch, outputs),
                    targets: small.tensor(
                        if function.of_class() {
                            "classes"
                        } else {
                            "values"
                        },
                        batch,
                        columns + weights.columns(outputs),
                    ),
                    gradient: small.tensor("gradient", batch, outputs),
                    rows: small.tensor("rows", batch, record::WIDTH),
                }
            });
        }
    }
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
    add("metrics", &|small| Op::Metrics {
        rows: small.tensor("rows", batch, record::WIDTH),
        log: small.tensor("log", Rows::Fixed(3), record::WIDTH),
    });
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
    let logarithm = false;
    let levels = Levels::of([0.1, 0.5, 0.875]);
    for answer in [
        Answer::Pair,
        Answer::Clamped,
        Answer::Exponential,
        Answer::Normal,
        Answer::Values { logarithm },
        Answer::Values { logarithm: true },
        Answer::Quantiles { levels, logarithm },
    ] {
        let width = match answer {
            Answer::Normal => 2,
            Answer::Quantiles { .. } => levels.values().len(),
            _ => 1,
        };
        let outputs = n * width;
        let tallied = answer.tallied(outputs);
        add(&format!("{answer:?}"), &|small| Op::Answers {
            answer,
            logits: small.tensor("logits", batch, outputs),
            moments: small.shared("moments", tallied.targets(), 2),
            output: small.tensor("output", batch, answer.columns(outputs)),
        });
        if let Tallied::Values {
            width,
            place,
            levels,
            ..
        } = tallied
        {
            add(&format!("tally {answer:?}"), &|small| Op::TallyValues {
                width,
                place,
                levels,
                record: 0,
                answers: small.tensor("answers", batch, outputs),
                targets: small.tensor("targets", batch, n),
                moments: small.shared("moments", n, 2),
                counts: small.tensor("counts", Rows::Fixed(1), tallied.counts()),
                sums: small.tensor("sums", Rows::Fixed(2), tallied.sums()),
            });
        }
    }
    add("verdict", &|small| Op::Verdict {
        answers: small.tensor("answers", batch, n),
        targets: small.tensor("classes", batch, 1),
        rows: small.tensor("rows", batch, Op::VERDICT),
    });
    let tallied = Tallied::Classes { classes: n };
    add("tally classes", &|small| Op::TallyClasses {
        classes: n,
        record: 0,
        rows: small.tensor("verdicts", batch, Op::VERDICT),
        counts: small.tensor("counts", Rows::Fixed(1), tallied.counts()),
        sums: small.tensor("sums", Rows::Fixed(2), tallied.sums()),
    });
    let tallied = Tallied::Labels { labels: n };
    add("tally labels", &|small| Op::TallyLabels {
        record: 0,
        answers: small.tensor("answers", batch, n),
        targets: small.tensor("targets", batch, n),
        counts: small.tensor("counts", Rows::Fixed(1), tallied.counts()),
        sums: small.tensor("sums", Rows::Fixed(2), tallied.sums()),
    });
    add("keep", &|small| Op::Keep {
        first: 0,
        values: small.tensor("values", batch, n),
        kept: small.tensor("kept", Rows::Fixed(m + 1), n),
    });
    add("clear", &|small| Op::Clear {
        values: small.tensor("values", Rows::Fixed(1), n * k),
    });
    for limit in [0.5, 1000.0] {
        add(&format!("clip value {limit}"), &|small| Op::ClipValue {
            limit,
            values: small.tensor("values", Rows::Fixed(1), n * k),
        });
        add(&format!("clip norm {limit}"), &|small| Op::ClipNorm {
            limit,
            sums: small.tensor("moment of sums", Rows::Fixed(1), n),
            values: small.tensor("values", Rows::Fixed(1), n * k),
        });
    }
    for limit in [0.5, 1000.0] {
        add(&format!("max norm {limit}"), &|small| Op::MaxNorm {
            limit,
            values: small.tensor("values", Rows::Fixed(k), n),
        });
    }
    for nesterov in [false, true] {
        add(&format!("momentum {nesterov}"), &|small| Op::Momentum {
            nesterov,
            hyper: small.tensor("hyper", Rows::Fixed(1), Hyper::WIDTH),
            moment: small.tensor("moment", Rows::Fixed(1), n * k),
            gradient: small.tensor("gradient", Rows::Fixed(1), n * k),
        });
    }
    add("normalize", &|small| Op::Normalize {
        sums: small.tensor("moment of sums", Rows::Fixed(1), n),
        values: small.tensor("values", Rows::Fixed(1), n * k),
        output: small.tensor("output", Rows::Fixed(1), n * k),
    });
    add("combine", &|small| Op::Combine {
        factors: [2.0, -1.5],
        other: small.tensor("other", Rows::Fixed(1), n * k),
        values: small.tensor("values", Rows::Fixed(1), n * k),
    });
    add("average", &|small| Op::Average {
        parameters: small.tensor("parameters", Rows::Fixed(1), n * k),
        average: small.tensor("average", Rows::Fixed(1), n * k),
    });
    add("square sums", &|small| Op::SquareSums {
        values: small.tensor("values", Rows::Fixed(1), n * k),
        sums: small.tensor("sums", Rows::Fixed(1), (n * k).div_ceil(chunk(n * k))),
    });
    for &rule in Rule::value_variants() {
        for nesterov in [false, true]
            .into_iter()
            .take(1 + usize::from(rule == Rule::Sgd))
        {
            let optimizer = Optimizer {
                nesterov,
                ..Optimizer::new(rule)
            };
            // What Muon remembers is its momentum's, an op of its own.
            let moments = if rule == Rule::Muon {
                &[]
            } else {
                optimizer.moments()
            };
            add(&format!("{rule} {nesterov}"), &|small| {
                let mut flat = |name: &str| small.tensor(name, Rows::Fixed(1), n * k);
                Op::Update {
                    optimizer,
                    parameters: flat("parameters"),
                    gradients: flat("gradients"),
                    moments: moments.iter().map(|name| flat(name)).collect(),
                    hyper: small.tensor("hyper", Rows::Fixed(1), Hyper::WIDTH),
                    decayed: n * k / 2,
                }
            });
        }
    }
    programs
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

/// A program of one op, as it grows.
struct Small {
    program: Program,
    suffix: String,
}

impl Small {
    fn tensor(&mut self, name: &str, rows: Rows, columns: usize) -> TensorId {
        let name = format!("{name} {}", self.suffix);
        self.program.add_own(&name, rows, columns)
    }

    /// Tensors of a buffer of their own, one behind the other.
    fn flat<const N: usize>(&mut self, name: &str, shapes: [[usize; 2]; N]) -> [TensorId; N] {
        let name = format!("{name} {}", self.suffix);
        let len = shapes.iter().map(|[rows, columns]| rows * columns).sum();
        let place = self.program.add_buffer(&name, Element::F32, len, false);
        let mut offset = 0;
        shapes.map(|[rows, columns]| {
            let at = offset;
            offset += rows * columns;
            let rows = Rows::Fixed(rows);
            self.program.add_tensor(&name, place, at, rows, columns)
        })
    }

    fn shared(&mut self, name: &str, rows: usize, columns: usize) -> TensorId {
        let name = format!("{name} {}", self.suffix);
        let place = self
            .program
            .add_buffer(&name, Element::F32, rows * columns, true);
        self.program
            .add_tensor(&name, place, 0, Rows::Fixed(rows), columns)
    }

    fn order(&mut self, len: usize) -> TensorId {
        self.indices(buffer::ORDER, len)
    }

    fn keys(&mut self) -> TensorId {
        self.indices(buffer::KEYS, 2)
    }

    fn indices(&mut self, name: &str, len: usize) -> TensorId {
        let name = format!("{name} {}", self.suffix);
        let place = self.program.add_buffer(&name, Element::U32, len, false);
        self.program
            .add_tensor(&name, place, 0, Rows::Fixed(1), len)
    }
}

/// What values a program is tried with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Between −2 and 2.
    Usual,
    /// The same times 10⁻³⁹: too small for a normal number. An adapter may take them for zeros.
    Denormal,
    /// The same with ±∞ among them, of the logits or what a function is applied to.
    Infinite,
    /// Zeros, as which denormal numbers may be taken.
    Zero,
}

impl Drawn {
    fn apply(self, name: &str, values: &mut [f32]) {
        let infinite = name.starts_with("logits") || name.starts_with("input");
        match self {
            Drawn::Denormal => values.iter_mut().for_each(|value| *value *= 1e-39),
            Drawn::Zero => values.fill(0.0),
            Drawn::Infinite if infinite => {
                for value in values.iter_mut().filter(|value| value.abs() > 1.7) {
                    *value *= f32::INFINITY;
                }
            }
            Drawn::Usual | Drawn::Infinite => {}
        }
    }
}

/// The largest difference that a backend's buffers have from the twins' after a step of `rows` rows from values that are drawn by
/// `seed`, relative to the largest value of each buffer, or to 1 if that is less. What is no finite number is infinitely far, unless
/// there are infinite ones among what is drawn: then the twin has none there either.
pub fn difference(
    backend: &mut dyn Backend,
    program: &Program,
    (rows, seed): (usize, u64),
    drawn: Drawn,
) -> Result<f32, BackendError> {
    let found = contents(backend, program, (rows, seed), drawn)?;
    let references: &[Drawn] = match drawn {
        Drawn::Denormal => &[Drawn::Denormal, Drawn::Zero],
        _ => &[drawn],
    };
    let mut expected = Vec::new();
    for &drawn in references {
        let mut twins = CpuBackend::<f32>::new();
        expected.push(contents(&mut twins, program, (rows, seed), drawn)?);
    }
    let mut largest = 0.0_f32;
    for (place, found) in found.iter().enumerate() {
        let finite = expected[0][place].iter().filter(|value| value.is_finite());
        let scale = finite.fold(1.0_f32, |scale, value| scale.max(value.abs()));
        for (index, &found) in found.iter().enumerate() {
            let of = expected
                .iter()
                .map(|expected| error(found, expected[place][index], scale, drawn));
            largest = largest.max(of.fold(f32::INFINITY, f32::min));
        }
    }
    Ok(largest)
}

fn error(found: f32, expected: f32, scale: f32, drawn: Drawn) -> f32 {
    match [found, expected].map(f32::is_finite) {
        [true, true] => (found - expected).abs() / scale,
        [false, false] if drawn == Drawn::Infinite => 0.0,
        _ => f32::INFINITY,
    }
}

/// Fills a program's buffers with what is drawn by `seed`, runs a step of `rows` rows, and reads the buffers that the members own.
pub fn contents(
    backend: &mut dyn Backend,
    program: &Program,
    (rows, seed): (usize, u64),
    drawn: Drawn,
) -> Result<Vec<Vec<f32>>, BackendError> {
    let step = Step {
        rows: rows as u32,
        loss_scale: 1.0 / rows as f32,
        rate: 0.5,
        correction1: 0.1,
        correction2: 0.001,
        correction3: 0.5,
        number: 7,
        average: 0.25,
        ..Step::default()
    };
    let compiled = backend.compile(program)?;
    let height = program.ops.iter().find_map(|op| match op {
        Op::Gather { source, .. } => Some(program.rows(*source) as u32),
        Op::GatherBoth { sources, .. } => Some(program.rows(sources[0]) as u32),
        _ => None,
    });
    let classes = program.ops.iter().find_map(|op| match op {
        Op::LossGradient {
            function, logits, ..
        } if function.of_class() => Some(program.tensors[*logits].columns as f32),
        Op::Verdict { answers, .. } => Some(program.tensors[*answers].columns as f32),
        Op::TallyClasses { classes, .. } => Some(*classes as f32),
        _ => None,
    });
    let table = program.ops.iter().find_map(|op| match *op {
        Op::Lookup {
            lookups,
            table: rows,
            ..
        }
        | Op::LookupGradient {
            lookups,
            output: rows,
            ..
        } => Some((lookups, program.rows(rows))),
        _ => None,
    });
    for (position, described) in program.buffers.iter().enumerate() {
        let members = if described.shared { 1 } else { program.members };
        for member in 0..members {
            let mut stream =
                Stream::new(seed, Purpose::Check, (position * members + member) as u32);
            if described.element == Element::U32 {
                let keys = described.name.starts_with(buffer::KEYS);
                let most = if keys { u32::MAX } else { height.unwrap_or(1) };
                let draw = |_| stream.random_range(0..most);
                let order: Vec<u32> = (0..described.len).map(draw).collect();
                backend.write(&described.name, member, 0, Data::U32(&order))?;
                continue;
            }
            let mut values: Vec<f32> = (0..described.len)
                .map(|_| stream.random_range(-2.0..2.0))
                .collect();
            let name = described.name.as_str();
            if name.starts_with(buffer::HYPER) {
                let hyper = Hyper {
                    learning_rate: 0.01,
                    weight_decay: 0.02,
                    momentum: 0.9,
                    l1: 0.01,
                    dropout: 0.3,
                    ..Hyper::default()
                };
                values.copy_from_slice(bytemuck::cast_slice(&[hyper]));
            } else if name.contains("lion") {
                // Multiples of 1/8 and those between: their mean is nowhere near zero, where a sign jumps.
                let between = if name.starts_with("moment") {
                    0.0625
                } else {
                    0.0
                };
                let to_grid = |value: f32| (value * 8.0).round() / 8.0 + between;
                values = values.into_iter().map(to_grid).collect();
            } else if name.starts_with("moment") || name == buffer::RUNNING {
                values = values.into_iter().map(f32::abs).collect();
            } else if let Some(classes) = classes
                && (name.starts_with("classes") || name == buffer::TARGETS)
            {
                let class = |value: f32| ((value + 2.0) / 4.0 * classes).floor().min(classes - 1.0);
                values = values.into_iter().map(class).collect();
            } else if let Some(classes) = classes
                && name.starts_with("verdicts")
            {
                let among =
                    |value: f32, of: f32| ((value + 2.0) / 4.0 * of).floor().clamp(0.0, of - 1.0);
                for row in values.chunks_exact_mut(Op::VERDICT) {
                    for (place, of) in [(0, classes), (1, classes), (2, classes), (5, BINS as f32)]
                    {
                        row[place] = among(row[place], of);
                    }
                }
            } else {
                drawn.apply(name, &mut values);
            }
            if let Some((lookups, height)) = table
                && (name.starts_with("texts") || name == buffer::INPUTS)
            {
                let of_buffer = program
                    .tensors
                    .iter()
                    .find(|tensor| tensor.buffer == position);
                let columns = of_buffer.map_or(lookups, |tensor| tensor.columns);
                // As many rows of the table for each column.
                let each = (height / lookups) as f32;
                for row in values.chunks_exact_mut(columns) {
                    for (column, value) in row[columns - lookups..].iter_mut().enumerate() {
                        let drawn = ((*value + 2.0) / 4.0 * each).floor().min(each - 1.0);
                        *value = column as f32 * each + drawn;
                    }
                }
            }
            backend.write(name, member, 0, Data::F32(&values))?;
        }
    }
    run_all(backend, compiled, &[step])?;
    let owned = program
        .buffers
        .iter()
        .filter(|described| !described.shared && described.element == Element::F32);
    let mut contents = Vec::new();
    for described in owned {
        for member in 0..program.members {
            contents.push(backend.read(&described.name, member, 0, described.len)?);
        }
    }
    Ok(contents)
}
