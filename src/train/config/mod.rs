mod batch_size;
mod limits;
mod window;

pub use batch_size::BatchSize;
pub use window::Window;

use serde::{Deserialize, Serialize};
use toml::de::DeTable;

use self::limits::{degrees, fraction, momentum, not_negative, positive, power, share};
use super::{
    ClassWeight, HiddenLayers, LossChoice, Monitor, OnDivergence, OptimizerChoice, PosWeight,
    Sampling, ScheduleName, Warmup,
};
use crate::data::{Numeric, PreprocessMode, TargetTransform, Task};
use crate::model::{Activation, Initializer, Normalization};
use crate::program::{Levels, Precision, Reduction};

/// How to train, as the command line and a TOML file say it. What is left out is decided from the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Target column, by name, by number from 1, or from the end as -1; several with commas between them [default: the last]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "COLUMN",
        help_heading = "Data"
    )]
    pub target: Option<String>,
    /// Kind of problem [default: seen from the target]
    #[arg(long, value_enum, help_heading = "Data")]
    pub task: Option<Task>,
    /// What is done to the inputs: `auto` standardises numbers, encodes text, fills in missing cells; the others scale
    /// numbers otherwise [default: auto]
    #[arg(long, value_enum, value_name = "MODE", help_heading = "Data")]
    pub preprocess: Option<PreprocessMode>,
    /// What numbers become beside being scaled [default: plain]
    #[arg(long, value_enum, value_name = "KIND", help_heading = "Data")]
    pub numeric: Option<Numeric>,
    /// Texts of a column at most for which each has an input of its own; a column of more is embedded [default: 256]
    #[arg(long, allow_negative_numbers = true, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=10_000), help_heading = "Data")]
    pub one_hot_up_to: Option<u32>,
    /// Values that each text of an embedded column becomes [default: 8]
    #[arg(long, allow_negative_numbers = true, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Network")]
    pub embedding_dim: Option<u32>,
    /// Bins of a column at most, with --numeric piecewise [default: 16]
    #[arg(long, allow_negative_numbers = true, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(2..=1000), help_heading = "Data")]
    pub bins: Option<u32>,
    /// What the network learns in place of a value: `log` is log(1 + value), for values of many magnitudes [default: none]
    #[arg(long, value_enum, value_name = "TRANSFORM", help_heading = "Data")]
    pub target_transform: Option<TargetTransform>,
    /// Share of the rows that early stopping looks at [default: 0]
    #[arg(long, allow_negative_numbers = true, value_name = "FRACTION", value_parser = fraction, help_heading = "Data")]
    pub validation: Option<f64>,
    /// Share of the rows for the final report [default: 0.2, 0 for a few rows, with folds or a test set of its own]
    #[arg(long, allow_negative_numbers = true, value_name = "FRACTION", value_parser = fraction, help_heading = "Data")]
    pub test: Option<f64>,
    /// Cross-validate by so many folds: networks for each, tested on the rows that they have not seen; the model is all of
    /// them together
    #[arg(long, allow_negative_numbers = true, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(2..=1000), help_heading = "Data")]
    pub folds: Option<u32>,
    /// Rows stay in their files and are read so many at a time, as 100000 or 512MiB; none holds them in memory [default: none where
    /// they fit]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "SIZE",
        help_heading = "Data"
    )]
    pub window: Option<Window>,
    /// Networks, of each fold if there are folds, whose answers are averaged [default: 1]
    #[arg(long, allow_negative_numbers = true, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Network")]
    pub ensemble: Option<u32>,
    /// Widths of the hidden layers, as 128,64, each with a function of its own if need be, as 256:gelu,128:relu; 0 for
    /// none [default: 128,64]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "LAYERS",
        help_heading = "Network"
    )]
    pub hidden: Option<HiddenLayers>,
    /// Function of the hidden layers that have none of their own [default: relu]
    #[arg(long, value_enum, value_name = "FUNCTION", help_heading = "Network")]
    pub activation: Option<Activation>,
    /// Function of the output layer, with the loss mse [default: identity]
    #[arg(long, value_enum, value_name = "FUNCTION", help_heading = "Network")]
    pub output_activation: Option<Activation>,
    /// Share of each hidden layer's outputs that a training step leaves out [default: 0.2 for layers of 64 units or more, 0 with
    /// --optimizer or for a few rows]
    #[arg(long, allow_negative_numbers = true, value_name = "SHARE", value_parser = momentum, help_heading = "Network")]
    pub dropout: Option<f32>,
    /// Whether dropout keeps mean and variance, as SELU needs it [default: true where all hidden layers are selu]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Network")]
    pub alpha_dropout: Option<bool>,
    /// What brings each hidden layer's sums to a common scale before its function [default: none]
    #[arg(
        long,
        value_enum,
        value_name = "NORMALIZATION",
        help_heading = "Network"
    )]
    pub norm: Option<Normalization>,
    /// Whether a hidden layer as wide as the one before adds its input to its output [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Network")]
    pub residual: Option<bool>,
    /// How initial weights are drawn [default: auto]
    #[arg(long, value_enum, value_name = "INITIALIZER", help_heading = "Network")]
    pub init: Option<Initializer>,
    /// What is made small; auto is cross-entropy for classes, binary-cross-entropy for two, mse for values [default: auto]
    #[arg(long, value_enum, value_name = "LOSS", help_heading = "Training")]
    pub loss: Option<LossChoice>,
    /// Share of the wish that goes to all classes alike, with cross-entropy [default: 0]
    #[arg(long, allow_negative_numbers = true, value_name = "SHARE", value_parser = momentum, help_heading = "Training")]
    pub label_smoothing: Option<f32>,
    /// γ of the focal loss, which a cross-entropy becomes with it: rows that are right already count less
    #[arg(long, allow_negative_numbers = true, value_name = "GAMMA", value_parser = not_negative, help_heading = "Training")]
    pub focal_gamma: Option<f32>,
    /// What rows of a class count, as spam=5,ham=1 (1 for those left out), or balanced: all classes alike [default: 1]
    #[arg(long, value_name = "WEIGHTS", help_heading = "Training")]
    pub class_weight: Option<ClassWeight>,
    /// What labels that are there (the second of two classes) count beside those that are not: a number, one for each label, or
    /// balanced: as often as the label is missing for each time it is there [default: 1]
    #[arg(
        long,
        value_name = "WEIGHTS",
        allow_negative_numbers = true,
        help_heading = "Training"
    )]
    pub pos_weight: Option<PosWeight>,
    /// Error from which the loss huber is linear, in deviations of the target [default: 1]
    #[arg(long, allow_negative_numbers = true, value_name = "DELTA", value_parser = positive, help_heading = "Training")]
    pub huber_delta: Option<f32>,
    /// Quantiles that the loss quantile answers, as 0.1,0.5,0.9, up to 32 [default: 0.5]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "SHARES",
        help_heading = "Training"
    )]
    pub quantiles: Option<Levels>,
    /// Column that says what each row counts, from 0 on; no input then
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    pub sample_weight: Option<String>,
    /// How the losses of rows become one [default: mean]
    #[arg(long, value_enum, help_heading = "Training")]
    pub reduction: Option<Reduction>,
    /// How gradients change the weights; one that is named has its usual rate and decay [default: adamw; adam for a few rows]
    #[arg(long, value_enum, value_name = "OPTIMIZER", help_heading = "Training")]
    pub optimizer: Option<OptimizerChoice>,
    /// Learning rate [default: 0.003; with --optimizer its own, 0.001 for adam, 0.01 for sgd, 1 for lbfgs]
    #[arg(long, allow_negative_numbers = true, value_name = "RATE", value_parser = positive, help_heading = "Training")]
    pub lr: Option<f32>,
    /// Largest gradient of a weight with which lbfgs has converged; it has too where an iteration changes the loss by less than a
    /// hundredth of this [default: 1e-7]
    #[arg(long, allow_negative_numbers = true, value_name = "GRADIENT", value_parser = power, help_heading = "Training")]
    pub tolerance: Option<f64>,
    /// Momentum of sgd, rmsprop and muon [default: 0.9 for sgd by batches, 0.95 for muon, else 0]
    #[arg(long, allow_negative_numbers = true, value_parser = momentum, help_heading = "Training")]
    pub momentum: Option<f32>,
    /// Whether sgd and muon look ahead along their momentum [default: true for muon, else false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Training")]
    pub nesterov: Option<bool>,
    /// Decay of the running mean of gradients, where the optimizer has one [default: its own, 0.9]
    #[arg(long, allow_negative_numbers = true, value_name = "BETA", value_parser = momentum, help_heading = "Training")]
    pub beta1: Option<f32>,
    /// Decay of the running mean of their squares, or lion's second [default: its own, 0.999 for adam]
    #[arg(long, allow_negative_numbers = true, value_name = "BETA", value_parser = momentum, help_heading = "Training")]
    pub beta2: Option<f32>,
    /// Added to denominators, where the optimizer has one [default: its own, 1e-8 for adam]
    #[arg(long, allow_negative_numbers = true, value_parser = positive, help_heading = "Training")]
    pub epsilon: Option<f32>,
    /// Each value of the gradient is brought into ± this first [default: none is]
    #[arg(long, allow_negative_numbers = true, value_name = "LIMIT", value_parser = positive, help_heading = "Training")]
    pub clip_value: Option<f32>,
    /// Largest norm of the gradient of all parameters; a longer one is scaled down [default: any]
    #[arg(long, allow_negative_numbers = true, value_name = "LIMIT", value_parser = positive, help_heading = "Training")]
    pub clip_norm: Option<f32>,
    /// Largest norm of each unit's incoming weights, which longer ones are scaled down to behind each step [default: any]
    #[arg(long, allow_negative_numbers = true, value_name = "LIMIT", value_parser = positive, help_heading = "Training")]
    pub max_norm: Option<f32>,
    /// How the learning rate changes over the run [default: cosine; constant with --optimizer or for a few rows]
    #[arg(long, value_enum, value_name = "SCHEDULE", help_heading = "Training")]
    pub schedule: Option<ScheduleName>,
    /// Steps, or share of all steps, over which the learning rate first rises to full [default: 0]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "STEPS",
        help_heading = "Training"
    )]
    pub warmup: Option<Warmup>,
    /// Factor of the schedules step, plateau and exponential [default: 0.1, exponential: 0.95]
    #[arg(long, allow_negative_numbers = true, value_name = "FACTOR", value_parser = share, help_heading = "Training")]
    pub schedule_factor: Option<f64>,
    /// Epochs between the falls of the schedule step, or that plateau bears without a better loss [default: 30; plateau: 10]
    #[arg(long, allow_negative_numbers = true, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub schedule_every: Option<u32>,
    /// Power of the schedule polynomial [default: 1]
    #[arg(long, allow_negative_numbers = true, value_name = "POWER", value_parser = power, help_heading = "Training")]
    pub schedule_power: Option<f64>,
    /// Times that the schedule cosine begins anew [default: 1]
    #[arg(long, allow_negative_numbers = true, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub schedule_cycles: Option<u32>,
    /// λ of the penalty λ/2·‖W‖² on the weights; of the decoupled decay with adamw, lion and muon [default: 0.1; with
    /// --optimizer 0.01 for adamw, 0.1 for muon, else 0]
    #[arg(long, allow_negative_numbers = true, value_name = "LAMBDA", value_parser = not_negative, help_heading = "Training")]
    pub weight_decay: Option<f32>,
    /// λ₁ of the penalty λ₁·Σ|W| on the weights; with --weight-decay an elastic net [default: 0]
    #[arg(long, allow_negative_numbers = true, value_name = "LAMBDA", value_parser = not_negative, help_heading = "Training")]
    pub l1: Option<f32>,
    /// Rows a step: a number, `all` for the full batch, `auto` [default: auto]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "ROWS",
        help_heading = "Training"
    )]
    pub batch_size: Option<BatchSize>,
    /// Batches whose gradients make one step [default: 1]
    #[arg(long, allow_negative_numbers = true, value_name = "BATCHES", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub accumulate: Option<u32>,
    /// With --workers, parts that each batch is cut into, however many workers there are [default: of 64 rows, but 4 to 16]
    #[arg(long, allow_negative_numbers = true, value_name = "PARTS", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Workers")]
    pub shards: Option<u32>,
    /// Decay of a running mean of the weights, which is what is evaluated and kept, as 0.999 [default: none is made]
    #[arg(long, allow_negative_numbers = true, value_name = "DECAY", value_parser = momentum, help_heading = "Training")]
    pub average: Option<f32>,
    /// Passes over the training rows at most, iterations of lbfgs [default: 100; 200 for lbfgs; 30 from 5,000 rows on, 10 from 100,000; more below 160]
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000_000), help_heading = "Training")]
    pub epochs: Option<u32>,
    /// Steps at most
    #[arg(long, allow_negative_numbers = true, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Training")]
    pub max_steps: Option<u64>,
    /// What tells better weights from worse on the validation rows [default: loss]
    #[arg(long, value_enum, value_name = "METRIC", help_heading = "Training")]
    pub monitor: Option<Monitor>,
    /// Epochs without a better validation loss (or --monitor) before a network's training stops; 0 never stops [default: 15 with
    /// validation rows]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "EPOCHS",
        help_heading = "Training"
    )]
    pub patience: Option<u32>,
    /// What a loss that is no number any more leads to [default: stop]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Safety")]
    pub on_divergence: Option<OnDivergence>,
    /// Whether each epoch has its own order [default: true]
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, help_heading = "Training")]
    pub shuffle: Option<bool>,
    /// Which rows an epoch has: `balanced` draws as many of every class [default: each, once]
    #[arg(long, value_enum, value_name = "SAMPLING", help_heading = "Training")]
    pub sampling: Option<Sampling>,
    /// Deviation of Gaussian noise that each training step adds to its inputs, in their own units: deviations where they are
    /// standardised [default: 0]
    #[arg(long, allow_negative_numbers = true, value_name = "DEVIATION", value_parser = not_negative, help_heading = "Augmentation")]
    pub noise: Option<f32>,
    /// Probability with which each training step sets an input to 0, its mean where it is standardised [default: 0]
    #[arg(long, allow_negative_numbers = true, value_name = "PROBABILITY", value_parser = momentum, help_heading = "Augmentation")]
    pub mask: Option<f32>,
    /// α of Beta(α, α): each training step mixes each of its rows with another one, by a share drawn from it [default: 0, none]
    #[arg(long, allow_negative_numbers = true, value_name = "ALPHA", value_parser = not_negative, help_heading = "Augmentation")]
    pub mixup: Option<f32>,
    /// Pixels by which images are moved at most, up or down and left or right [default: 0]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "PIXELS",
        help_heading = "Augmentation"
    )]
    pub shift: Option<u32>,
    /// Degrees by which images are turned at most, either way [default: 0]
    #[arg(long, allow_negative_numbers = true, value_name = "DEGREES", value_parser = degrees, help_heading = "Augmentation")]
    pub rotate: Option<f32>,
    /// Whether half of the images have left and right exchanged [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Augmentation")]
    pub flip: Option<bool>,
    /// Side of a square that is cut out of images, in pixels [default: 0]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "PIXELS",
        help_heading = "Augmentation"
    )]
    pub cutout: Option<u32>,
    /// Precision of what the products of a training step multiply; sums and weights are f32 with either [default: f32]
    #[arg(long, value_enum, value_name = "PRECISION", help_heading = "Training")]
    pub precision: Option<Precision>,
    /// Seed of all random numbers [default: 1]
    #[arg(long, allow_negative_numbers = true, help_heading = "Training")]
    pub seed: Option<u64>,
}

