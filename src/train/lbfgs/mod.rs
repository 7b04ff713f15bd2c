//! L-BFGS: steps along the gradient times an inverse Hessian that is made up from the last steps.

mod pack;
mod wolfe;

use std::collections::VecDeque;

use self::wolfe::{Next, Trial, Wolfe};
use super::Scores;

/// Training by L-BFGS (Liu and Nocedal 1989) with a line search for the strong Wolfe conditions, in place of an optimizer's steps:
/// an iteration is an epoch. Formulas and constants are those of `torch.optim.LBFGS(line_search_fn="strong_wolfe")`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lbfgs {
    /// A member has converged where no value of its gradient is larger, or where an iteration changes its loss, or every weight, by
    /// less than a hundredth of it.
    pub tolerance: f64,
}

impl Lbfgs {
    /// `PyTorch`'s: 1e-7, and 1e-9 for changes.
    pub const TOLERANCE: f64 = 1e-7;

    /// A smaller change is none.
    fn smallest(self) -> f64 {
        self.tolerance / 100.0
    }
}

/// Steps that are remembered.
const MEMORY: usize = 10;

/// What is found at a place.
#[derive(Clone, Debug)]
pub(super) struct Evaluation {
    /// With the penalty.
    loss: f64,
    gradient: Vec<f64>,
    /// Without the penalty.
    scores: Scores,
}

/// A step s and the gradient's change y over it.
#[derive(Clone, Debug)]
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
    /// 1 / y·s
    scale: f64,
}

/// The way of one network to a minimum, which asks for one evaluation after the other.
#[derive(Clone, Debug)]
pub(super) struct Search {
    options: Lbfgs,
    /// The first length that is tried in each iteration.
    rate: f64,
    /// Where it has come to, and what was found there.
    place: Vec<f64>,
    here: Option<Evaluation>,
    memory: VecDeque<Pair>,
    /// γ: the inverse Hessian before the memory is γ·1.
    scale: f64,
    direction: Vec<f64>,
    /// The search along the direction, and the length it asks for.
    line: Option<(Wolfe, f64)>,
    /// Whether there is nothing more to find.
    converged: bool,
}

impl Search {
    pub(super) fn new(options: Lbfgs, rate: f64, place: Vec<f64>) -> Self {
        Search {
            options,
            rate,
            place,
            here: None,
            memory: VecDeque::with_capacity(MEMORY),
            scale: 1.0,
            direction: Vec::new(),
            line: None,
            converged: false,
        }
    }

    /// The place that it asks about.
    pub(super) fn asked(&self) -> Vec<f64> {
        let length = self.line.as_ref().map_or(0.0, |(_, length)| *length);
        moved(&self.place, &self.direction, length)
    }

    /// Hears what is at the place that it asked about, and says whether that ends an iteration.
    pub(super) fn hear(&mut self, found: Evaluation) -> bool {
        let (Some(before), Some((mut line, length))) = (self.here.take(), self.line.take()) else {
            if largest(&found.gradient) <= self.options.tolerance {
                self.converged = true;
                self.here = Some(found);
            } else {
                let total: f64 = found.gradient.iter().map(|g| g.abs()).sum();
                self.direction = found.gradient.iter().map(|g| -g).collect();
                self.search(found, (1.0 / total).min(1.0) * self.rate);
            }
            return false;
        };
        match line.next(Trial::new(length, found, &self.direction)) {
            Next::Try(length) => {
                self.here = Some(before);
                self.line = Some((line, length));
                false
            }
            Next::Take(trial) => {
                self.arrive(&before, trial);
                true
            }
        }
    }

