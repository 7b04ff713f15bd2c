//! Trains and serves multilayer perceptrons on any GPU, or none.

pub mod backend;
pub mod data;
pub mod model;
pub mod predictor;
pub mod program;
pub mod random;
pub mod train;

mod names;
