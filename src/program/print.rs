use std::fmt::{Display, Formatter, Result};

use super::{LossWeights, Op, Program, Rows, TensorId, Transpose};

/// One line an op: what it writes from what, with shapes, FLOPs and bytes moved in a step of a full batch.
impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let rows: Vec<[String; 4]> = self
            .ops
            .iter()
            .map(|op| {
                let members = self.members;
                [
                    op.name().to_owned(),
                    self.formula(op),
                    si(members * op.flops(self)),
                    si(members * op.bytes(self)),
                ]
            })
            .collect();
        let header = ["op", "formula", "FLOPs", "bytes"].map(str::to_owned);
        let width = |column: usize| {
            let cells = rows
                .iter()
                .chain([&header])
                .map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2), width(3)];
        for row in [&header].into_iter().chain(&rows) {
            let [op, formula, flops, bytes] = row;
            let [w0, w1, w2, w3] = widths;
            writeln!(f, "{op:w0$}  {formula:w1$}  {flops:>w2$}  {bytes:>w3$}")?;
        }
        let total = |measure: fn(&Op, &Program) -> usize| {
            self.members * self.ops.iter().map(|op| measure(op, self)).sum::<usize>()
        };
        write!(
            f,
            "{} ops, {} member{}, batch {}: {} FLOPs and {} bytes a step",
            self.ops.len(),
            self.members,
            if self.members == 1 { "" } else { "s" },
            self.batch,
            si(total(Op::flops)),
            si(total(Op::bytes)),
        )
    }
}

impl Program {
    /// The op's formula with names and shapes, as `z[128×64] = x[128×30]·layers.0.weight[64×30]ᵀ`.
    pub fn formula(&self, op: &Op) -> String {
        let formula = self.exact(op);
        if self.halved(op).is_some() {
            format!("{formula} in f16")
        } else {
            formula
        }
    }

