#import exponential

// Activation functions by number, as `Activation` in src/model/network.rs lists them.

const IDENTITY = 0u;
const RELU = 1u;
const SIGMOID = 2u;
const TANH = 3u;

// 1 / (1 + e^-z), with the exponential of a number that is never positive: no overflow at either end.
fn sigmoid(z: f32) -> f32 {
    let e = exponential(-abs(z));
    return select(e, 1.0, z >= 0.0) / (1.0 + e);
}

// tanh |z| = (1 - e) / (1 + e) with e = e^-2|z|; near zero, where that cancels, z - z^3/3 + 2z^5/15 - 17z^7/315.
fn hyperbolic_tangent(z: f32) -> f32 {
    let e = exponential(-2.0 * abs(z));
    let far = sign(z) * (1.0 - e) / (1.0 + e);
    let s = min(z * z, 1.0);
    let near = z * (1.0 + s * (-0.33333333 + s * (0.13333333 - s * 0.053968254)));
    return select(far, near, abs(z) < 0.1);
}

fn activate(function: u32, z: f32) -> f32 {
    switch function {
        case RELU: { return max(z, 0.0); }
        case SIGMOID: { return sigmoid(z); }
        case TANH: { return hyperbolic_tangent(z); }
        default: { return z; }
    }
}

// The derivative f'(z), found from a = f(z).
fn derivative(function: u32, a: f32) -> f32 {
    switch function {
        case RELU: { return select(0.0, 1.0, a > 0.0); }
        case SIGMOID: { return a * (1.0 - a); }
        case TANH: { return 1.0 - a * a; }
        default: { return 1.0; }
    }
}
