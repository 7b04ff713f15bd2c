use serde::{Deserialize, Serialize};

use super::{Activation, Dropout};

/// A fully connected layer: a = f(x·Wᵀ + b).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Width of the layer's output.
    pub units: usize,
    /// The function applied to it.
    pub activation: Activation,
}

/// A multilayer perceptron: the width of its input and its layers, the last of which gives the logits or values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Columns of a batch.
    pub inputs: usize,
    /// From the input to the output.
    pub layers: Vec<Layer>,
    /// What training leaves out behind each layer but the last.
    #[serde(default)]
    pub dropout: Dropout,
}

/// What a parameter is to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// W of a layer, `[out, in]`. Weight decay and other penalties are on weights alone.
    Weight(usize),
    /// b of a layer, `[out]`.
    Bias(usize),
}

/// Name and shape of one parameter, as `PyTorch` names and lays out `nn.Linear`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterShape {
    /// `layers.N.weight` or `layers.N.bias`.
    pub name: String,
    /// `[out, in]` or `[out]`.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
}

impl ParameterShape {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The values of a network's parameters, in the order of [`Network::parameters`].
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(pub Vec<Vec<f32>>);

impl Weights {
    /// Whether every value is a number, and no infinity.
    pub fn is_finite(&self) -> bool {
        self.0.iter().flatten().all(|value| value.is_finite())
    }
}

/// Weights that do not belong to a network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeightsError {
    /// Too few or too many parameters.
    #[error("the network has {expected} parameters, the weights have {found}")]
    Count {
        /// Parameters of the network.
        expected: usize,
        /// Parameters given.
        found: usize,
    },
    /// A parameter of another size.
    #[error("{name} has {expected} values in the network, {found} in the weights")]
    Size {
        /// The parameter.
        name: String,
        /// Its size in the network.
        expected: usize,
        /// The size given.
        found: usize,
    },
}

impl Network {
    /// A network with `hidden` layers of one activation and an output layer of another.
    pub fn new(
        inputs: usize,
        hidden: &[usize],
        activation: Activation,
        outputs: usize,
        output_activation: Activation,
    ) -> Self {
        let hidden = hidden.iter().map(|&units| Layer { units, activation });
        let output = Layer {
            units: outputs,
            activation: output_activation,
        };
        Network {
            inputs,
            layers: hidden.chain([output]).collect(),
            dropout: Dropout::None,
        }
    }

    /// Width of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(self.inputs, |layer| layer.units)
    }

    /// Input width of layer `index`: its fan-in.
    pub fn fan_in(&self, index: usize) -> usize {
        match index {
            0 => self.inputs,
            _ => self.layers[index - 1].units,
        }
    }

    /// Whether training leaves something out behind layer `index`.
    pub fn drops(&self, index: usize) -> bool {
        self.dropout != Dropout::None && index + 1 < self.layers.len()
    }

    /// All parameters: weight and bias of each layer, from the input to the output.
    pub fn parameters(&self) -> Vec<ParameterShape> {
        (0..self.layers.len())
            .flat_map(|n| {
                let units = self.layers[n].units;
                [
                    ("weight", vec![units, self.fan_in(n)], Role::Weight(n)),
                    ("bias", vec![units], Role::Bias(n)),
                ]
                .map(|(name, shape, role)| ParameterShape {
                    name: format!("layers.{n}.{name}"),
                    shape,
                    role,
                })
            })
            .collect()
    }

    /// Number of trained values.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(ParameterShape::len).sum()
    }

    /// Whether `weights` has one value for each of this network's.
    pub fn check(&self, weights: &Weights) -> Result<(), WeightsError> {
        let parameters = self.parameters();
        if parameters.len() != weights.0.len() {
            return Err(WeightsError::Count {
                expected: parameters.len(),
                found: weights.0.len(),
            });
        }
        for (parameter, values) in parameters.into_iter().zip(&weights.0) {
            if parameter.len() != values.len() {
                return Err(WeightsError::Size {
                    expected: parameter.len(),
                    found: values.len(),
                    name: parameter.name,
                });
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.inputs)?;
        self.layers
            .iter()
            .try_for_each(|layer| write!(f, "-{}", layer.units))
    }
}
