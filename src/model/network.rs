use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Activation, Dropout, Embeddings, Normalization};

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
    /// What some of them become before the first layer.
    #[serde(default)]
    pub embeddings: Embeddings,
    /// From the input to the output.
    pub layers: Vec<Layer>,
    /// What training leaves out behind each layer but the last.
    #[serde(default)]
    pub dropout: Dropout,
    /// What brings each hidden layer's z to a common scale.
    #[serde(default)]
    pub normalization: Normalization,
    /// Whether a hidden layer as wide as the one before adds its input to its output (He et al. 2016).
    #[serde(default)]
    pub residual: bool,
}

/// What a parameter is to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// W of a layer, `[out, in]`. Weight decay and other penalties are on weights and embeddings alone.
    Weight(usize),
    /// The table of [`Lookup`](super::Lookup), `[rows, width]`.
    Embedding,
    /// w of [`Periodic`](super::Periodic), `[numbers, frequencies]`.
    Frequency,
    /// b of it, `[numbers, frequencies]`.
    Phase,
    /// V of it, `[numbers, outputs, frequencies]`.
    Mixture,
    /// c of it, `[numbers, outputs]`.
    Offset,
    /// b of a layer, `[out]`.
    Bias(usize),
    /// α of a layer whose activation is [`Activation::Prelu`], `[1]`.
    Slope,
    /// γ of a normalisation, `[out]`.
    Scale,
    /// β of a normalisation, `[out]`.
    Shift,
    /// A unit's mean over the batches so far, `[out]`: kept, not trained.
    RunningMean,
    /// Its variance, `[out]`: kept, not trained.
    RunningVariance,
}

impl Role {
    /// Whether penalties are on it.
    pub fn is_penalised(self) -> bool {
        matches!(self, Role::Weight(_) | Role::Embedding)
    }

    /// Whether gradients change it.
    pub fn is_trained(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVariance)
    }
}

/// Name and shape of one parameter, as `PyTorch` names and lays out `nn.Linear`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterShape {
    /// `periodic.frequency`, `periodic.phase`, `periodic.weight`, `periodic.bias`, `embedding.weight`; `layers.N.weight`,
    /// `layers.N.bias`, `norms.N.weight`, `norms.N.bias`, `norms.N.running_mean`, `norms.N.running_var` or
    /// `activations.N.weight`: what a `ModuleList` of that name has.
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

