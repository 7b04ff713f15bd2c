// Sums of a product's a over k, where a lane sums four rows of its own that lie side by side.
//
// The kernel that imports this declares `shape`, and has `summed_row`, SUMS, which is 4, NONE and `four_of_a`.

// For k from `start` to `depth`, in rising order.
fn sum_rows(at: Invocation, start: u32, depth: u32) {
    let first = shape.a.x + at.group.z * shape.a.y;
    let columns = shape.m_stride;
    let row = summed_row(at, 0u);
    var sums_of_four = vec4(row_sums[0], row_sums[1], row_sums[2], row_sums[3]);
    // None but for the first workgroups of rows of them; four terms at a time, for the sake of drivers that count iterations.
    let end = select(0u, depth, row != NONE);
    for (var k = start; k < end; k += 4u) {
#repeat j 4
        let four_{j} = four_of_a(first + min(k + {j}u, depth - 1u) * apart_a(columns), row, columns);
        sums_of_four += select(vec4<f32>(), four_{j}, k + {j}u < depth);
#end
    }
#repeat i 4
    row_sums[{i}u] = sums_of_four[{i}u];
#end
}
