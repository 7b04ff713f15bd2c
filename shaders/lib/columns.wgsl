// Sums over the LANES invocations that share a column; a workgroup has WIDTH columns.
//
// The tree depends on LANES alone, so the same shape gives the same bits.

const WIDTH = 16u;
const LANES = 16u;

var<workgroup> partial: array<vec2<f32>, WIDTH * LANES>;

fn column_sum(lane: vec2<u32>, value: vec2<f32>) -> vec2<f32> {
    let at = lane.y * WIDTH + lane.x;
    partial[at] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane.y < half {
            partial[at] += partial[at + half * WIDTH];
        }
        workgroupBarrier();
    }
    let sum = partial[lane.x];
    workgroupBarrier();
    return sum;
}
