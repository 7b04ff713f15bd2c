use super::small::Add;
use crate::program::{Answer, Levels, LossFunction, LossWeights, Op, Rows, Tallied, record};

/// Losses, and what is counted and summed up.
pub(super) fn evaluations(add: &mut Add<'_>, [m, n, _]: [usize; 3]) {
    let batch = Rows::Batch;
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
    add("metrics", &|small| Op::Metrics {
        rows: small.tensor("rows", batch, record::WIDTH),
        log: small.tensor("log", Rows::Fixed(3), record::WIDTH),
    });
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
    for normal in [false, true] {
        add(&format!("join {normal}"), &|small| Op::Join {
            members: small.program.members,
            normal,
            answers: small.tensor("answers", batch, 2 * n),
            output: small.tensor("output", batch, 2 * n),
        });
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
}
