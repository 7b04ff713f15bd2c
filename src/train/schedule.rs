use std::f64::consts::PI;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How the learning rate changes over a run: linear warm-up first, then a curve over the steps that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Schedule {
    /// The curve behind the warm-up.
    pub curve: Curve,
    /// How long the rate rises from nearly nothing to full.
    pub warmup: Warmup,
}

/// The learning rate's factor at step t of T behind the warm-up, e epochs of which are done; as `torch.optim.lr_scheduler` has
/// it where it has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Curve {
    /// 1
    #[default]
    Constant,
    /// γ^⌊e / every⌋
    Step {
        /// Epochs between two falls.
        every: u32,
        /// γ
        factor: f64,
    },
    /// γ^e
    Exponential {
        /// γ
        factor: f64,
    },
    /// (1 − t/T)^power
    Polynomial {
        /// The power; 1 is a straight line.
        power: f64,
    },
    /// (1 + cos(π·t′/T′)) / 2 over each of some equal parts T′ of T (Loshchilov and Hutter 2017).
    Cosine {
        /// Parts; the rate is full again at the beginning of each.
        cycles: u32,
    },
    /// By cosines from 1/25 to 1 over the first 30 %, then to 1/250,000 (Smith and Topin 2018, with `PyTorch`'s figures).
    OneCycle,
    /// 1/√(1 + t), or √(w / (w + t + 1)) behind a warm-up of w steps (Vaswani et al. 2017).
    InverseSquareRoot,
    /// γ^n, after n times that the watched loss has not fallen for some epochs: see [`Plateau`].
    Plateau {
        /// γ
        factor: f64,
        /// Epochs without a fall that are borne.
        patience: u32,
    },
}

/// A warm-up: steps, or a share of all steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub enum Warmup {
    /// So many steps.
    Steps(u64),
    /// A share below 1 of all steps.
    Share(f64),
}

impl Schedule {
    /// The factor at step `step` of `total`, the first being 0, with so many steps an epoch.
    pub fn factor(&self, step: u64, total: u64, per_epoch: u64) -> f64 {
        let warmup = match self.warmup {
            Warmup::Steps(steps) => steps.min(total),
            Warmup::Share(share) => (share * total as f64).round() as u64,
        };
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let (t, total) = (step - warmup, (total - warmup).max(1));
        let epoch = t / per_epoch.max(1);
        let share = t as f64 / total as f64;
        match self.curve {
            Curve::Constant | Curve::Plateau { .. } => 1.0,
            Curve::Step { every, factor } => factor.powf((epoch / u64::from(every.max(1))) as f64),
            Curve::Exponential { factor } => factor.powf(epoch as f64),
            Curve::Polynomial { power } => (1.0 - share).powf(power),
            Curve::Cosine { cycles } => cosine(1.0, 0.0, (share * f64::from(cycles)).fract()),
            Curve::OneCycle => {
                let peak = 0.3 * total as f64 - 1.0;
                let end = total as f64 - 1.0;
                let t = t as f64;
                if t <= peak {
                    cosine(1.0 / 25.0, 1.0, if peak > 0.0 { t / peak } else { 1.0 })
                } else {
                    cosine(1.0, 1.0 / 250_000.0, (t - peak) / (end - peak))
                }
            }
            Curve::InverseSquareRoot if warmup == 0 => ((1 + t) as f64).sqrt().recip(),
            Curve::InverseSquareRoot => (warmup as f64 / (step + 1) as f64).sqrt(),
        }
    }
}

/// From one value to another along half a wave.
fn cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * share).cos()) / 2.0
}

/// Lowers the rate when a loss no longer falls, as `ReduceLROnPlateau` does with its defaults: a fall is one by more than 1e-4
/// of the best so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    best: Option<f64>,
    bad: u32,
    factor: f64,
}

impl Default for Plateau {
    fn default() -> Self {
        Plateau {
            best: None,
            bad: 0,
            factor: 1.0,
        }
    }
}

impl Plateau {
    /// The factor for the next epoch, after one that ended with this loss.
    pub fn after(&mut self, loss: f64, factor: f64, patience: u32) -> f64 {
        let fell = |best: f64| loss < best * (1.0 - 1e-4);
        if self.best.is_none_or(fell) {
            self.best = Some(loss);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.bad > patience {
            self.factor *= factor;
            self.bad = 0;
        }
        self.factor
    }

    /// The factor as it is.
    pub fn factor(&self) -> f64 {
        self.factor
    }
}

impl Default for Warmup {
    fn default() -> Self {
        Warmup::Steps(0)
    }
}

impl TryFrom<f64> for Warmup {
    type Error = String;
    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..1.0).contains(&value) {
            Ok(Warmup::Share(value))
        } else if value.fract() == 0.0 && (1.0..=1e15).contains(&value) {
            Ok(Warmup::Steps(value as u64))
        } else {
            Err("a share below 1, or a whole number of steps, is needed".into())
        }
    }
}

impl From<Warmup> for f64 {
    fn from(warmup: Warmup) -> f64 {
        match warmup {
            Warmup::Steps(steps) => steps as f64,
            Warmup::Share(share) => share,
        }
    }
}

impl FromStr for Warmup {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Warmup::try_from(text.parse().unwrap_or(f64::NAN))
    }
}

impl Display for Warmup {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f64::from(*self).fmt(f)
    }
}