    /// The end of an iteration, and the beginning of the next.
    fn arrive(&mut self, before: &Evaluation, trial: Trial) {
        let (length, found) = (trial.length, trial.found);
        self.place = moved(&self.place, &self.direction, length);
        let smallest = self.options.smallest();
        self.converged = largest(&found.gradient) <= self.options.tolerance
            || length * largest(&self.direction) <= smallest
            || (found.loss - before.loss).abs() < smallest;
        if self.converged {
            self.here = Some(found);
            return;
        }
        let s: Vec<f64> = self.direction.iter().map(|d| length * d).collect();
        let changes = found.gradient.iter().zip(&before.gradient);
        let y: Vec<f64> = changes.map(|(now, before)| now - before).collect();
        let along = dot(&y, &s);
        // Else the loss is not curved upwards over the step, and there is nothing to learn from it.
        if along > 1e-10 {
            if self.memory.len() == MEMORY {
                self.memory.pop_front();
            }
            self.scale = along / dot(&y, &y);
            self.memory.push_back(Pair {
                s,
                y,
                scale: along.recip(),
            });
        }
        self.direction = self.descent(&found.gradient);
        self.search(found, self.rate);
    }

    /// −H·g by the steps that are remembered (Nocedal and Wright 2006, algorithm 7.4).
    fn descent(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut shares = Vec::with_capacity(self.memory.len());
        for pair in self.memory.iter().rev() {
            let share = pair.scale * dot(&pair.s, &q);
            add(&mut q, -share, &pair.y);
            shares.push(share);
        }
        for value in &mut q {
            *value *= self.scale;
        }
        for (pair, share) in self.memory.iter().zip(shares.into_iter().rev()) {
            let back = pair.scale * dot(&pair.y, &q);
            add(&mut q, share - back, &pair.s);
        }
        q
    }

    /// Begins to search along the direction.
    fn search(&mut self, here: Evaluation, length: f64) {
        let smallest = self.options.smallest();
        let start = Trial::new(0.0, here.clone(), &self.direction);
        if dot(&here.gradient, &self.direction) > -smallest {
            self.converged = true;
        } else {
            self.line = Some((Wolfe::new(start, &self.direction, smallest), length));
        }
        self.here = Some(here);
    }
}

/// What a search knows between two iterations, as numbers in a row: whether it has converged, γ, the loss and its scores, the size
/// of a place; then the place, its gradient, and s and y of every step that is remembered.
impl Search {
    pub(super) fn known(&self) -> Vec<f64> {
        let mut values = vec![f64::from(u8::from(self.converged)), self.scale];
        if let Some(Evaluation {
            loss,
            gradient,
            scores,
        }) = &self.here
        {
            let sums = [scores.accuracy, scores.absolute, scores.squared];
            values.extend([*loss, scores.loss].into_iter().chain(sums));
            values.push(self.place.len() as f64);
            values.extend(self.place.iter().chain(gradient));
        }
        for Pair { s, y, .. } in &self.memory {
            values.extend(s.iter().chain(y));
        }
        values
    }

    /// Takes that over; `None` if it is no such row of numbers.
    pub(super) fn recall(&mut self, values: &[f64]) -> Option<()> {
        let (head, rest) = values.split_at_checked(8)?;
        let size = self.place.len();
        if head[7] != size as f64 || !rest.len().is_multiple_of(2 * size) {
            return None;
        }
        let mut parts = rest.chunks(size).map(<[f64]>::to_vec);
        self.place = parts.next()?;
        let here = Evaluation {
            loss: head[2],
            gradient: parts.next()?,
            scores: Scores {
                loss: head[3],
                accuracy: head[4],
                absolute: head[5],
                squared: head[6],
            },
        };
        self.scale = head[1];
        while let (Some(s), Some(y)) = (parts.next(), parts.next()) {
            let scale = dot(&y, &s).recip();
            self.memory.push_back(Pair { s, y, scale });
        }
        self.converged = head[0] != 0.0;
        if self.converged {
            self.here = Some(here);
        } else {
            self.direction = self.descent(&here.gradient);
            self.search(here, self.rate);
        }
        Some(())
    }
}

/// place + length·direction
fn moved(place: &[f64], direction: &[f64], length: f64) -> Vec<f64> {
    let mut place = place.to_vec();
    add(&mut place, length, direction);
    place
}

