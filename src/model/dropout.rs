use serde::{Deserialize, Serialize};

/// What training leaves out of each hidden layer's output, each value on its own, with a probability p that is each member's
/// own: see [`Hyper::dropout`](crate::program::Hyper::dropout). Nothing is left out of a trained network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dropout {
    /// Nothing is left out.
    #[default]
    None,
    /// Zero in its place, the others times 1/(1 − p) (Srivastava et al. 2014)
    Plain,
    /// SELU's limit α′ = −1.7581 in its place, then a·x + b, which keeps mean 0 and variance 1 (Klambauer et al. 2017)
    Alpha,
}

impl std::fmt::Display for Dropout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Dropout::None => "no",
            Dropout::Plain => "plain",
            Dropout::Alpha => "alpha",
        })
    }
}
