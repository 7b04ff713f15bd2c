//! Trains and serves multilayer perceptrons on any GPU, or none.

pub mod data;