fn add(values: &mut [f64], factor: f64, others: &[f64]) {
    for (value, other) in values.iter_mut().zip(others) {
        *value += factor * other;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The largest absolute value.
fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        functions: Vec<Function>,
    }

    #[derive(Deserialize)]
    struct Function {
        name: String,
        start: Vec<f64>,
        losses: Vec<f64>,
        places: Vec<Vec<f64>>,
    }

    /// f and its gradient, as tests/data/lbfgs.py has them.
    fn function(name: &str, x: &[f64]) -> (f64, Vec<f64>) {
        let n = x.len();
        let mut g = vec![0.0; n];
        let mut f = 0.0;
        match name {
            "rosenbrock" => {
                for i in 0..n - 1 {
                    let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
                    f += 100.0 * a * a + b * b;
                    g[i] += -400.0 * a * x[i] - 2.0 * b;
                    g[i + 1] += 200.0 * a;
                }
            }
            "log-cosh" => {
                for row in 0..9 {
                    let factor = |column: usize| {
                        let whole = 7 * row + 3 * column + row * column;
                        ((whole % 11) as f64 - 5.0) / 4.0
                    };
                    let product: f64 = (0..n).map(|column| factor(column) * x[column]).sum();
                    let error = product - row as f64 / 4.0;
                    f += error.cosh().ln();
                    for (column, g) in g.iter_mut().enumerate() {
                        *g += error.tanh() * factor(column);
                    }
                }
                f += 0.0625 * dot(x, x);
                add(&mut g, 0.125, x);
            }
            _ => {
                let excess = x.iter().sum::<f64>() - 1.0;
                f = 0.5 * excess * excess;
                for (i, (x, g)) in x.iter().zip(&mut g).enumerate() {
                    f += (1 + i) as f64 * x.powi(4);
                    *g = 4.0 * (1 + i) as f64 * x.powi(3) + excess;
                }
            }
        }
        (f, g)
    }

    fn evaluation(name: &str, place: &[f64]) -> Evaluation {
        let (loss, gradient) = function(name, place);
        Evaluation {
            loss,
            gradient,
            scores: Scores::default(),
        }
    }

    #[test]
    fn twenty_iterations_are_those_of_pytorch() {
        let text = include_str!("../../../tests/data/lbfgs.json");
        let golden: Golden = serde_json::from_str(text).expect("it is valid");
        for case in golden.functions {
            let options = Lbfgs {
                tolerance: Lbfgs::TOLERANCE,
            };
            let mut search = Search::new(options, 1.0, case.start);
            search.hear(evaluation(&case.name, &search.asked()));
            for (t, (loss, place)) in case.losses.iter().zip(&case.places).enumerate() {
                while !search.converged && !search.hear(evaluation(&case.name, &search.asked())) {}
                let found = search.here.as_ref().expect("it is somewhere").loss;
                assert!(
                    (found - loss).abs() <= 1e-8 * loss.max(1.0),
                    "{}, iteration {t}: {found} instead of {loss}",
                    case.name
                );
                for (found, expected) in search.place.iter().zip(place) {
                    let near = (found - expected).abs() < 1e-5;
                    assert!(near, "{}, iteration {t}: {found} {expected}", case.name);
                }
            }
            assert_eq!(search.converged, case.name != "rosenbrock", "{}", case.name);
        }
    }

    #[test]
    fn a_place_without_a_loss_is_stepped_back_from() {
        // log x beyond 0 is no number; the minimum of x − log x is at 1.
        let options = Lbfgs {
            tolerance: Lbfgs::TOLERANCE,
        };
        let mut search = Search::new(options, 50.0, vec![3.0]);
        for _ in 0..200 {
            let x = search.asked()[0];
            let scores = Scores::default();
            search.hear(Evaluation {
                loss: x - x.ln(),
                gradient: vec![1.0 - 1.0 / x],
                scores,
            });
            if search.converged {
                break;
            }
        }
        assert!(
            search.converged && (search.place[0] - 1.0).abs() < 1e-4,
            "{search:?}"
        );
    }
}
