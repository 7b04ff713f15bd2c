// Rows of a product's operands that lie in buffers, one behind the other.

// How far apart an operand's rows are, of so many columns. What reads it is given the place of a row: as many times that behind the
// place of the first.
fn apart_a(columns: u32) -> u32 {
    return columns;
}

fn apart_b(columns: u32) -> u32 {
    return columns;
}
