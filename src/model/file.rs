use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::{Network, Weights, WeightsError, WholeFile};

/// Version of the metadata; a file of a later one is refused.
const VERSION: u32 = 1;

/// Key of the metadata. It is the only one, since several are written in no certain order, and equal models shall be equal
/// files.
const KEY: &str = "gpu-mlp";

/// Its value, as JSON.
#[derive(Serialize, Deserialize)]
struct Metadata<N, D> {
    version: u32,
    network: N,
    description: D,
}

/// Why a model file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a file that this program wrote.
    #[error("{path} is not a model of gpu-mlp: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Weights of another shape.
    #[error("{path}: {source}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: WeightsError,
    },
}

/// Writes a network, its weights and a description of everything else as one safetensors file: `layers.N.weight`
/// `[out, in]` and `layers.N.bias` `[out]` in f32, as `PyTorch` lays out `nn.Linear`; the rest as JSON in the metadata.
///
/// The file is written to a temporary name beside its place, synced and renamed: it is there whole, or as it was.
pub fn save_model<T: Serialize>(
    path: &Path,
    network: &Network,
    weights: &Weights,
    description: &T,
) -> Result<(), ModelFileError> {
    let invalid = |reason: &dyn ToString| ModelFileError::Invalid {
        path: path.into(),
        reason: reason.to_string(),
    };
    network
        .check(weights)
        .map_err(|source| ModelFileError::Weights {
            path: path.into(),
            source,
        })?;
    let parameters = network.parameters();
    let bytes: Vec<Vec<u8>> = weights
        .0
        .iter()
        .map(|values| {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let mut tensors = Vec::with_capacity(parameters.len());
    for (parameter, bytes) in parameters.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, parameter.shape.clone(), bytes);
        tensors.push((
            parameter.name.as_str(),
            view.map_err(|error| invalid(&error))?,
        ));
    }
    let metadata = serde_json::to_string(&Metadata {
        version: VERSION,
        network,
        description,
    });
    let metadata = metadata.map_err(|error| invalid(&error))?;
    let metadata = HashMap::from([(KEY.to_owned(), metadata)]);
    let whole = serialize(tensors, Some(metadata)).map_err(|error| invalid(&error))?;
    write_whole(path, &whole).map_err(|source| ModelFileError::Io {
        path: path.into(),
        source,
    })
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Reads what [`save_model`] wrote.
pub fn load_model<T: DeserializeOwned>(
    path: &Path,
) -> Result<(Network, Weights, T), ModelFileError> {
    let bytes = std::fs::read(path).map_err(|source| ModelFileError::Io {
        path: path.into(),
        source,
    })?;
    parse(&bytes).map_err(|reason| ModelFileError::Invalid {
        path: path.into(),
        reason,
    })
}

/// Reads `layers.N.weight` and `layers.N.bias` from any safetensors file, as `PyTorch` writes them, in the order of
/// [`Network::parameters`]; whose network they are is for the caller to check.
pub fn load_weights(path: &Path) -> Result<Weights, ModelFileError> {
    let bytes = std::fs::read(path).map_err(|source| ModelFileError::Io {
        path: path.into(),
        source,
    })?;
    let invalid = |reason: String| ModelFileError::Invalid {
        path: path.into(),
        reason,
    };
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| invalid(error.to_string()))?;
    let mut weights = Vec::new();
    while let Ok(weight) = tensors.tensor(&format!("layers.{}.weight", weights.len() / 2)) {
        let name = format!("layers.{}.bias", weights.len() / 2);
        let bias = tensors
            .tensor(&name)
            .map_err(|_| invalid(format!("it has no {name}")))?;
        for tensor in [weight, bias] {
            if tensor.dtype() != Dtype::F32 {
                return Err(invalid(format!(
                    "it holds {:?} where F32 is needed",
                    tensor.dtype()
                )));
            }
            weights.push(numbers(tensor.data()));
        }
    }
    let weights = Weights(weights);
    match weights.is_finite() {
        _ if weights.0.is_empty() => Err(invalid("it has no layers.0.weight".into())),
        false => Err(invalid("it has a weight that is not finite".into())),
        true => Ok(weights),
    }
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.chunks_exact(4).map(number).collect()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<(Network, Weights, T), String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let metadata = header.metadata().as_ref().ok_or("it has no metadata")?;
    let metadata = metadata
        .get(KEY)
        .ok_or(format!("its metadata has no {KEY}"))?;
    let bad = |error: serde_json::Error| format!("in its metadata, {error}");
    let Metadata { version, .. } =
        serde_json::from_str::<Metadata<IgnoredAny, IgnoredAny>>(metadata).map_err(bad)?;
    if version != VERSION {
        return Err(format!(
            "it has version {version}, this program reads {VERSION}"
        ));
    }
    let Metadata {
        network,
        description,
        ..
    } = serde_json::from_str::<Metadata<Network, T>>(metadata).map_err(bad)?;
    if network.layers.is_empty() {
        return Err("its network has no layers".to_owned());
    }
    let mut weights = Vec::new();
    for parameter in network.parameters() {
        let tensor = tensors
            .tensor(&parameter.name)
            .map_err(|error| error.to_string())?;
        if (tensor.dtype(), tensor.shape()) != (Dtype::F32, &parameter.shape[..]) {
            return Err(format!(
                "{} is {:?} {:?}, not F32 {:?}",
                parameter.name,
                tensor.dtype(),
                tensor.shape(),
                parameter.shape
            ));
        }
        weights.push(numbers(tensor.data()));
    }
    Ok((network, Weights(weights), description))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Activation, Initializer, initialize};

    fn saved() -> (Network, Weights, Vec<u8>) {
        let network = Network::new(3, &[5], Activation::Tanh, 2, Activation::Identity);
        let weights = initialize(&network, Initializer::Teaching, 3);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        save_model(&path, &network, &weights, &"all else").expect("it is written");
        let bytes = std::fs::read(&path).expect("it is there");
        let loaded = load_model::<String>(&path).expect("it is read");
        assert_eq!(
            loaded,
            (network.clone(), weights.clone(), "all else".to_owned())
        );
        (network, weights, bytes)
    }

    #[test]
    fn a_saved_model_is_loaded_as_it_was() {
        saved();
    }

    #[test]
    fn weights_of_another_shape_are_not_written() {
        let (network, mut weights, _) = saved();
        weights.0[1].push(0.0);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let error = save_model(&path, &network, &weights, &()).expect_err("they do not fit");
        assert!(
            error.to_string().contains("layers.0.bias has 5 values"),
            "{error}"
        );
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            0
        );
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_refused_or_read_but_never_a_panic(at in 0_usize..2000, byte: u8, cut in 0_usize..2000) {
            let (_, _, mut bytes) = saved();
            let len = bytes.len();
            bytes[at % len] = byte;
            bytes.truncate(cut.max(1) % (2 * len));
            let _ = parse::<String>(&bytes);
        }
    }
}
