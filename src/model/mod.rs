//! What is trained: the network, its initial weights, and the file that keeps it.

mod activation;
mod dropout;
mod embedding;
mod file;
mod init;
mod network;
mod normalization;
mod whole;

pub use activation::Activation;
pub use dropout::Dropout;
pub use embedding::{Embeddings, Lookup, Periodic};
pub use file::{ModelFileError, load_model, load_tensors, save_model};
pub use init::{Initializer, initialize};
pub use network::{Layer, NamedTensors, Network, ParameterShape, Role, Weights, WeightsError};
pub use normalization::Normalization;
pub use whole::WholeFile;
