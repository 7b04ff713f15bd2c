// Loss functions by number, as `LossFunction` in src/program/op.rs lists them.

const CROSS_ENTROPY = 0u;
const BINARY_CROSS_ENTROPY = 1u;
const MSE = 2u;

// Of one output z against its target t.
struct OutputLoss {
    loss: f32,
    slope: f32, // its derivative by z
    wrong: f32, // 1 if the prediction is on the other side than the target
}

fn output_loss(function: u32, z: f32, t: f32) -> OutputLoss {
    if function == BINARY_CROSS_ENTROPY {
        let loss = max(z, 0.0) - z * t + log(1.0 + exponential(-abs(z)));
        return OutputLoss(loss, sigmoid(z) - t, select(0.0, 1.0, (z > 0.0) != (t > 0.5)));
    }
    let error = z - t;
    return OutputLoss(error * error, 2.0 * error, select(0.0, 1.0, abs(error) >= 0.5));
}
