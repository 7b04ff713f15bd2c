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
            for (var k = 0u; k < depth; k++) {
                let along = k * op.b_strides.x;
                let right = vec4(arena[at_b_0 + along], arena[at_b_1 + along], arena[at_b_2 + along], arena[at_b_3 + along]);
                let held = array<f32, TILE_PARTS>(
#repeat p TILE_PARTS
                    arena[at_a_{p} + k * op.a_strides.y],
#end
                );
#repeat i TILE_ROWS
                sum_{i} += subgroupBroadcast(held[{i}u / LANES], {i}u % LANES) * right;
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
