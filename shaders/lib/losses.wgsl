// Loss functions by number, as `LossFunction` in src/program/op.rs lists them.

const CROSS_ENTROPY = 0u;
const BINARY_CROSS_ENTROPY = 1u;
const MSE = 2u;
