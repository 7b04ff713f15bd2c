//! What values are taken, on the command line and of a TOML file.

use super::Config;

fn number(text: &str, fits: impl Fn(f64) -> bool, needed: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if fits(value) => Ok(value),
        _ => Err(format!("{needed} is needed")),
    }
}

pub(super) fn fraction(text: &str) -> Result<f64, String> {
    number(
        text,
        |value| (0.0..1.0).contains(&value),
        "a fraction from 0 to below 1",
    )
}

pub(super) fn positive(text: &str) -> Result<f32, String> {
    let fits = |value: f64| value > 0.0 && (value as f32).is_finite();
    number(text, fits, "a positive number").map(|value| value as f32)
}

pub(super) fn not_negative(text: &str) -> Result<f32, String> {
    let fits = |value: f64| value >= 0.0 && (value as f32).is_finite();
    number(text, fits, "a number from 0 on").map(|value| value as f32)
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let fits = |value: f64| value > 0.0 && value < 1.0;
    number(text, fits, "a number between 0 and 1")
}

pub(super) fn power(text: &str) -> Result<f64, String> {
    let fits = |value: f64| value > 0.0 && value.is_finite();
    number(text, fits, "a positive number")
}

pub(super) fn momentum(text: &str) -> Result<f32, String> {
    let fits = |value: f64| (0.0..1.0).contains(&value);
    number(text, fits, "a number from 0 to below 1").map(|value| value as f32)
}

pub(super) fn degrees(text: &str) -> Result<f32, String> {
    let fits = |value: f64| (0.0..=180.0).contains(&value);
    number(text, fits, "a number from 0 to 180").map(|value| value as f32)
}

impl Config {
    /// Whether every value is one that the command line would take.
    pub(super) fn check(&self) -> Result<(), String> {
        fn named<T: ToString, U>(
            name: &str,
            value: Option<&T>,
            parse: impl Fn(&str) -> Result<U, String>,
        ) -> Result<(), String> {
            match value.map(|value| parse(&value.to_string())) {
                Some(Err(reason)) => Err(format!("{name}: {reason}")),
                _ => Ok(()),
            }
        }
        named("validation", self.validation.as_ref(), fraction)?;
        named("test", self.test.as_ref(), fraction)?;
        named("lr", self.lr.as_ref(), positive)?;
        named("weight-decay", self.weight_decay.as_ref(), not_negative)?;
        named("l1", self.l1.as_ref(), not_negative)?;
        named("dropout", self.dropout.as_ref(), momentum)?;
        named("schedule-factor", self.schedule_factor.as_ref(), share)?;
        named("schedule-power", self.schedule_power.as_ref(), power)?;
        named("tolerance", self.tolerance.as_ref(), power)?;
        named("beta1", self.beta1.as_ref(), momentum)?;
        named("beta2", self.beta2.as_ref(), momentum)?;
        named("epsilon", self.epsilon.as_ref(), positive)?;
        named("average", self.average.as_ref(), momentum)?;
        named("clip-value", self.clip_value.as_ref(), positive)?;
        named("clip-norm", self.clip_norm.as_ref(), positive)?;
        named("max-norm", self.max_norm.as_ref(), positive)?;
        named("momentum", self.momentum.as_ref(), momentum)?;
        named("label-smoothing", self.label_smoothing.as_ref(), momentum)?;
        named("focal-gamma", self.focal_gamma.as_ref(), not_negative)?;
        named("huber-delta", self.huber_delta.as_ref(), positive)?;
        named("noise", self.noise.as_ref(), not_negative)?;
        named("mask", self.mask.as_ref(), momentum)?;
        named("mixup", self.mixup.as_ref(), not_negative)?;
        named("rotate", self.rotate.as_ref(), degrees)?;
        let least = |name: &str, zero: bool| {
            if zero {
                Err(format!("{name}: 1 or more is needed"))
            } else {
                Ok(())
            }
        };
        least("accumulate", self.accumulate == Some(0))?;
        least("shards", self.shards == Some(0))?;
        least("epochs", self.epochs == Some(0))?;
        least("ensemble", self.ensemble == Some(0))?;
        if self.bins.is_some_and(|bins| !(2..=1000).contains(&bins)) {
            return Err("bins: a number from 2 to 1000 is needed".into());
        }
        if self.one_hot_up_to.is_some_and(|texts| texts > 10_000) {
            return Err("one-hot-up-to: a number from 0 to 10000 is needed".into());
        }
        if self
            .embedding_dim
            .is_some_and(|values| !(1..=1024).contains(&values))
        {
            return Err("embedding-dim: a number from 1 to 1024 is needed".into());
        }
        if self.folds.is_some_and(|folds| folds < 2) {
            return Err("folds: 2 or more are needed".into());
        }
        least("schedule-every", self.schedule_every == Some(0))?;
        least("schedule-cycles", self.schedule_cycles == Some(0))?;
        least("max-steps", self.max_steps == Some(0))
    }
}
