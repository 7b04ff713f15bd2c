use super::functions::{relu, value};
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
        let (f, input) = (value(function), &input[first..][..output.len()]);
        match function {
            Activation::Identity => output.copy_from_slice(input),
            Activation::Relu => share::wide(
                #[inline(always)]
                || {
                    for (out, &z) in output.iter_mut().zip(input) {
                        *out = relu(z);
                    }
                },
            ),
            _ => {
                for (out, &z) in output.iter_mut().zip(input) {
                    *out = f(z);
                }
            }
        }
    });
}

/// f(z + bias) in place, row by row: a fused forward op's epilogue.
pub(super) fn bias_activation<'a, T: Real>(
    function: Activation,
    bias: &[T],
    rows: impl Iterator<Item = &'a mut [T]>,
) {
    let f = value(function);
    share::wide(
        #[inline(always)]
        || {
            for row in rows {
                for (z, &b) in row.iter_mut().zip(bias) {
                    *z += b;
                }
                match function {
                    Activation::Identity => {}
                    Activation::Relu => {
                        for z in row {
                            *z = relu(*z);
                        }
                    }
                    _ => {
                        for z in row {
                            *z = f(*z);
                        }
                    }
                }
            }
        },
    );
}
