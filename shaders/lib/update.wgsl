// One parameter's update, by each optimizer.

// v = mu*v + g; w = w - eta*v
fn sgd_update(w: f32, velocity: f32, gradient: f32, rate: f32, momentum: f32) -> vec2<f32> {
    let v = momentum * velocity + gradient;
    return vec2(w - rate * v, v);
}

struct AdamRates {
    rate: f32,
    correction1: f32,
    correction2: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
}

// m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g^2; w = w - eta * (m / c1) / (sqrt(v / c2) + epsilon)
fn adam_update(w: f32, moment1: f32, moment2: f32, gradient: f32, rates: AdamRates) -> vec3<f32> {
    let m = rates.beta1 * moment1 + (1.0 - rates.beta1) * gradient;
    let v = rates.beta2 * moment2 + (1.0 - rates.beta2) * gradient * gradient;
    let scaled = (m / rates.correction1) / (sqrt(v / rates.correction2) + rates.epsilon);
    return vec3(w - rates.rate * scaled, m, v);
}
