use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::{NamedTensors, Network, ParameterShape, Weights, WeightsError, WholeFile};

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
    members: usize,
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
/// `[out, in]` and `layers.N.bias` `[out]` in f32, as `PyTorch` lays out `nn.Linear`; of several members of an ensemble,
/// `members.M.layers.N.weight` and so on; the rest as JSON in the metadata.
///
/// The file is written to a temporary name beside its place, synced and renamed: it is there whole, or as it was.
pub fn save_model<T: Serialize>(
    path: &Path,
    network: &Network,
    members: &[Weights],
    description: &T,
) -> Result<(), ModelFileError> {
    let invalid = |reason: &dyn ToString| ModelFileError::Invalid {
        path: path.into(),
        reason: reason.to_string(),
    };
    for weights in members {
        network
            .check(weights)
            .map_err(|source| ModelFileError::Weights {
                path: path.into(),
                source,
            })?;
    }
    let parameters = parameters(network, members.len());
    let bytes: Vec<Vec<u8>> = members
        .iter()
        .flat_map(|weights| &weights.0)
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
        members: members.len(),
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

/// Names and shapes of all members' parameters.
fn parameters(network: &Network, members: usize) -> Vec<ParameterShape> {
    let all = (0..members).flat_map(|member| {
        let parameters = network.parameters().into_iter();
        parameters.map(move |parameter| match members {
            1 => parameter,
            _ => ParameterShape {
                name: format!("members.{member}.{}", parameter.name),
                ..parameter
            },
        })
    });
    all.collect()
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Reads what [`save_model`] wrote.
pub fn load_model<T: DeserializeOwned>(
    path: &Path,
) -> Result<(Network, Vec<Weights>, T), ModelFileError> {
    let bytes = std::fs::read(path).map_err(|source| ModelFileError::Io {
        path: path.into(),
        source,
    })?;
    parse(&bytes).map_err(|reason| ModelFileError::Invalid {
        path: path.into(),
        reason,
    })
}

/// Reads all tensors of any safetensors file, as `PyTorch` writes them, by name; what they are to a network is found by
/// [`Network::named`].
pub fn load_tensors(path: &Path) -> Result<NamedTensors, ModelFileError> {
    let bytes = std::fs::read(path).map_err(|source| ModelFileError::Io {
        path: path.into(),
        source,
    })?;
    let invalid = |reason: String| ModelFileError::Invalid {
        path: path.into(),
        reason,
    };
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| invalid(error.to_string()))?;
    let mut named = NamedTensors::new();
    for (name, tensor) in tensors.iter() {
        // How many batches a normalisation has seen, in whole numbers.
        if name.ends_with(".num_batches_tracked") {
            continue;
        }
        if tensor.dtype() != Dtype::F32 {
            let found = tensor.dtype();
            return Err(invalid(format!("{name} is {found:?} where F32 is needed")));
        }
        let values = numbers(tensor.data());
        if !values.iter().all(|value| value.is_finite()) {
            return Err(invalid(format!("{name} has a value that is not finite")));
        }
        named.insert(name.to_owned(), values);
    }
    Ok(named)
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.chunks_exact(4).map(number).collect()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<(Network, Vec<Weights>, T), String> {
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
        members,
        description,
        ..
    } = serde_json::from_str::<Metadata<Network, T>>(metadata).map_err(bad)?;
    if network.layers.is_empty() {
        return Err("its network has no layers".to_owned());
    }
    if !network.embeddings.fit(network.inputs) {
        return Err("its network's embeddings do not suit its inputs".to_owned());
    }
    let of_one = network.parameters().len();
    // As many tensors as the file says it has members for, or there is no memory for what it says.
    if members == 0 || members.saturating_mul(of_one) > tensors.len() {
        return Err(format!("it has not the tensors of {members} members"));
    }
    let mut weights = Vec::new();
    for parameter in parameters(&network, members) {
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
    let members = weights
        .chunks(of_one)
        .map(|weights| Weights(weights.to_vec()));
    Ok((network, members.collect(), description))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Activation, Initializer, initialize};

    fn saved(members: u64) -> (Network, Vec<Weights>, Vec<u8>) {
        let network = Network::new(3, &[5], Activation::Tanh, 2, Activation::Identity);
        let weights: Vec<_> = (0..members)
            .map(|seed| initialize(&network, Initializer::Teaching, seed))
            .collect();
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
        saved(1);
        saved(3);
    }

    #[test]
    fn weights_of_another_shape_are_not_written() {
        let (network, mut weights, _) = saved(2);
        weights[1].0[1].push(0.0);
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
        fn a_damaged_file_is_refused_or_read_but_never_a_panic(members in 1_u64..3, at in 0_usize..2000, byte: u8, cut in 0_usize..2000) {
            let (_, _, mut bytes) = saved(members);
            let len = bytes.len();
            bytes[at % len] = byte;
            bytes.truncate(cut.max(1) % (2 * len));
            let _ = parse::<String>(&bytes);
        }
    }
}
