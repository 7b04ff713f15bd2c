use super::functions::slope;
use super::team::Team;
use super::{Real, share};
use crate::model::Activation;

/// gradient = gradient ⊙ f′, with f′ found from f's output or input.
pub(super) fn activation_gradient<T: Real>(
    function: Activation,
    kept: &[T],
    gradient: &mut [T],
    team: &Team,
) {
    if function == Activation::Identity {
        return;
    }
    share::rows(gradient, 1, team, |first, gradient| {
        let kept = &kept[first..];
        share::wide(
            #[inline(always)]
            || row_gradient(function, kept, gradient),
        );
    });
}

/// The same for some values next to each other.
#[inline(always)]
pub(super) fn row_gradient<T: Real>(function: Activation, kept: &[T], gradient: &mut [T]) {
    let f = slope(function);
    let pairs = gradient.iter_mut().zip(kept);
    match function {
        Activation::Relu => {
            for (g, &a) in pairs {
                *g *= if a > T::zero() { T::one() } else { T::zero() };
            }
        }
        Activation::Sigmoid => {
            for (g, &a) in pairs {
                *g *= a * (T::one() - a);
            }
        }
        Activation::Tanh => {
            for (g, &a) in pairs {
                *g *= T::one() - a * a;
            }
        }
        _ => {
            for (g, &kept) in pairs {
                *g *= f(kept);
            }
        }
    }
}