    fn exact(&self, op: &Op) -> String {
        let t = |tensor: TensorId| {
            let Rows::Fixed(rows) = self.tensors[tensor].rows else {
                return format!(
                    "{}[{}×{}]",
                    self.tensors[tensor].name, self.batch, self.tensors[tensor].columns
                );
            };
            format!(
                "{}[{}×{}]",
                self.tensors[tensor].name, rows, self.tensors[tensor].columns
            )
        };
        let assign = |accumulate: bool| if accumulate { "+=" } else { "=" };
        match op {
            Op::Gather {
                source,
                order,
                output,
            } => format!("{} = {}[{}]", t(*output), t(*source), t(*order)),
            Op::GatherBoth {
                sources: [first, second],
                order,
                outputs: [output, other],
            } => format!(
                "{}, {} = {}, {}[{}]",
                t(*output),
                t(*other),
                t(*first),
                t(*second),
                t(*order)
            ),
            Op::Matmul {
                a,
                b,
                transpose,
                accumulate,
                output,
            } => {
                let (after_a, after_b) = match transpose {
                    Transpose::Neither => ("", ""),
                    Transpose::A => ("ᵀ", ""),
                    Transpose::B => ("", "ᵀ"),
                };
                let assign = assign(*accumulate);
                format!(
                    "{} {assign} {}{after_a}·{}{after_b}",
                    t(*output),
                    t(*a),
                    t(*b)
                )
            }
            Op::BiasAdd { bias, values } => format!("{} += {}", t(*values), t(*bias)),
            Op::Activation {
                function,
                input,
                output,
            } => format!("{} = {function}({})", t(*output), t(*input)),
            Op::MatmulBiasActivation {
                a,
                b,
                bias,
                function,
                output,
            } => format!(
                "{} = {function}({}·{}ᵀ + {})",
                t(*output),
                t(*a),
                t(*b),
                t(*bias)
            ),
            Op::Dropout {
                kind,
                input,
                output,
                ..
            } => format!("{} = {kind} dropout({})", t(*output), t(*input)),
            Op::Perturb {
                deviation,
                mask,
                values,
                ..
            } => format!("{} += {deviation}·noise, {mask} of it = 0", t(*values)),
            Op::Mix {
                shares,
                other,
                values,
            } => format!(
                "{} = λ·{} + (1 − λ)·{}, λ = {}",
                t(*values),
                t(*values),
                t(*other),
                t(*shares)
            ),
            Op::Warp { input, output, .. } => format!("{} = warp({})", t(*output), t(*input)),
            Op::DropoutGradient { kind, gradient, .. } => {
                format!("{} ⊙= {kind} dropout′", t(*gradient))
            }
            Op::LossGradient {
                function,
                weights,
                logits,
                targets,
                gradient,
                rows,
            } => format!(
                "{}, {} = {}{function}({}, {})",
                t(*gradient),
                t(*rows),
                match weights {
                    LossWeights::None => "",
                    LossWeights::Rows | LossWeights::Outputs => "weighted ",
                },
                t(*logits),
                t(*targets)
            ),
            Op::Metrics { rows, log } => format!("{} = Σ {}", t(*log), t(*rows)),
            Op::ActivationGradient {
                function,
                kept,
                gradient,
            } => format!("{} ⊙= {function}′({})", t(*gradient), t(*kept)),
            Op::MatmulActivationGradient {
                a,
                b,
                function,
                kept,
                output,
            } => format!(
                "{} = {}·{} ⊙ {function}′({})",
                t(*output),
                t(*a),
                t(*b),
                t(*kept)
            ),
            Op::BiasGradient {
                gradient,
                accumulate,
                output,
            } => format!("{} {} Σ {}", t(*output), assign(*accumulate), t(*gradient)),
            Op::MatmulBiasGradient {
                a,
                b,
                accumulate,
                output,
                bias,
            } => format!(
                "{}, {} {} {}ᵀ·{}, Σ",
                t(*output),
                t(*bias),
                assign(*accumulate),
                t(*a),
                t(*b)
            ),
            Op::Update {
                optimizer,
                parameters,
                gradients,
                moments,
                ..
            } => {
                let written = [&[*parameters], &moments[..]].concat();
                let written: Vec<_> = written.into_iter().map(t).collect();
                let rule = optimizer.rule;
                format!("{} ← {rule}({})", written.join(", "), t(*gradients))
            }
            Op::ClipValue { limit, values } => {
                format!("{} = clamp({}, ±{limit})", t(*values), t(*values))
            }
            Op::SquareSums { values, sums } => format!("{} = Σ {}²", t(*sums), t(*values)),
            Op::ClipNorm {
                limit,
                sums,
                values,
            } => format!("{} *= min(1, {limit}/√Σ {})", t(*values), t(*sums)),
            Op::Momentum {
                nesterov,
                moment,
                gradient,
                ..
            } => {
                let kind = if *nesterov { "Nesterov's " } else { "" };
                format!("{}, {} ← {kind}momentum", t(*moment), t(*gradient))
            }
            Op::Normalize {
                sums,
                values,
                output,
            } => format!("{} = {}/√Σ {}", t(*output), t(*values), t(*sums)),
            Op::Combine {
                factors: [own, others],
                other,
                values,
            } => format!(
                "{} = {own}·{} + {others}·{}",
                t(*values),
                t(*values),
                t(*other)
            ),
            Op::MaxNorm { limit, values } => {
                format!("{} *= min(1, {limit}/‖row‖)", t(*values))
            }
            Op::Average {
                parameters,
                average,
            } => format!("{} ← mean({})", t(*average), t(*parameters)),
            Op::Add { a, b, output } => format!("{} = {} + {}", t(*output), t(*a), t(*b)),
            Op::Prelu {
                input,
                slope,
                output,
            } => format!("{} = prelu({}, {})", t(*output), t(*input), t(*slope)),
            Op::PreluGradient {
                input,
                slope,
                gradient,
                slopes,
            } => format!(
                "{}, {} ⊙= prelu′({}, {})",
                t(*slopes),
                t(*gradient),
                t(*input),
                t(*slope)
            ),
            Op::BatchNorm {
                input,
                scale_shift,
                running,
                output,
                ..
            } => format!(
                "{}, {} ← batch norm({}, {})",
                t(*output),
                t(*running),
                t(*input),
                t(*scale_shift)
            ),
            Op::BatchNormInference {
                input,
                scale_shift,
                running,
                output,
            } => format!(
                "{} = norm({}, {}, {})",
                t(*output),
                t(*input),
                t(*scale_shift),
                t(*running)
            ),
            Op::BatchNormGradient {
                input,
                gradient,
                accumulate,
                output,
                ..
            } => format!(
                "{} {} Σ batch norm′({}, {})",
                t(*output),
                assign(*accumulate),
                t(*input),
                t(*gradient)
            ),
            Op::LayerNorm {
                input,
                scale_shift,
                output,
                ..
            } => format!(
                "{} = layer norm({}, {})",
                t(*output),
                t(*input),
                t(*scale_shift)
            ),
            Op::LayerNormParameters {
                input,
                gradient,
                accumulate,
                output,
                ..
            } => format!(
                "{} {} Σ {} ⊙ layer norm({})",
                t(*output),
                assign(*accumulate),
                t(*gradient),
                t(*input)
            ),
            Op::LayerNormGradient {
                input, gradient, ..
            } => format!("{} ← layer norm′({})", t(*gradient), t(*input)),
            Op::Periodic {
                input,
                parameters,
                output,
                ..
            } => format!("{} = waves({}, {})", t(*output), t(*input), t(*parameters)),
            Op::PeriodicGradient {
                input,
                gradient,
                accumulate,
                output,
                ..
            } => format!(
                "{} {} Σ {} ⊙ waves′({})",
                t(*output),
                assign(*accumulate),
                t(*gradient),
                t(*input)
            ),
            Op::Lookup {
                input,
                table,
                output,
                ..
            } => format!("{} = {}[{}]", t(*output), t(*table), t(*input)),
            Op::LookupGradient {
                input,
                gradient,
                accumulate,
                output,
                ..
            } => format!(
                "{}[{}] {} Σ {}",
                t(*output),
                t(*input),
                assign(*accumulate),
                t(*gradient)
            ),
            Op::Answers { logits, output, .. } => {
                format!("{} = answers({})", t(*output), t(*logits))
            }
            Op::Join {
                members,
                answers,
                output,
                ..
            } => format!("{} = mean of {members} {}", t(*output), t(*answers)),
            Op::Verdict {
                answers,
                targets,
                rows,
            } => format!("{} = verdicts({}, {})", t(*rows), t(*answers), t(*targets)),
            Op::TallyClasses {
                rows, counts, sums, ..
            } => format!("{}, {} += Σ {}", t(*counts), t(*sums), t(*rows)),
            Op::TallyLabels {
                answers,
                targets,
                counts,
                sums,
                ..
            }
            | Op::TallyValues {
                answers,
                targets,
                counts,
                sums,
                ..
            } => format!(
                "{}, {} += Σ tally({}, {})",
                t(*counts),
                t(*sums),
                t(*answers),
                t(*targets)
            ),
            Op::Keep { values, kept, .. } => format!("{} ← {}", t(*kept), t(*values)),
            Op::Clear { values } => format!("{} = 0", t(*values)),
            Op::Softmax {
                log,
                logits,
                output,
            } => {
                let function = if *log { "log-softmax" } else { "softmax" };
                format!("{} = {function}({})", t(*output), t(*logits))
            }
            Op::SoftmaxGradient {
                log,
                kept,
                gradient,
            } => {
                let function = if *log { "log-softmax" } else { "softmax" };
                format!("{} ← {function}′({})", t(*gradient), t(*kept))
            }
        }
    }
}

/// A count with three significant digits and its prefix: 1,234,567 is `1.23 M`.
fn si(count: usize) -> String {
    const PREFIXES: [&str; 5] = ["", " k", " M", " G", " T"];
    if count < 1000 {
        return count.to_string();
    }
    let mut value = count as f64;
    let mut prefix = 0;
    while value >= 999.5 && prefix + 1 < PREFIXES.len() {
        value /= 1000.0;
        prefix += 1;
    }
    let decimals = if value < 9.995 {
        2
    } else {
        usize::from(value < 99.95)
    };
    format!("{value:.decimals$}{}", PREFIXES[prefix])
}

#[cfg(test)]
mod tests {
    use super::si;

    #[test]
    fn counts_keep_three_digits() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00 k"),
            (9_999, "10.0 k"),
            (999_999, "1.00 M"),
            (1_234_567, "1.23 M"),
        ] {
            assert_eq!(si(count), text);
        }
    }
}
