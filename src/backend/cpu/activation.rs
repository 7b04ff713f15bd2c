use super::functions::{relu, sigmoid, value};
use super::team::Team;
use super::{Real, share};
use crate::model::Activation;

/// output = f(input)
pub(super) fn activation<T: Real>(
    function: Activation,
    input: &[T],
    output: &mut [T],
    team: &Team,
) {
    share::rows(output, 1, team, |first, output| {
        output.copy_from_slice(&input[first..][..output.len()]);
        share::wide(
            #[inline(always)]
            || activate(function, output),
        );
    });
}

/// f(z + bias) in place, row by row: a fused forward op's epilogue.
pub(super) fn bias_activation<'a, T: Real>(
    function: Activation,
    bias: &[T],
    rows: impl Iterator<Item = &'a mut [T]>,
) {
    share::wide(
        #[inline(always)]
        || {
            for row in rows {
                for (z, &b) in row.iter_mut().zip(bias) {
                    *z += b;
                }
                activate(function, row);
            }
        },
    );
}

/// f in place. The most frequent functions are loops of their own, which the compiler vectorises.
#[inline(always)]
fn activate<T: Real>(function: Activation, values: &mut [T]) {
    match function {
        Activation::Identity => {}
        Activation::Relu => each(values, relu),
        Activation::Sigmoid => each(values, sigmoid),
        Activation::Tanh => each(values, T::hyperbolic_tangent),
        _ => each(values, value(function)),
    }
}

#[inline(always)]
fn each<T: Real>(values: &mut [T], f: impl Fn(T) -> T) {
    for z in values {
        *z = f(*z);
    }
}
