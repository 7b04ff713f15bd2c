// Large products in tiles of TILE_ROWS rows and 4*LANES columns, as outer products: a lane makes all rows of four columns, LANES apart. Of
// b it reads its own columns, of a the rows that are its share, and it has the others from the lanes beside it. The lanes of the workgroup
// are one subgroup.

override TILE_ROWS: u32 = 16u; // a multiple of LANES
override TILE_PARTS: u32 = 2u; // TILE_ROWS / LANES

// The sums of the lane's rows, for its four columns.
var<private> sums: array<vec4<f32>, TILE_ROWS>;

fn matmul(op: Op, member: u32, lane: u32, s: Step) {
    if op.tiled == 0u {
        product_by_value(op, member, lane, s);
    } else {
        product_in_tiles(op, member, lane, s);
    }
}

fn product_in_tiles(op: Op, member: u32, lane: u32, s: Step) {
    let n = op.n;
    let depth = rows_of(op.k, s);
    let rows = rows_of(op.m, s);
    let a = at(op.a, member);
    let b = at(op.b, member);
    for (var left = 0u; left < n; left += 4u * LANES) {
        let column = left + lane;
#repeat j 4
        let at_b_{j} = b + min(column + {j}u * LANES, n - 1u) * op.b_strides.y;
#end
        for (var top = 0u; top < rows; top += TILE_ROWS) {
#repeat p TILE_PARTS
            let at_a_{p} = a + min(top + {p}u * LANES + lane, rows - 1u) * op.a_strides.x;
#end
#repeat i TILE_ROWS
            var sum_{i} = vec4<f32>();
#end
            // Four terms at a time, row by row, so that a row's sums stay in registers meanwhile. Behind the last one are zeros.
            for (var k = 0u; k < depth; k += 4u) {
#repeat q 4
                let inside_{q} = k + {q}u < depth;
                let inner_{q} = min(k + {q}u, depth - 1u);
                let along_{q} = inner_{q} * op.b_strides.x;
                let right_{q} = select(
                    vec4<f32>(),
                    vec4(load(at_b_0 + along_{q}), load(at_b_1 + along_{q}), load(at_b_2 + along_{q}), load(at_b_3 + along_{q})),
                    inside_{q},
                );
                let held_{q} = array<f32, TILE_PARTS>(
#repeat p TILE_PARTS
                    select(0.0, load(at_a_{p} + inner_{q} * op.a_strides.y), inside_{q}),
#end
                );
#end
#repeat i TILE_ROWS
#repeat q 4
                sum_{i} += subgroupBroadcast(held_{q}[{i}u / LANES], {i}u % LANES) * right_{q};
#end
#end
            }
#repeat i TILE_ROWS
            sums[{i}] = sum_{i};
#end
            for (var i = 0u; i < min(TILE_ROWS, rows - top); i++) {
#repeat j 4
                if column + {j}u * LANES < n {
                    finish(op, member, (top + i) * n + column + {j}u * LANES, column + {j}u * LANES, sums[i][{j}]);
                }
#end
            }
        }
    }
}
