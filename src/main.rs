//! The command line of gpu-mlp: a thin user of the library.

fn main() {}
