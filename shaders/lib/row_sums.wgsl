// Sums of a product's a over k, where a lane sums rows of its own.
//
// The kernel that imports this declares `shape`, and has `summed_row`, SUMS, NONE and `one_of_a`.

// For k from `start` to `depth`, in rising order.
fn sum_rows(at: Invocation, rows: u32, start: u32, depth: u32) {
    let first = shape.a.x + at.group.z * shape.a.y;
    let stride = shape.m_stride;
    // None but for the first workgroups of rows of them; four terms at a time, for the sake of drivers that count iterations.
    let end = select(0u, depth, summed_row(at, 0u) != NONE);
    for (var k = start; k < end; k += 4u) {
#repeat i SUMS
        let row_{i} = first + min(summed_row(at, {i}u), rows - 1u);
#repeat j 4
        row_sums[{i}u] += select(0.0, one_of_a(row_{i} + min(k + {j}u, depth - 1u) * shape.m_stride), k + {j}u < depth);
#end
#end
    }
}
