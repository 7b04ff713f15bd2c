// A step of few ops: one behind the other, each with its entry of the table as constants, so that a compiler knows what an op is, how
// large, and where its tensors lie.

override OP_COUNT: u32 = 1u;

// The entries, word by word.
const WORDS = array<u32, OP_COUNT * 28u>(
#each WORD {value}u,
);

#repeat o OP_COUNT
const OP_{o} = Op(
    WORDS[28u * {o}u],
    WORDS[28u * {o}u + 1u],
    WORDS[28u * {o}u + 2u],
    WORDS[28u * {o}u + 3u],
    WORDS[28u * {o}u + 4u],
    WORDS[28u * {o}u + 5u],
    vec2(WORDS[28u * {o}u + 6u], WORDS[28u * {o}u + 7u]),
    vec2(WORDS[28u * {o}u + 8u], WORDS[28u * {o}u + 9u]),
    vec2(WORDS[28u * {o}u + 10u], WORDS[28u * {o}u + 11u]),
    vec2(WORDS[28u * {o}u + 12u], WORDS[28u * {o}u + 13u]),
    vec2(WORDS[28u * {o}u + 14u], WORDS[28u * {o}u + 15u]),
    vec2(WORDS[28u * {o}u + 16u], WORDS[28u * {o}u + 17u]),
    vec2(WORDS[28u * {o}u + 18u], WORDS[28u * {o}u + 19u]),
    vec2(WORDS[28u * {o}u + 20u], WORDS[28u * {o}u + 21u]),
    WORDS[28u * {o}u + 22u],
    WORDS[28u * {o}u + 23u],
    WORDS[28u * {o}u + 24u],
    WORDS[28u * {o}u + 25u],
    WORDS[28u * {o}u + 26u],
    WORDS[28u * {o}u + 27u],
);
#end

fn step(member: u32, lane: u32, s: Step) {
#each KIND execute_{value}(OP_{i}, member, lane, s); finished();
}

// By the number of the op's kind: what another kind would do is not in a compiler's way.
fn execute_0(op: Op, member: u32, lane: u32, s: Step) {
    gather(op, member, lane, s);
}

fn execute_1(op: Op, member: u32, lane: u32, s: Step) {
    matmul(op, member, lane, s);
}

fn execute_2(op: Op, member: u32, lane: u32, s: Step) {
    elementwise(op, member, lane, s);
}

fn execute_3(op: Op, member: u32, lane: u32, s: Step) {
    elementwise(op, member, lane, s);
}

fn execute_4(op: Op, member: u32, lane: u32, s: Step) {
    elementwise(op, member, lane, s);
}

fn execute_5(op: Op, member: u32, lane: u32, s: Step) {
    loss_gradient(op, member, lane, s);
}

fn execute_6(op: Op, member: u32, lane: u32, s: Step) {
    metrics(op, member, lane, s);
}

fn execute_7(op: Op, member: u32, lane: u32, s: Step) {
    bias_gradient(op, member, lane, s);
}

fn execute_8(op: Op, member: u32, lane: u32, s: Step) {
    optimize(op, member, lane, s);
}

fn execute_9(op: Op, member: u32, lane: u32, s: Step) {
    elementwise(op, member, lane, s);
}

fn execute_10(op: Op, member: u32, lane: u32, s: Step) {
    softmax(op, member, lane, s);
}

fn execute_11(op: Op, member: u32, lane: u32, s: Step) {
    elementwise(op, member, lane, s);
}

fn execute_12(op: Op, member: u32, lane: u32, s: Step) {
    square_sums(op, member, lane);
}

fn execute_13(op: Op, member: u32, lane: u32, s: Step) {
    clip_norm(op, member, lane);
}

fn execute_14(op: Op, member: u32, lane: u32, s: Step) {
    dropout(op, member, lane, s);
}

fn execute_15(op: Op, member: u32, lane: u32, s: Step) {
    dropout(op, member, lane, s);
}

fn execute_16(op: Op, member: u32, lane: u32, s: Step) {
    elementwise(op, member, lane, s);
}

fn execute_17(op: Op, member: u32, lane: u32, s: Step) {
    max_norm(op, member, lane);
}

fn execute_18(op: Op, member: u32, lane: u32, s: Step) {
    perturb(op, member, lane, s);
}
