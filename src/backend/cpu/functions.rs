//! Activation functions and their derivatives, a value at a time: the twin of `shaders/lib/functions.wgsl`.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::Real;
use crate::model::Activation;

const LEAK: f64 = 0.01;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// √(2/π)
const SQRT_2_BY_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
/// 1/√(2π)
const INVERSE_SQRT_2PI: f64 = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

/// f, of z. A function that is not elementwise has an op of its own, and is never asked for here.
pub(super) fn value<T: Real>(function: Activation) -> fn(T) -> T {
    match function {
        Activation::Identity | Activation::Prelu | Activation::Softmax | Activation::LogSoftmax => {
            |z| z
        }
        Activation::Relu => relu,
        Activation::Sigmoid => sigmoid,
        Activation::Tanh => T::hyperbolic_tangent,
        Activation::LeakyRelu => |z| if z > T::zero() { z } else { c::<T>(LEAK) * z },
        Activation::Elu => |z| if z > T::zero() { z } else { z.exp_m1() },
        Activation::Selu => |z| {
            let unscaled = if z > T::zero() {
                z
            } else {
                c::<T>(SELU_ALPHA) * z.exp_m1()
            };
            c::<T>(SELU_SCALE) * unscaled
        },
        Activation::Gelu => |z| z * normal_below(z),
        Activation::GeluTanh => |z| z * sigmoid(gelu_argument(z)),
        Activation::Silu => |z| z * sigmoid(z),
        Activation::Mish => |z| z * mish_gate(z)[0],
        Activation::Softplus => |z| z.max(T::zero()) + (-z.abs()).exponential().ln_1p(),
        Activation::Softsign => |z| z / (T::one() + z.abs()),
        Activation::HardSigmoid => |z| (z / c::<T>(6.0) + c::<T>(0.5)).max(T::zero()).min(T::one()),
    }
}

/// f′, of f's output, or of z where [`Activation::keeps_input`] says so.
pub(super) fn slope<T: Real>(function: Activation) -> fn(T) -> T {
    match function {
        Activation::Identity | Activation::Prelu | Activation::Softmax | Activation::LogSoftmax => {
            |_| T::one()
        }
        Activation::Relu => |a| if a > T::zero() { T::one() } else { T::zero() },
        Activation::Sigmoid => |a| a * (T::one() - a),
        Activation::Tanh => |a| T::one() - a * a,
        Activation::LeakyRelu => |a| if a > T::zero() { T::one() } else { c(LEAK) },
        Activation::Elu => |a| {
            if a > T::zero() {
                T::one()
            } else {
                a + T::one()
            }
        },
        Activation::Selu => |a| {
            if a > T::zero() {
                c(SELU_SCALE)
            } else {
                a + c(SELU_SCALE * SELU_ALPHA)
            }
        },
        Activation::Gelu => |z| {
            let density = c::<T>(INVERSE_SQRT_2PI) * (-c::<T>(0.5) * z * z).exponential();
            normal_below(z) + near_20(z) * density
        },
        Activation::GeluTanh => |z| {
            let (near, argument) = (near_20(z), gelu_argument(z));
            let slope =
                c::<T>(2.0 * SQRT_2_BY_PI) * (T::one() + c::<T>(3.0 * 0.044_715) * near * near);
            sigmoid(argument) + near * sigmoid_slope(argument) * slope
        },
        Activation::Silu => |z| sigmoid(z) + z * sigmoid_slope(z),
        Activation::Mish => |z| {
            let [gate, slope] = mish_gate(z);
            gate + z * slope * sigmoid(z)
        },
        Activation::Softplus => sigmoid,
        Activation::Softsign => |z| {
            let top = (T::one() + z.abs()).recip();
            top * top
        },
        Activation::HardSigmoid => |a| {
            if a > T::zero() && a < T::one() {
                c(1.0 / 6.0)
            } else {
                T::zero()
            }
        },
    }
}

fn c<T: Real>(constant: f64) -> T {
    T::of_f64(constant)
}

/// max(z, 0); a NaN stays one.
#[inline(always)]
pub(super) fn relu<T: Real>(z: T) -> T {
    if z < T::zero() { T::zero() } else { z }
}

/// 1 / (1 + e^−z), with the exponential of a number that is never positive: no overflow at either end.
#[inline(always)]
pub(super) fn sigmoid<T: Real>(z: T) -> T {
    sigmoid_by(z, (-z.abs()).exponential())
}

/// The same by e = e^−|z|.
#[inline(always)]
pub(super) fn sigmoid_by<T: Real>(z: T, e: T) -> T {
    let top = if z >= T::zero() { T::one() } else { e };
    top / (T::one() + e)
}

fn sigmoid_slope<T: Real>(z: T) -> T {
    let e = (-z.abs()).exponential();
    e / ((T::one() + e) * (T::one() + e))
}

/// The normal distribution's share below z: Φ(z) = erfc(−z/√2) / 2.
fn normal_below<T: Real>(z: T) -> T {
    c::<T>(0.5) * (-z * c::<T>(FRAC_1_SQRT_2)).erfc()
}

/// z, but within ±20, beyond which factors of z have all died away.
fn near_20<T: Real>(z: T) -> T {
    z.max(c(-20.0)).min(c(20.0))
}

/// The argument of the sigmoid in GELU's tanh form, twice that of the tanh.
fn gelu_argument<T: Real>(z: T) -> T {
    let near = near_20(z);
    c::<T>(2.0 * SQRT_2_BY_PI) * near * (T::one() + c::<T>(0.044_715) * near * near)
}

/// tanh(softplus(z)) and 1 − its square, of e = e^−|z|: (1 + e^z)² takes the place of the exponential of a softplus.
fn mish_gate<T: Real>(z: T) -> [T; 2] {
    let two = c::<T>(2.0);
    let e = (-z.abs()).exponential();
    let (top, rest) = if z >= T::zero() {
        (T::one() + two * e, two * e * e)
    } else {
        (e * (e + two), two)
    };
    let (gate, under) = (top / (top + rest), rest / (top + rest));
    [gate, under * (T::one() + gate)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_from_zero_every_function_and_slope_is_its_limit() {
        for function in Activation::ELEMENTWISE {
            for z in [-1e30_f32, -1e4, 1e4, 1e30] {
                let a = value(function)(z);
                let kept = if function.keeps_input() { z } else { a };
                let slope = slope(function)(kept);
                assert!(
                    a.is_finite() && (0.0..1.1).contains(&slope),
                    "{function:?}({z}) = {a}, slope {slope}"
                );
            }
        }
    }
}
