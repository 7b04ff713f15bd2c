#import losses

// Ops of the kernel of many steps (steps.wgsl) on what a network answers.

// c[r, i] = exp(a[r, i] - max a[r, :]) / sum exp(a[r, :] - max a[r, :]). A lane has whole rows.
fn softmax(op: Op, member: u32, lane: u32, s: Step) {
    let n = op.n;
    for (var row = lane; row < s.rows; row += LANES) {
        let a = at(op.a, member) + row * n;
        let c = at(op.c, member) + row * n;
        let largest = row_max(a, n);
        var total = 0.0;
        for (var i = 0u; i < n; i++) {
            total += exponential(load(a + i) - largest);
        }
        for (var i = 0u; i < n; i++) {
            store(c + i, exponential(load(a + i) - largest) / total);
        }
    }
}

// a: logits [batch, n]; b: targets; c: gradient [batch, n]; d: records [batch, 4]; k outputs for each value of a target. A lane
// has whole rows.
fn loss_gradient(op: Op, member: u32, lane: u32, s: Step) {
    let n = op.n;
    let function = select(LOSS, op.function, LOSS == ANY);
    let parameter = bitcast<f32>(op.parameter);
    let weights = op.epilogue;
    let width = op.k;
    let wished = select(n / width, 1u, of_class(function));
    for (var row = lane; row < s.rows; row += LANES) {
        let a = at(op.a, member) + row * n;
        let c = at(op.c, member) + row * n;
        let b = at(op.b, member) + row * (wished + select(weights, n, weights == OF_OUTPUTS));
        var weight = 1.0;
        if weights == OF_ROWS {
            weight = load(b + wished);
        }
        let scale = weight * s.loss_scale;
        var record = vec4<f32>();
        if of_class(function) {
            let wanted = u32(load(b));
            record = class_row(function, parameter, n, wanted, a, c, scale);
        } else if function == GAUSSIAN {
            for (var i = 0u; i < n; i += 2u) {
                let found = normal_loss(load(a + i), load(a + i + 1u), load(b + i / 2u));
                record += vec4(found.loss, found.wrong, abs(found.error), found.error * found.error);
                store(c + i, found.mean * scale);
                store(c + i + 1u, found.log_variance * scale);
            }
            record.y = select(0.0, 1.0, record.y == 0.0);
        } else {
            for (var i = 0u; i < n; i++) {
                let place = i % width;
                let level = program.levels[place / 4u][place % 4u];
                let of_output = select(parameter, level, function == QUANTILE);
                let found = output_loss(function, of_output, load(a + i), load(b + i / width));
                var of_loss = 1.0;
                if weights == OF_OUTPUTS {
                    of_loss = load(b + wished + i);
                }
                record += vec4(of_loss * found.loss, found.wrong, abs(found.error), found.error * found.error);
                store(c + i, found.slope * (of_loss * scale));
            }
            record.y = select(0.0, 1.0, record.y == 0.0);
        }
        let d = at(op.d, member) + row * 4u;
        store(d, record.x * weight);
        store(d + 1u, record.y);
        store(d + 2u, record.z);
        store(d + 3u, record.w);
    }
}

fn class_row(function: u32, parameter: f32, n: u32, wanted: u32, a: u32, c: u32, scale: f32) -> vec4<f32> {
    var sums = Classes(0.0, 0.0, 0.0, row_max(a, n), load(a + wanted));
    var right = 1.0;
    var short = 0.0;
    var near = 0.0;
    for (var i = 0u; i < n; i++) {
        let z = load(a + i);
        let power = exponential(z - sums.largest);
        let other = i != wanted;
        sums.total += power;
        sums.rest += select(0.0, power, other);
        sums.gaps += sums.largest - z;
        short += select(0.0, max(1.0 + z - sums.logit, 0.0), other);
        near += select(0.0, 1.0, other && 1.0 + z - sums.logit > 0.0);
        // A tie goes to the first class, as argmax has it.
        right = select(right, 0.0, z > sums.logit || (z == sums.logit && i < wanted));
    }
    if function == HINGE {
        let share = 1.0 / f32(n);
        for (var i = 0u; i < n; i++) {
            let slope = select(0.0, share, 1.0 + load(a + i) - sums.logit > 0.0);
            store(c + i, select(slope, -near * share, i == wanted) * scale);
        }
        return vec4(short * share, right, 0.0, 0.0);
    }
    let found = class_loss(function, parameter, n, sums);
    for (var i = 0u; i < n; i++) {
        let wished = found.off + select(0.0, found.on, i == wanted);
        let slope = found.factor * (exponential(load(a + i) - sums.largest) / sums.total - wished);
        store(c + i, slope * scale);
    }
    return vec4(found.loss, right, 0.0, 0.0);
}

fn row_max(first: u32, columns: u32) -> f32 {
    var largest = load(first);
    for (var i = 1u; i < columns; i++) {
        largest = max(largest, load(first + i));
    }
    return largest;
}

// log[record, :] = sum over r of a[r, :]. A lane for each of the four values.
fn metrics(op: Op, member: u32, lane: u32, s: Step) {
    if lane >= 4u {
        return;
    }
    let a = at(op.a, member) + lane;
    var sum = 0.0;
    for (var row = 0u; row < s.rows; row++) {
        sum += load(a + row * 4u);
    }
    log_of[at(op.c, member) + s.record * 4u + lane] = sum;
}
