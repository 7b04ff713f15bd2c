// A product's sums over k, as a whole or in SLICES parts of k, which are added up in rising order: one behind the other, or BESIDE of them
// side by side by lanes of their own. The bits are the same either way. A slice is a multiple of 16 terms, and what it has of them
// behind the last is zeros.
//
// The kernel that imports this declares `shape` with k, and has `terms`, `sums`, `row_sums`, ROWS, SUMS, BESIDE and `together`.

override SLICES: u32 = 1u;

fn product(at: Invocation) {
    let depth = rows_of(shape.k);
    if SLICES == 1u {
        terms(at, 0u, depth, depth);
        return;
    }
    let length = (depth + 16u * SLICES - 1u) / (16u * SLICES) * 16u;
#repeat i ROWS
    var whole_{i} = vec4<f32>();
#end
#repeat i SUMS
    var whole_row_{i} = 0.0;
#end
    for (var slice = 0u; slice < SLICES; slice += BESIDE) {
        let first = (slice + at.lane.z) * length;
#repeat i SUMS
        row_sums[{i}u] = 0.0;
#end
        terms(at, first, first + length, depth);
        together(at);
#repeat i ROWS
        whole_{i} += sums[{i}u];
#end
#repeat i SUMS
        whole_row_{i} += row_sums[{i}u];
#end
    }
#repeat i ROWS
    sums[{i}u] = whole_{i};
#end
#repeat i SUMS
    row_sums[{i}u] = whole_row_{i};
#end
}
