use super::Op;
use crate::program::TensorId;

impl Op {
    /// Tensors it reads only.
    pub fn reads(&self) -> Vec<TensorId> {
        match *self {
            Op::Gather { source, order, .. } => vec![source, order],
            Op::GatherBoth {
                sources: [first, second],
                order,
                ..
            } => vec![first, second, order],
            Op::Matmul { a, b, .. } | Op::MatmulBiasGradient { a, b, .. } => vec![a, b],
            Op::BiasAdd { bias, .. } => vec![bias],
            Op::Activation { input, .. } => vec![input],
            Op::MatmulBiasActivation { a, b, bias, .. } => vec![a, b, bias],
            Op::Dropout {
                hyper, keys, input, ..
            } => vec![hyper, keys, input],
            Op::DropoutGradient { hyper, keys, .. } => vec![hyper, keys],
            Op::LossGradient {
                logits, targets, ..
            } => vec![logits, targets],
            Op::Metrics { rows, .. } => vec![rows],
            Op::ActivationGradient { kept, .. } | Op::SoftmaxGradient { kept, .. } => vec![kept],
            Op::MatmulActivationGradient { a, b, kept, .. } => vec![a, b, kept],
            Op::BiasGradient { gradient, .. } => vec![gradient],
            Op::Update {
                gradients, hyper, ..
            } => vec![gradients, hyper],
            Op::SquareSums { values, .. } => vec![values],
            Op::Average { parameters, .. } => vec![parameters],
            Op::ClipNorm { sums, .. } => vec![sums],
            Op::Momentum { hyper, .. } => vec![hyper],
            Op::Normalize { sums, values, .. } => vec![sums, values],
            Op::Combine { other, .. } => vec![other],
            Op::ClipValue { .. } | Op::MaxNorm { .. } | Op::Clear { .. } => vec![],
            Op::Add { a, b, .. } => vec![a, b],
            Op::Perturb { keys, .. } => vec![keys],
            Op::Mix { shares, other, .. } => vec![shares, other],
            Op::Warp { keys, input, .. } => vec![keys, input],
            Op::Prelu { input, slope, .. } | Op::PreluGradient { input, slope, .. } => {
                vec![input, slope]
            }
            Op::BatchNorm {
                input, scale_shift, ..
            }
            | Op::LayerNorm {
                input, scale_shift, ..
            } => vec![input, scale_shift],
            Op::BatchNormInference {
                input,
                scale_shift,
                running,
                ..
            } => vec![input, scale_shift, running],
            Op::BatchNormGradient {
                input,
                scale_shift,
                statistics,
                ..
            }
            | Op::LayerNormGradient {
                input,
                scale_shift,
                statistics,
                ..
            } => vec![input, scale_shift, statistics],
            Op::LayerNormParameters {
                input,
                statistics,
                gradient,
                ..
            } => vec![input, statistics, gradient],
            Op::Softmax { logits, .. } => vec![logits],
            Op::Answers {
                logits, moments, ..
            } => vec![logits, moments],
            Op::Verdict {
                answers, targets, ..
            }
            | Op::TallyLabels {
                answers, targets, ..
            } => vec![answers, targets],
            Op::TallyClasses { rows, .. } => vec![rows],
            Op::TallyValues {
                answers,
                targets,
                moments,
                ..
            } => vec![answers, targets, moments],
            Op::Keep { values, .. } => vec![values],
            Op::Join { answers, .. } => vec![answers],
            Op::Periodic {
                input, parameters, ..
            } => vec![input, parameters],
            Op::PeriodicGradient {
                input,
                parameters,
                gradient,
                ..
            } => vec![input, parameters, gradient],
            Op::Lookup { input, table, .. } => vec![input, table],
            Op::LookupGradient {
                input, gradient, ..
            } => vec![input, gradient],
        }
    }

    /// Tensors it writes, or changes in place.
    pub fn writes(&self) -> Vec<TensorId> {
        match *self {
            Op::Gather { output, .. }
            | Op::Matmul { output, .. }
            | Op::Activation { output, .. }
            | Op::MatmulBiasActivation { output, .. }
            | Op::Dropout { output, .. }
            | Op::Warp { output, .. }
            | Op::MatmulActivationGradient { output, .. }
            | Op::BiasGradient { output, .. }
            | Op::Normalize { output, .. }
            | Op::Add { output, .. }
            | Op::Prelu { output, .. }
            | Op::BatchNormInference { output, .. }
            | Op::LayerNormParameters { output, .. }
            | Op::Periodic { output, .. }
            | Op::PeriodicGradient { output, .. }
            | Op::Lookup { output, .. }
            | Op::LookupGradient { output, .. }
            | Op::Answers { output, .. }
            | Op::Join { output, .. }
            | Op::Softmax { output, .. } => vec![output],
            Op::Verdict { rows, .. } => vec![rows],
            Op::TallyClasses { counts, sums, .. }
            | Op::TallyLabels { counts, sums, .. }
            | Op::TallyValues { counts, sums, .. } => vec![counts, sums],
            Op::Keep { kept, .. } => vec![kept],
            Op::PreluGradient {
                gradient, slopes, ..
            } => vec![gradient, slopes],
            Op::BatchNorm {
                running,
                statistics,
                output,
                ..
            } => vec![running, statistics, output],
            Op::BatchNormGradient {
                gradient, output, ..
            } => vec![gradient, output],
            Op::LayerNorm {
                statistics, output, ..
            } => vec![statistics, output],
            Op::BiasAdd { values, .. }
            | Op::Perturb { values, .. }
            | Op::Mix { values, .. }
            | Op::ClipValue { values, .. }
            | Op::ClipNorm { values, .. }
            | Op::MaxNorm { values, .. }
            | Op::Combine { values, .. }
            | Op::Clear { values } => vec![values],
            Op::Momentum {
                moment, gradient, ..
            } => vec![moment, gradient],
            Op::GatherBoth { outputs, .. } => outputs.to_vec(),
            Op::MatmulBiasGradient { output, bias, .. } => vec![output, bias],
            Op::SquareSums { sums, .. } => vec![sums],
            Op::Average { average, .. } => vec![average],
            Op::LossGradient { gradient, rows, .. } => vec![gradient, rows],
            Op::Metrics { log, .. } => vec![log],
            Op::ActivationGradient { gradient, .. }
            | Op::DropoutGradient { gradient, .. }
            | Op::LayerNormGradient { gradient, .. }
            | Op::SoftmaxGradient { gradient, .. } => vec![gradient],
            Op::Update {
                parameters,
                ref moments,
                ..
            } => [&[parameters], &moments[..]].concat(),
        }
    }
}
