use std::fmt::{Display, Formatter};
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::model::{Activation, Layer};

/// The widest layer that is taken, so that a slip of the finger does not ask for a terabyte.
const WIDEST: usize = 65_536;

/// Hidden layers from the input on: `128,64`, `256:gelu,128:relu`, or `0` for none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HiddenLayers(pub Vec<HiddenLayer>);

/// A hidden layer's width, and its function where it has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "Spelling")]
pub struct HiddenLayer {
    /// Its width, from 1 to 65,536.
    pub units: usize,
    /// Its function; that of all hidden layers otherwise.
    pub activation: Option<Activation>,
}

impl HiddenLayers {
    /// Layers of these widths, with one function for all.
    pub fn of(widths: &[usize]) -> Self {
        let layer = |&units| HiddenLayer {
            units,
            activation: None,
        };
        HiddenLayers(widths.iter().map(layer).collect())
    }

    /// The layers, where those without a function of their own have this one.
    pub fn layers(&self, activation: Activation) -> impl Iterator<Item = Layer> {
        self.0.iter().map(move |layer| Layer {
            units: layer.units,
            activation: layer.activation.unwrap_or(activation),
        })
    }
}

impl Default for HiddenLayers {
    fn default() -> Self {
        HiddenLayers::of(&[128, 64])
    }
}

impl FromStr for HiddenLayers {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "0" || text.is_empty() {
            return Ok(HiddenLayers(Vec::new()));
        }
        let layers: Result<_, String> = text.split(',').map(str::parse).collect();
        layers.map(HiddenLayers)
    }
}

impl FromStr for HiddenLayer {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (units, function) = match text.split_once(':') {
            Some((units, function)) => (units, Some(function.trim())),
            None => (text, None),
        };
        let units = units.trim().parse().ok();
        let units = units
            .filter(|units| (1..=WIDEST).contains(units))
            .ok_or_else(|| {
                format!(
                    "{text} is not a hidden layer: widths from 1 to {WIDEST} are needed, as 128,64 or 256:gelu,128:relu"
                )
            })?;
        let activation = function.map(|name| {
            Activation::from_str(name, false).map_err(|_| {
                let names = Activation::value_variants().iter().map(ToString::to_string);
                format!(
                    "{name} is not a function: one of {} is needed",
                    names.collect::<Vec<_>>().join(", ")
                )
            })
        });
        Ok(HiddenLayer {
            units,
            activation: activation.transpose()?,
        })
    }
}

impl Display for HiddenLayer {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.units)?;
        self.activation
            .map_or(Ok(()), |activation| write!(f, ":{activation}"))
    }
}

/// A layer as TOML and JSON have it: 128 or "256:gelu".
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Number(usize),
    Word(String),
}

impl TryFrom<Spelling> for HiddenLayer {
    type Error = String;
    fn try_from(spelling: Spelling) -> Result<Self, String> {
        match spelling {
            Spelling::Number(units) => units.to_string().parse(),
            Spelling::Word(word) => word.parse(),
        }
    }
}

impl From<HiddenLayer> for Spelling {
    fn from(layer: HiddenLayer) -> Self {
        match layer.activation {
            None => Spelling::Number(layer.units),
            Some(_) => Spelling::Word(layer.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_their_own_function_or_the_common_one() {
        let hidden: HiddenLayers = "256:gelu, 128".parse().expect("it is valid");
        let layers: Vec<_> = hidden.layers(Activation::Tanh).collect();
        let expected = [(256, Activation::Gelu), (128, Activation::Tanh)];
        assert_eq!(
            layers,
            expected.map(|(units, activation)| Layer { units, activation })
        );
        let json = serde_json::to_string(&hidden).expect("it can be written");
        assert_eq!(json, "[\"256:gelu\",128]");
        assert_eq!(
            serde_json::from_str::<HiddenLayers>(&json).expect("it is valid"),
            hidden
        );
        for wrong in ["0,5", "5:", "5:swish", ":relu", "99999999", "5:relu:elu"] {
            let error = wrong.parse::<HiddenLayers>().expect_err(wrong);
            assert!(
                error.contains("is needed") || error.contains("are needed"),
                "{error}"
            );
        }
    }
}
