// A step of many ops: whichever the table has, in a loop.

fn step(member: u32, lane: u32, s: Step) {
    for (var o = 0u; o < program.count.x; o++) {
        execute(program.ops[o], member, lane, s);
        finished();
    }
}

fn execute(op: Op, member: u32, lane: u32, s: Step) {
    switch op.kind {
        case GATHER: { if has(GATHER) { gather(op, member, lane, s); } }
        case MATMUL: { if has(MATMUL) { matmul(op, member, lane, s); } }
        case LOSS_GRADIENT: { if has(LOSS_GRADIENT) { loss_gradient(op, member, lane, s); } }
        case METRICS: { if has(METRICS) { metrics(op, member, lane, s); } }
        case BIAS_GRADIENT: { if has(BIAS_GRADIENT) { bias_gradient(op, member, lane, s); } }
        case UPDATE: { if has(UPDATE) { optimize(op, member, lane, s); } }
        case SOFTMAX: { if has(SOFTMAX) { softmax(op, member, lane, s); } }
        case SQUARE_SUMS: { if has(SQUARE_SUMS) { square_sums(op, member, lane); } }
        case MAX_NORM: { if has(MAX_NORM) { max_norm(op, member, lane); } }
        case CLIP_NORM: { if has(CLIP_NORM) { clip_norm(op, member, lane); } }
        case PERTURB: { if has(PERTURB) { perturb(op, member, lane, s); } }
        case DROPOUT, DROPOUT_GRADIENT: {
            if has(DROPOUT) || has(DROPOUT_GRADIENT) {
                dropout(op, member, lane, s);
            }
        }
        default: { if has_elementwise() { elementwise(op, member, lane, s); } }
    }
}
