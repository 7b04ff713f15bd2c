// Sums and maxima over the LANES invocations that share a row; a workgroup has 64 / LANES rows.
//
// The tree depends on LANES alone, so the same shape gives the same bits.

override LANES: u32 = 1u;

const GROUP = 64u;

var<workgroup> partial: array<vec4<f32>, GROUP>;

fn row_sum(lane: u32, value: vec4<f32>) -> vec4<f32> {
    partial[lane] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane % LANES < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let sum = partial[lane - lane % LANES];
    workgroupBarrier();
    return sum;
}

fn row_max(lane: u32, value: f32) -> f32 {
    partial[lane].x = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane % LANES < half {
            partial[lane].x = max(partial[lane].x, partial[lane + half].x);
        }
        workgroupBarrier();
    }
    let largest = partial[lane - lane % LANES].x;
    workgroupBarrier();
    return largest;
}
