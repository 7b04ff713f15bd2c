//! What is trained: the network, its initial weights, and the file that keeps it.

mod activation;
mod dropout;
mod file;
mod init;
mod network;
mod whole;

pub use activation::Activation;
pub use dropout::Dropout;
pub use file::{ModelFileError, load_model, load_weights, save_model};
pub use init::{Initializer, initialize};
pub use network::{Layer, Network, ParameterShape, Role, Weights, WeightsError};
pub use whole::WholeFile;
