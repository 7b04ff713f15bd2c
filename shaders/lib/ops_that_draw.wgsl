#import gaussian
#import mask

// Ops of the kernel of many steps (steps.wgsl) whose values are drawn.

// a: input or gradient [batch, n]; b: hyper; d: key; k: layer; c = a * scale + shift where it stays, of a gradient a * scale
fn dropout(op: Op, member: u32, lane: u32, s: Step) {
    let n = op.n;
    let a = at(op.a, member);
    let c = at(op.c, member);
    let rate = load(at(op.b, member) + 4u);
    let d = at(op.d, member);
    let key = vec2(keys[d], keys[d + 1u]);
    var m = mask(op.function, rate, key, s.number, op.k);
    if op.kind == DROPOUT_GRADIENT {
        m.shift = 0.0;
        m.dropped = 0.0;
    }
    let draws = draws_of(n);
    for (var i = lane; i < s.rows * draws; i += LANES) {
        let row = i / draws;
        let column = first_column(i % draws);
        let stays = stay(m, s.first + row, i % draws);
        let value = row * n + column;
        if column < n {
            store(c + value, select(m.dropped, m.scale * load(a + value) + m.shift, stays.x));
        }
        if column + 16u < n {
            store(c + value + 16u, select(m.dropped, m.scale * load(a + value + 16u) + m.shift, stays.y));
        }
    }
}

// c: values [batch, n]; d: key; k: layer of the noise; c = 0 where the mask says so, else c + deviation * a normal number
fn perturb(op: Op, member: u32, lane: u32, s: Step) {
    let n = op.n;
    let c = at(op.c, member);
    let d = at(op.d, member);
    let key = vec2(keys[d], keys[d + 1u]);
    let layer = op.k;
    let noise_key = threefry(key, vec2(s.number, layer));
    let m = mask(PLAIN, bitcast<f32>(op.parameter), key, s.number, layer + 1u);
    let deviation = bitcast<f32>(op.beta1);
    let draws = draws_of(n);
    for (var i = lane; i < s.rows * draws; i += LANES) {
        let row = i / draws;
        let draw = i % draws;
        let column = first_column(draw);
        let position = s.first + row;
        let noise = deviation * gaussian(threefry(noise_key, vec2(position, draw)));
        let stays = stay(m, position, draw);
        let value = c + row * n + column;
        if column < n {
            store(value, select(0.0, load(value) + noise.x, stays.x));
        }
        if column + 16u < n {
            store(value + 16u, select(0.0, load(value + 16u) + noise.y, stays.y));
        }
    }
}
