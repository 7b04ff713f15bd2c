// Products value by value, whatever their size.

fn matmul(op: Op, member: u32, lane: u32, s: Step) {
    product_by_value(op, member, lane, s);
}
