//! A line search for the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6), as `torch.optim.LBFGS` has it:
//! along a direction d from a place x, a length t with f(x + t·d) ≤ f(x) + c₁·t·f′ and |f′(x + t·d)| ≤ c₂·|f′|.

use super::Evaluation;

/// c₁ and c₂: how much of the fall that the slope promises is enough, and how much of the slope may be left.
const FALL: f64 = 1e-4;
const SLOPE: f64 = 0.9;

/// Lengths that are tried at most.
const TRIALS: u32 = 25;

/// A length that was tried.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) length: f64,
    /// Of the loss along the direction.
    slope: f64,
    pub(super) found: Evaluation,
}

impl Trial {
    /// What is no number is as a loss without end, and has nothing to interpolate with.
    pub(super) fn new(length: f64, mut found: Evaluation, direction: &[f64]) -> Self {
        let slope = super::dot(&found.gradient, direction);
        if !(found.loss.is_finite() && slope.is_finite()) {
            found.loss = f64::INFINITY;
        }
        Trial {
            length,
            slope,
            found,
        }
    }

    fn loss(&self) -> f64 {
        self.found.loss
    }
}

/// What the search wants next.
#[derive(Debug)]
pub(super) enum Next {
    /// To know of this length.
    Try(f64),
    /// Nothing: this is the best that it found.
    Take(Trial),
}

/// A search under way.
#[derive(Clone, Debug)]
pub(super) struct Wolfe {
    /// Length 0.
    start: Trial,
    /// The length before the present one, while longer ones are tried.
    before: Trial,
    /// Two lengths that one lies between which fulfils the conditions, once there are.
    bracket: Option<[Trial; 2]>,
    /// The largest step of a value along the direction.
    step: f64,
    /// A step as small as this is none.
    smallest: f64,
    trials: u32,
    /// Whether the last length lay next to an end of the bracket.
    stuck: bool,
}

impl Wolfe {
    pub(super) fn new(start: Trial, direction: &[f64], smallest: f64) -> Self {
        Wolfe {
            before: start.clone(),
            start,
            bracket: None,
            step: super::largest(direction),
            smallest,
            trials: 0,
            stuck: false,
        }
    }

    /// Hears of the length that was asked for.
    pub(super) fn next(&mut self, trial: Trial) -> Next {
        let fell_short = trial.loss() > self.start.loss() + FALL * trial.length * self.start.slope;
        let flat = trial.slope.abs() <= -SLOPE * self.start.slope;
        match self.bracket.take() {
            None => self.lengthen(trial, fell_short, flat),
            Some(bracket) => self.narrow(bracket, trial, fell_short, flat),
        }
    }

    /// Longer and longer, until what is sought must lie in between (algorithm 3.5).
    fn lengthen(&mut self, trial: Trial, fell_short: bool, flat: bool) -> Next {
        if self.trials == TRIALS {
            return Next::Take(lower([self.start.clone(), trial]));
        }
        let rises = self.trials > 1 && trial.loss() >= self.before.loss();
        if fell_short || rises {
            return self.zoom([self.before.clone(), trial]);
        }
        if flat {
            return Next::Take(trial);
        }
        if trial.slope >= 0.0 {
            return self.zoom([self.before.clone(), trial]);
        }
        let bounds = [
            trial.length + 0.01 * (trial.length - self.before.length),
            trial.length * 10.0,
        ];
        let length = interpolate([&self.before, &trial], bounds);
        self.before = trial;
        self.trials += 1;
        Next::Try(length)
    }

    /// Puts the last length in the place of one of the bracket's ends (algorithm 3.6).
    fn narrow(&mut self, mut bracket: [Trial; 2], trial: Trial, short: bool, flat: bool) -> Next {
        let low = usize::from(bracket[0].loss() > bracket[1].loss());
        let high = 1 - low;
        if short || trial.loss() >= bracket[low].loss() {
            bracket[high] = trial;
        } else {
            if flat {
                return Next::Take(trial);
            }
            if trial.slope * (bracket[high].length - bracket[low].length) >= 0.0 {
                bracket[high] = bracket[low].clone();
            }
            bracket[low] = trial;
        }
        self.zoom(bracket)
    }

    /// The next length inside a bracket, or its lower end where it has become narrow.
    fn zoom(&mut self, bracket: [Trial; 2]) -> Next {
        let [a, b] = [bracket[0].length, bracket[1].length];
        if self.trials == TRIALS || (b - a).abs() * self.step < self.smallest {
            return Next::Take(lower(bracket));
        }
        let [least, most] = [a.min(b), a.max(b)];
        let mut length = interpolate([&bracket[0], &bracket[1]], [least, most]);
        let margin = 0.1 * (most - least);
        if (most - length).min(length - least) < margin {
            if self.stuck || length >= most || length <= least {
                length = if (length - most).abs() < (length - least).abs() {
                    most - margin
                } else {
                    least + margin
                };
                self.stuck = false;
            } else {
                self.stuck = true;
            }
        } else {
            self.stuck = false;
        }
        self.bracket = Some(bracket);
        self.trials += 1;
        Next::Try(length)
    }
}

/// The one of the lower loss, the first of equals.
fn lower([a, b]: [Trial; 2]) -> Trial {
    if a.loss() <= b.loss() { a } else { b }
}

/// Where the cubic through two losses and slopes is the lowest (Nocedal and Wright 2006, equation 3.59), within bounds; their
/// middle where there is no such place.
fn interpolate([a, b]: [&Trial; 2], [least, most]: [f64; 2]) -> f64 {
    let (a, b) = if a.length <= b.length { (a, b) } else { (b, a) };
    let d1 = a.slope + b.slope - 3.0 * (a.loss() - b.loss()) / (a.length - b.length);
    let square = d1 * d1 - a.slope * b.slope;
    let d2 = square.sqrt();
    let lowest =
        b.length - (b.length - a.length) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2));
    if square >= 0.0 && !lowest.is_nan() {
        lowest.max(least).min(most)
    } else {
        f64::midpoint(least, most)
    }
}
