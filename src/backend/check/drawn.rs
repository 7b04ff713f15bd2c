use rand::RngExt;

use crate::backend::{Backend, BackendError, Data, run_all};
use crate::program::{BINS, Element, Hyper, Op, Program, Step, buffer};
use crate::random::{Purpose, Stream};

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
            } else if name == buffer::MOMENTS {
                // Deviations among them, which are never zero.
                values = values
                    .into_iter()
                    .map(|value| value.abs().max(1e-3))
                    .collect();
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
