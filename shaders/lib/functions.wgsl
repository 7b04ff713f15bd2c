#import exponential
#import erfc
#import logarithm

// Activation functions by number, as `Activation` in src/model/activation.rs lists them; formulas are there.

const IDENTITY = 0u;
const RELU = 1u;
const SIGMOID = 2u;
const TANH = 3u;
const LEAKY_RELU = 4u;
const ELU = 5u;
const SELU = 6u;
const GELU = 7u;
const GELU_TANH = 8u;
const SILU = 9u;
const MISH = 10u;
const SOFTPLUS = 11u;
const SOFTSIGN = 12u;
const HARD_SIGMOID = 13u;

const LEAK = 0.01;
const SELU_SCALE = 1.05070098;
const SELU_ALPHA = 1.67326324;
const SQRT_HALF = 0.70710678;
const SQRT_2_BY_PI = 0.79788456;
const INVERSE_SQRT_2PI = 0.39894228;

// 1 / (1 + e^-z), with the exponential of a number that is never positive: no overflow at either end.
fn sigmoid(z: f32) -> f32 {
    let e = exponential(-abs(z));
    return select(e, 1.0, z >= 0.0) / (1.0 + e);
}

fn sigmoid_slope(z: f32) -> f32 {
    let e = exponential(-abs(z));
    return e / ((1.0 + e) * (1.0 + e));
}

// tanh |z| = (1 - e) / (1 + e) with e = e^-2|z|; near zero, where that cancels, z - z^3/3 + 2z^5/15 - 17z^7/315.
fn hyperbolic_tangent(z: f32) -> f32 {
    let e = exponential(-2.0 * abs(z));
    let far = sign(z) * (1.0 - e) / (1.0 + e);
    let s = min(z * z, 1.0);
    let near = z * (1.0 + s * (-0.33333333 + s * (0.13333333 - s * 0.053968254)));
    return select(far, near, abs(z) < 0.1);
}

// log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)
fn softplus(z: f32) -> f32 {
    return max(z, 0.0) + log_one_plus(exponential(-abs(z)));
}

// The normal distribution's share below z.
fn normal_below(z: f32) -> f32 {
    let tail = 0.5 * erfc(abs(z) * SQRT_HALF);
    return select(tail, 1.0 - tail, z >= 0.0);
}

// The argument of the sigmoid in GELU's tanh form, twice that of the tanh. Beyond 20 the sigmoid is 0 or 1.
fn gelu_argument(z: f32) -> f32 {
    let near = clamp(z, -20.0, 20.0);
    return 2.0 * SQRT_2_BY_PI * near * (1.0 + 0.044715 * near * near);
}

// tanh(softplus(z)) and 1 - its square, of e = e^-|z|: (1 + e^z)^2 takes the place of the exponential of a softplus.
fn mish_gate(z: f32) -> vec2<f32> {
    let e = exponential(-abs(z));
    let top = select(e * (e + 2.0), 1.0 + 2.0 * e, z >= 0.0);
    let rest = select(2.0, 2.0 * e * e, z >= 0.0);
    let gate = top / (top + rest);
    let under = rest / (top + rest);
    return vec2(gate, under * (1.0 + gate));
}

fn activate(function: u32, z: f32) -> f32 {
    switch function {
        case RELU: { return max(z, 0.0); }
        case SIGMOID: { return sigmoid(z); }
        case TANH: { return hyperbolic_tangent(z); }
        case LEAKY_RELU: { return select(LEAK * z, z, z > 0.0); }
        case ELU: { return select(exponential_minus_one(min(z, 0.0)), z, z > 0.0); }
        case SELU: { return SELU_SCALE * select(SELU_ALPHA * exponential_minus_one(min(z, 0.0)), z, z > 0.0); }
        case GELU: { return z * normal_below(z); }
        case GELU_TANH: { return z * sigmoid(gelu_argument(z)); }
        case SILU: { return z * sigmoid(z); }
        case MISH: { return z * mish_gate(z).x; }
        case SOFTPLUS: { return softplus(z); }
        case SOFTSIGN: { return z / (1.0 + abs(z)); }
        case HARD_SIGMOID: { return clamp(z / 6.0 + 0.5, 0.0, 1.0); }
        default: { return z; }
    }
}

// The derivative f'(z), found from f(z), or from z itself where `Activation::keeps_input` says so.
fn derivative(function: u32, kept: f32) -> f32 {
    switch function {
        case RELU: { return select(0.0, 1.0, kept > 0.0); }
        case SIGMOID: { return kept * (1.0 - kept); }
        case TANH: { return 1.0 - kept * kept; }
        case LEAKY_RELU: { return select(LEAK, 1.0, kept > 0.0); }
        case ELU: { return select(kept + 1.0, 1.0, kept > 0.0); }
        case SELU: { return select(kept + SELU_SCALE * SELU_ALPHA, SELU_SCALE, kept > 0.0); }
        case GELU: {
            let density = INVERSE_SQRT_2PI * exponential(-0.5 * min(kept * kept, 200.0));
            return normal_below(kept) + clamp(kept, -20.0, 20.0) * density;
        }
        case GELU_TANH: {
            let near = clamp(kept, -20.0, 20.0);
            let argument = gelu_argument(kept);
            let slope = 2.0 * SQRT_2_BY_PI * (1.0 + 3.0 * 0.044715 * near * near);
            return sigmoid(argument) + near * sigmoid_slope(argument) * slope;
        }
        case SILU: { return sigmoid(kept) + kept * sigmoid_slope(kept); }
        case MISH: {
            let gate = mish_gate(kept);
            return gate.x + kept * gate.y * sigmoid(kept);
        }
        case SOFTPLUS: { return sigmoid(kept); }
        case SOFTSIGN: {
            let top = 1.0 / (1.0 + abs(kept));
            return top * top;
        }
        case HARD_SIGMOID: { return select(0.0, 0.16666667, kept > 0.0 && kept < 1.0); }
        default: { return 1.0; }
    }
}