/// The values of tensors by their names.
pub type NamedTensors = BTreeMap<String, Vec<f32>>;

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
    /// A parameter without a tensor of its name.
    #[error("there is no {name}")]
    Missing {
        /// The parameter.
        name: String,
    },
    /// A tensor that is no parameter.
    #[error("the network has no {name}")]
    Unknown {
        /// The tensor.
        name: String,
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
            embeddings: Embeddings::default(),
            layers: hidden.chain([output]).collect(),
            dropout: Dropout::None,
            normalization: Normalization::None,
            residual: false,
        }
    }

    /// Width of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(self.inputs, |layer| layer.units)
    }

    /// Input width of layer `index`: its fan-in.
    pub fn fan_in(&self, index: usize) -> usize {
        match index {
            0 => self.embeddings.columns(self.inputs),
            _ => self.layers[index - 1].units,
        }
    }

    /// Columns of the widest matrix of a batch: of the inputs, of what they become, of a layer.
    pub fn widest(&self) -> usize {
        let units = self.layers.iter().map(|layer| layer.units);
        let before = [1, self.inputs, self.fan_in(0)];
        units.chain(before).max().unwrap_or(1)
    }

    /// Whether training leaves something out behind layer `index`.
    pub fn drops(&self, index: usize) -> bool {
        self.dropout != Dropout::None && index + 1 < self.layers.len()
    }

    /// Whether layer `index` brings its z to a common scale.
    pub fn normalizes(&self, index: usize) -> bool {
        self.normalization != Normalization::None && index + 1 < self.layers.len()
    }

    /// Whether layer `index` adds its input to its output.
    pub fn adds(&self, index: usize) -> bool {
        let hidden = index > 0 && index + 1 < self.layers.len();
        self.residual && hidden && self.fan_in(index) == self.layers[index].units
    }

    /// All parameters from the input to the output: those of the embeddings, then each layer's weight and bias and what its
    /// normalisation and its activation have.
    pub fn parameters(&self) -> Vec<ParameterShape> {
        let layers = (0..self.layers.len()).flat_map(|n| self.parameters_of(n));
        self.embedding_parameters()
            .into_iter()
            .chain(layers)
            .collect()
    }

    /// Those of the embeddings: of the waves, one behind the other, then the table.
    pub fn embedding_parameters(&self) -> Vec<ParameterShape> {
        let mut parameters = Vec::new();
        let mut add = |name: &str, shape: &[usize], role| {
            parameters.push(ParameterShape {
                name: name.to_owned(),
                shape: shape.to_vec(),
                role,
            });
        };
        if let Some(waves) = self.embeddings.periodic {
            let (numbers, k, outputs) = (waves.numbers, waves.frequencies, waves.outputs);
            add("periodic.frequency", &[numbers, k], Role::Frequency);
            add("periodic.phase", &[numbers, k], Role::Phase);
            add("periodic.weight", &[numbers, outputs, k], Role::Mixture);
            add("periodic.bias", &[numbers, outputs], Role::Offset);
        }
        if let Some(lookup) = &self.embeddings.lookup {
            let shape = [lookup.height(), lookup.width];
            add("embedding.weight", &shape, Role::Embedding);
        }
        parameters
    }

    /// Those of layer `n`.
    pub fn parameters_of(&self, n: usize) -> Vec<ParameterShape> {
        let Layer { units, activation } = self.layers[n];
        let mut parameters = Vec::new();
        let mut add = |module: &str, name: &str, shape: &[usize], role| {
            parameters.push(ParameterShape {
                name: format!("{module}.{n}.{name}"),
                shape: shape.to_vec(),
                role,
            });
        };
        add(
            "layers",
            "weight",
            &[units, self.fan_in(n)],
            Role::Weight(n),
        );
        add("layers", "bias", &[units], Role::Bias(n));
        if self.normalizes(n) {
            add("norms", "weight", &[units], Role::Scale);
            add("norms", "bias", &[units], Role::Shift);
        }
        if self.normalizes(n) && self.normalization == Normalization::Batch {
            add("norms", "running_mean", &[units], Role::RunningMean);
            add("norms", "running_var", &[units], Role::RunningVariance);
        }
        if activation == Activation::Prelu {
            add("activations", "weight", &[1], Role::Slope);
        }
        parameters
    }

    /// Number of trained values.
    pub fn parameter_count(&self) -> usize {
        let parameters = self.parameters().into_iter();
        let trained = parameters.filter(|parameter| parameter.role.is_trained());
        trained.map(|parameter| parameter.len()).sum()
    }

    /// The weights that tensors of the parameters' names hold.
    pub fn named(&self, tensors: &NamedTensors) -> Result<Weights, WeightsError> {
        let parameters = self.parameters();
        let is_parameter = |name: &String| parameters.iter().any(|known| known.name == *name);
        if let Some(name) = tensors.keys().find(|name| !is_parameter(name)) {
            return Err(WeightsError::Unknown { name: name.clone() });
        }
        let values = |parameter: &ParameterShape| {
            let found = tensors.get(&parameter.name).cloned();
            found.ok_or_else(|| WeightsError::Missing {
                name: parameter.name.clone(),
            })
        };
        let weights = parameters.iter().map(values).collect::<Result<_, _>>();
        let weights = Weights(weights?);
        self.check(&weights).map(|()| weights)
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
        if self.fan_in(0) != self.inputs {
            write!(f, "→{}", self.fan_in(0))?;
        }
        self.layers
            .iter()
            .try_for_each(|layer| write!(f, "-{}", layer.units))
    }
}
