//! What is trained: the network, its initial weights, and the file that keeps it.

mod init;
mod network;

pub use init::{Initializer, initialize};
pub use network::{Activation, Layer, Network, ParameterShape, Weights, WeightsError};
