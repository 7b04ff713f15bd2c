// One weight's update, by each rule; formulas are in `Rule` in src/program/optimizer.rs, twins are in src/backend/cpu/.

const SGD = 0u;
const ADAM = 1u;
const ADAMW = 2u;
const AMSGRAD = 3u;
const NADAM = 4u;
const RADAM = 5u;
const RMSPROP = 6u;
const ADAGRAD = 7u;
const ADADELTA = 8u;
const LION = 9u;
const MUON = 10u;

struct Rates {
    rate: f32,
    decay: f32, // of this weight
    l1: f32, // of this weight
    momentum: f32,
    corrections: vec3<f32>, // of the step
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    nesterov: bool,
}

// A weight and up to three moments, before and after.
struct Weight {
    w: f32,
    moments: vec3<f32>,
}

fn update(rule: u32, before: Weight, plain: f32, r: Rates) -> Weight {
    let m = before.moments;
    let decoupled = rule == ADAMW || rule == LION || rule == MUON;
    let w = before.w * select(1.0, 1.0 - r.rate * r.decay, decoupled);
    let g = plain + r.l1 * sign(before.w) + select(r.decay * before.w, 0.0, decoupled);
    switch rule {
        case SGD: {
            let v = r.momentum * m.x + g;
            let along = select(v, g + r.momentum * v, r.nesterov);
            return Weight(w - r.rate * along, vec3(v, 0.0, 0.0));
        }
        case RMSPROP: {
            let v = r.beta2 * m.x + (1.0 - r.beta2) * g * g;
            let b = r.momentum * m.y + g / (sqrt(v) + r.epsilon);
            return Weight(w - r.rate * b, vec3(v, b, 0.0));
        }
        case ADAGRAD: {
            let s = m.x + g * g;
            return Weight(w - r.rate * (g / (sqrt(s) + r.epsilon)), vec3(s, 0.0, 0.0));
        }
        case ADADELTA: {
            let v = r.beta2 * m.x + (1.0 - r.beta2) * g * g;
            let d = g * (sqrt(m.y + r.epsilon) / sqrt(v + r.epsilon));
            let u = r.beta2 * m.y + (1.0 - r.beta2) * d * d;
            return Weight(w - r.rate * d, vec3(v, u, 0.0));
        }
        case LION: {
            let along = sign(r.beta1 * m.x + (1.0 - r.beta1) * g);
            let next = r.beta2 * m.x + (1.0 - r.beta2) * g;
            return Weight(w - r.rate * along, vec3(next, 0.0, 0.0));
        }
        case MUON: {
            return Weight(w - r.rate * g, m);
        }
        default: {
            let m1 = r.beta1 * m.x + (1.0 - r.beta1) * g;
            let m2 = r.beta2 * m.y + (1.0 - r.beta2) * g * g;
            let largest = max(m.z, m2);
            let c = r.corrections;
            let root = sqrt(select(m2, largest, rule == AMSGRAD) / c.y) + r.epsilon;
            var along = (m1 / c.x) / root;
            if rule == NADAM {
                along = (m1 / c.x + g * c.z) / root;
            }
            if rule == RADAM {
                let known = c.z * sqrt(c.y) / (sqrt(m2) + r.epsilon);
                along = (m1 / c.x) * select(1.0, known, c.z > 0.0);
            }
            return Weight(w - r.rate * along, vec3(m1, m2, select(0.0, largest, rule == AMSGRAD)));
        }
    }
}