impl Config {
    /// From TOML. Values are held to the same limits as on the command line.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        Self::from_toml_with(text, []).map(|(config, [])| config)
    }

    /// From TOML that may have further keys, whose values are text, or numbers, true or false where that is said of them.
    pub fn from_toml_with<const N: usize>(
        text: &str,
        keys: [(&str, bool); N],
    ) -> Result<(Self, [Option<String>; N]), String> {
        let told = |error: &toml::de::Error| {
            let line = error
                .span()
                .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let place = line
                .map(|line| format!("line {line}: "))
                .unwrap_or_default();
            format!(
                "{place}{}",
                error.message().lines().collect::<Vec<_>>().join(" ")
            )
        };
        let mut table = DeTable::parse(text).map_err(|error| told(&error))?;
        let mut values = [const { None }; N];
        for (value, (key, numeric)) in values.iter_mut().zip(keys) {
            if let Some(found) = table.get_mut().remove(key) {
                let found = found.into_inner();
                let whole = found.as_integer().map(ToString::to_string);
                let number = whole.or(found.as_float().map(ToString::to_string));
                let number = number.or(found.as_bool().map(|yes| yes.to_string()));
                let number = number.filter(|_| numeric);
                let text = found.as_str().map(str::to_owned).or(number);
                *value = Some(text.ok_or(format!("{key}: text is needed"))?);
            }
        }
        let config = Config::deserialize(toml::Deserializer::from(table));
        let config = config.map_err(|error| told(&error))?;
        config.check()?;
        Ok((config, values))
    }

    /// Networks that are trained side by side.
    pub fn members(&self) -> usize {
        self.folds.unwrap_or(1) as usize * self.ensemble.unwrap_or(1) as usize
    }

    /// This configuration, with what it leaves out taken from `other`.
    #[must_use]
    pub fn or(self, other: Config) -> Config {
        Config {
            target: self.target.or(other.target),
            task: self.task.or(other.task),
            preprocess: self.preprocess.or(other.preprocess),
            numeric: self.numeric.or(other.numeric),
            bins: self.bins.or(other.bins),
            one_hot_up_to: self.one_hot_up_to.or(other.one_hot_up_to),
            embedding_dim: self.embedding_dim.or(other.embedding_dim),
            target_transform: self.target_transform.or(other.target_transform),
            validation: self.validation.or(other.validation),
            test: self.test.or(other.test),
            folds: self.folds.or(other.folds),
            window: self.window.or(other.window),
            ensemble: self.ensemble.or(other.ensemble),
            hidden: self.hidden.or(other.hidden),
            activation: self.activation.or(other.activation),
            output_activation: self.output_activation.or(other.output_activation),
            norm: self.norm.or(other.norm),
            residual: self.residual.or(other.residual),
            init: self.init.or(other.init),
            loss: self.loss.or(other.loss),
            label_smoothing: self.label_smoothing.or(other.label_smoothing),
            focal_gamma: self.focal_gamma.or(other.focal_gamma),
            huber_delta: self.huber_delta.or(other.huber_delta),
            quantiles: self.quantiles.or(other.quantiles),
            class_weight: self.class_weight.or(other.class_weight),
            pos_weight: self.pos_weight.or(other.pos_weight),
            sample_weight: self.sample_weight.or(other.sample_weight),
            reduction: self.reduction.or(other.reduction),
            optimizer: self.optimizer.or(other.optimizer),
            lr: self.lr.or(other.lr),
            tolerance: self.tolerance.or(other.tolerance),
            momentum: self.momentum.or(other.momentum),
            schedule: self.schedule.or(other.schedule),
            warmup: self.warmup.or(other.warmup),
            schedule_factor: self.schedule_factor.or(other.schedule_factor),
            schedule_every: self.schedule_every.or(other.schedule_every),
            schedule_power: self.schedule_power.or(other.schedule_power),
            schedule_cycles: self.schedule_cycles.or(other.schedule_cycles),
            nesterov: self.nesterov.or(other.nesterov),
            beta1: self.beta1.or(other.beta1),
            beta2: self.beta2.or(other.beta2),
            epsilon: self.epsilon.or(other.epsilon),
            clip_value: self.clip_value.or(other.clip_value),
            clip_norm: self.clip_norm.or(other.clip_norm),
            max_norm: self.max_norm.or(other.max_norm),
            weight_decay: self.weight_decay.or(other.weight_decay),
            l1: self.l1.or(other.l1),
            dropout: self.dropout.or(other.dropout),
            alpha_dropout: self.alpha_dropout.or(other.alpha_dropout),
            batch_size: self.batch_size.or(other.batch_size),
            accumulate: self.accumulate.or(other.accumulate),
            shards: self.shards.or(other.shards),
            average: self.average.or(other.average),
            monitor: self.monitor.or(other.monitor),
            epochs: self.epochs.or(other.epochs),
            max_steps: self.max_steps.or(other.max_steps),
            patience: self.patience.or(other.patience),
            on_divergence: self.on_divergence.or(other.on_divergence),
            shuffle: self.shuffle.or(other.shuffle),
            sampling: self.sampling.or(other.sampling),
            noise: self.noise.or(other.noise),
            mask: self.mask.or(other.mask),
            mixup: self.mixup.or(other.mixup),
            shift: self.shift.or(other.shift),
            rotate: self.rotate.or(other.rotate),
            flip: self.flip.or(other.flip),
            cutout: self.cutout.or(other.cutout),
            precision: self.precision.or(other.precision),
            seed: self.seed.or(other.seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_says_what_the_command_line_says() {
        let config = Config::from_toml(
            "hidden = [64, \"32:elu\"]\nbatch-size = \"all\"\nlr = 0.01\nloss = \"mse\"",
        )
        .expect("it is valid");
        assert_eq!(
            config.hidden,
            Some("64,32:elu".parse().expect("it is valid"))
        );
        assert_eq!(config.batch_size, Some(BatchSize::All));
        assert_eq!(config.lr, Some(0.01));
        assert_eq!(config.loss, Some(LossChoice::Mse));
    }

    #[test]
    fn toml_that_is_off_is_named_with_its_line() {
        for (text, part) in [
            ("epochs = 3\nepoch = 5", "line 2"),
            ("lr = -1.0", "lr: a positive number"),
            ("hidden = [0]", "0 is not a hidden layer"),
            ("hidden = [\"9:swish\"]", "swish"),
            ("batch-size = 0", "from 1 on"),
            ("validation = 1.5", "validation: a fraction"),
            ("epochs = 0", "epochs: 1 or more"),
            ("optimizer = \"newton\"", "line 1"),
            ("quantiles = [0.1, 1.5]", "between 0 and 1"),
        ] {
            let error = Config::from_toml(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
            assert_eq!(error.lines().count(), 1);
        }
    }
}
