#import exponential
#import logarithm

// Loss functions by number, as `LossFunction` in src/program/loss.rs lists them; formulas are there.

const CROSS_ENTROPY = 0u;
const FOCAL = 1u;
const HINGE = 2u;
const BINARY_CROSS_ENTROPY = 3u;
const MSE = 4u;
const MAE = 5u;
const HUBER = 6u;
const LOG_COSH = 7u;
const POISSON = 8u;
const QUANTILE = 9u;
const GAUSSIAN = 10u;

const LOG_2 = 0.69314718;

// Whether a row's target is the number of its class.
fn of_class(function: u32) -> bool {
    return function <= HINGE;
}

// What a row's classes amount to together, with e = exp(z - largest):
struct Classes {
    total: f32,   // sum of e
    rest: f32,    // the same without the target's
    gaps: f32,    // sum of largest - z
    largest: f32, // of z
    logit: f32,   // z of the target
}

// A row's loss of its classes, and its gradient: factor * (e / total - off - on for the target).
struct ClassLoss {
    loss: f32,
    factor: f32,
    on: f32,
    off: f32,
}

fn class_loss(function: u32, parameter: f32, columns: u32, row: Classes) -> ClassLoss {
    let surprise = log(row.total) + (row.largest - row.logit);
    if function == FOCAL {
        // (1 - p)^gamma, and -log(p) / (1 - p), which is 1 where nothing is left to the others.
        let others = row.rest / row.total;
        let power = select(exponential(parameter * log(max(others, 1e-38))), 1.0, parameter == 0.0);
        let weight = select(0.0, power, others > 0.0 || parameter == 0.0);
        let p = exponential(row.logit - row.largest) / row.total;
        let ratio = select(1.0, surprise / others, others > 0.0);
        return ClassLoss(weight * surprise, weight * (1.0 + parameter * p * ratio), 1.0, 0.0);
    }
    let off = parameter / f32(columns);
    // A logit of -infinity is infinitely surprising to no one who expects nothing of it.
    let spread = select(0.0, f32(columns) * log(row.total) + row.gaps, off > 0.0);
    return ClassLoss((1.0 - parameter) * surprise + off * spread, 1.0, 1.0 - parameter, off);
}

// Of one output z against its target t.
struct OutputLoss {
    loss: f32,
    slope: f32, // its derivative by z
    wrong: f32, // 1 if the prediction is on the other side than the target, or half a unit away
    error: f32, // prediction - target
}

// The parameter is that of the function, or the output's quantile.
fn output_loss(function: u32, parameter: f32, z: f32, t: f32) -> OutputLoss {
    let error = z - t;
    let away = select(0.0, 1.0, abs(error) >= 0.5);
    switch function {
        case BINARY_CROSS_ENTROPY: {
            let loss = max(z, 0.0) - z * t + log_one_plus(exponential(-abs(z)));
            return OutputLoss(loss, sigmoid(z) - t, select(0.0, 1.0, (z > 0.0) != (t > 0.5)), error);
        }
        case MAE: { return OutputLoss(abs(error), sign(error), away, error); }
        case HUBER: {
            let near = 0.5 * error * error;
            let far = parameter * (abs(error) - 0.5 * parameter);
            let loss = select(far, near, abs(error) <= parameter);
            return OutputLoss(loss, clamp(error, -parameter, parameter), away, error);
        }
        case LOG_COSH: {
            // log cosh e = |e| + log(1 + e^-2|e|) - log 2; near zero, where that cancels, e^2/2 - e^4/12 + e^6/45.
            let far = abs(error) + log_one_plus(exponential(-2.0 * abs(error))) - LOG_2;
            let s = min(error * error, 1.0);
            let near = s * (0.5 - s * (0.083333333 - s * 0.022222222));
            let loss = select(far, near, abs(error) < 0.1);
            return OutputLoss(loss, hyperbolic_tangent(error), away, error);
        }
        case POISSON: {
            let predicted = select(1.0 / exponential(-z), exponential(z), z <= 0.0);
            let off = predicted - t;
            return OutputLoss(predicted - t * z, off, select(0.0, 1.0, abs(off) >= 0.5), off);
        }
        case QUANTILE: {
            let slope = 0.5 + 0.5 * sign(error) - parameter;
            return OutputLoss(error * slope, slope, away, error);
        }
        default: { return OutputLoss(error * error, 2.0 * error, away, error); }
    }
}

const LEAST_VARIANCE = 1e-6;
const LOG_LEAST_VARIANCE = -13.815511;
const MOST_PRECISION = 1e6;

// Of a mean and the logarithm s of a variance against their target.
struct NormalLoss {
    loss: f32,
    mean: f32, // its derivative by the mean
    log_variance: f32, // and by s
    wrong: f32,
    error: f32,
}

fn normal_loss(mean: f32, s: f32, t: f32) -> NormalLoss {
    let error = mean - t;
    let below = s < LOG_LEAST_VARIANCE;
    let e = exponential(-abs(s));
    let near = select(1.0 / max(e, LEAST_VARIANCE), e, s >= 0.0);
    let inverse = select(near, MOST_PRECISION, below);
    let share = select(1.0, e * MOST_PRECISION, below);
    let far = error * error * inverse;
    let away = select(0.0, 1.0, abs(error) >= 0.5);
    let loss = 0.5 * (max(s, LOG_LEAST_VARIANCE) + far);
    return NormalLoss(loss, error * inverse, 0.5 * (1.0 - far) * share, away, error);
}
