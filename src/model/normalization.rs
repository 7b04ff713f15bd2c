use serde::{Deserialize, Serialize};

/// What is done to each hidden layer's z before its activation: it is brought to mean 0 and deviation 1, then becomes γ·ẑ + β with
/// learned γ and β of each unit. ε is 1e-5 as in `PyTorch`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// Nothing
    #[default]
    None,
    /// By each unit's moments over the rows of a batch, by their running means in a trained network (Ioffe and Szegedy 2015)
    Batch,
    /// By each row's moments over the units (Ba et al. 2016)
    Layer,
}
