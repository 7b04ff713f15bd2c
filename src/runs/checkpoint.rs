//! A snapshot as bytes: one safetensors file.
//!
//! | tensor | what it is |
//! | --- | --- |
//! | `parameters`, `moment1`, … | a buffer that outlives a step, `[members, values]` in f32 |
//! | `history` | scores of the epochs so far, member by member, `[epochs, 9]` in f64 |
//! | `totals` | what the epochs of the round under way have summed up, member by member, `[epochs, 4]` in f64 |
//! | `search.M` | what the search by L-BFGS of member M knows, in f64 |
//! | `best.values` | the best value of what is monitored, `[members]` in f64 |
//! | `best.M.N` | the weights that had it: parameter N of member M |
//!
//! The metadata has the rest as JSON, and in front of it the CRC-32 of the whole file, taken with eight zeros in its place.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;

use bytemuck::Pod;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};

use crate::model::{Network, Weights};
use crate::program::record;
use crate::train::{Epoch, Kept, Plateau, Scores, Snapshot, State};

/// Version of the format; a file of another one is refused.
const VERSION: u32 = 1;

/// Key of the metadata, the only one.
const KEY: &str = "gpu-mlp checkpoint";

/// What stands in front of the checksum, and in its place while it is taken.
const BEFORE: &[u8] = br#"{\"crc32\":\""#;
const BLANK: &str = "00000000";

/// The metadata.
#[derive(Serialize, Deserialize)]
struct Metadata {
    crc32: String,
    version: u32,
    network: Network,
    members: usize,
    steps: u64,
    samples: u64,
    epoch: usize,
    done: usize,
    stale: Vec<usize>,
    plateaus: Vec<Plateau>,
    ended: Vec<bool>,
    searches: usize,
    /// Epochs of each member's history.
    epochs: Vec<usize>,
    rate: f64,
    rollbacks: u32,
    buffers: Vec<String>,
    /// Whether they have validation rows, and a judge.
    validated: bool,
    judged: bool,
    best: Vec<bool>,
}

/// A snapshot as a file has it.
pub fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, String> {
    let Snapshot {
        network,
        state,
        buffers,
    } = snapshot;
    let members = state.histories.len();
    let all = || state.histories.iter().flatten();
    let history: Vec<f64> = all().flat_map(columns).collect();
    let totals: Vec<f64> = state.totals.iter().flatten().flatten().copied().collect();
    let values = state
        .best
        .iter()
        .map(|best| best.as_ref().map_or(0.0, |best| best.0));
    let values: Vec<f64> = values.collect();
    let rows = |values: &[f64], columns: usize| vec![values.len() / columns, columns];
    let mut tensors = vec![
        (
            "history".to_owned(),
            view(Dtype::F64, rows(&history, COLUMNS), &history)?,
        ),
        (
            "totals".to_owned(),
            view(Dtype::F64, rows(&totals, record::WIDTH), &totals)?,
        ),
        (
            "best.values".to_owned(),
            view(Dtype::F64, vec![members], &values)?,
        ),
    ];
    for Kept { name, values } in buffers {
        let shape = vec![members, values.len() / members];
        tensors.push((name.clone(), view(Dtype::F32, shape, values)?));
    }
    for (member, known) in state.searches.iter().enumerate() {
        let name = format!("search.{member}");
        tensors.push((name, view(Dtype::F64, vec![known.len()], known)?));
    }
    for (member, best) in state.best.iter().enumerate() {
        for (number, values) in best.iter().flat_map(|best| &best.1.0).enumerate() {
            let name = format!("best.{member}.{number}");
            tensors.push((name, view(Dtype::F32, vec![values.len()], values)?));
        }
    }
    let metadata = serde_json::to_string(&Metadata {
        crc32: BLANK.to_owned(),
        version: VERSION,
        network: network.clone(),
        members,
        steps: state.steps,
        samples: state.samples,
        epoch: state.epoch,
        done: state.done,
        stale: state.stale.clone(),
        plateaus: state.plateaus.clone(),
        ended: state.ended.clone(),
        searches: state.searches.len(),
        epochs: state.histories.iter().map(Vec::len).collect(),
        rate: state.rate,
        rollbacks: state.rollbacks,
        buffers: buffers.iter().map(|kept| kept.name.clone()).collect(),
        validated: all().all(|epoch| epoch.validation.is_some()),
        judged: all().all(|epoch| epoch.judged.is_some()),
        best: state.best.iter().map(Option::is_some).collect(),
    });
    let metadata = metadata.map_err(|error| error.to_string())?;
    let metadata = HashMap::from([(KEY.to_owned(), metadata)]);
    let mut bytes = serialize(tensors, Some(metadata)).map_err(|error| error.to_string())?;
    let place = place(&bytes).ok_or("its header has no place for a checksum")?;
    let mut digits = String::new();
    // Writing to a string does not fail.
    let _ = write!(digits, "{:08x}", crc32fast::hash(&bytes));
    bytes[place].copy_from_slice(digits.as_bytes());
    Ok(bytes)
}

/// Columns of the history: four scores of the training rows, as many of the validation rows, and what a judge says of them.
const COLUMNS: usize = 9;

fn columns(epoch: &Epoch) -> [f64; COLUMNS] {
    let Epoch {
        number: _,
        train,
        validation,
        judged,
    } = *epoch;
    let validation = validation.unwrap_or_default();
    [
        train.loss,
        train.accuracy,
        train.absolute,
        train.squared,
        validation.loss,
        validation.accuracy,
        validation.absolute,
        validation.squared,
        judged.unwrap_or_default(),
    ]
}

fn epoch_of(columns: &[f64; COLUMNS], number: usize, validated: bool, judged: bool) -> Epoch {
    let scores = |first: usize| Scores {
        loss: columns[first],
        accuracy: columns[first + 1],
        absolute: columns[first + 2],
        squared: columns[first + 3],
    };
    Epoch {
        number,
        train: scores(0),
        validation: validated.then(|| scores(4)),
        judged: judged.then_some(columns[8]),
    }
}

fn view<T: Pod>(kind: Dtype, shape: Vec<usize>, values: &[T]) -> Result<TensorView<'_>, String> {
    // A checkpoint is read where it was written, or on a machine of the same byte order, as all are that have our backends.
    TensorView::new(kind, shape, bytemuck::cast_slice(values)).map_err(|error| error.to_string())
}

/// Where the checksum's digits are.
fn place(bytes: &[u8]) -> Option<Range<usize>> {
    let header = bytes.first_chunk().map(|len| u64::from_le_bytes(*len))?;
    let end = usize::try_from(header).ok()?.checked_add(8)?;
    let header = bytes.get(..end)?;
    let found = header
        .windows(BEFORE.len())
        .position(|window| window == BEFORE)?;
    let start = found + BEFORE.len();
    let range = start..start + BLANK.len();
    (range.end <= end).then_some(range)
}

/// The snapshot in a file that [`encode`] made; the sentence says what is wrong with any other.
pub fn decode(mut bytes: Vec<u8>) -> Result<Snapshot, String> {
    let place = place(&bytes).ok_or("it is no checkpoint, or its beginning is damaged")?;
    let digits = String::from_utf8_lossy(&bytes[place.clone()]).into_owned();
    bytes[place].copy_from_slice(BLANK.as_bytes());
    if digits != format!("{:08x}", crc32fast::hash(&bytes)) {
        return Err("its checksum does not match: it is damaged".to_owned());
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Snapshot, String> {
    let told = |error: safetensors::SafeTensorError| error.to_string();
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(told)?;
    let metadata = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY));
    let metadata = metadata.ok_or("it is no checkpoint")?;
    let Metadata {
        crc32: _,
        version,
        network,
        members,
        steps,
        samples,
        epoch,
        done,
        stale,
        plateaus,
        ended,
        searches,
        epochs,
        rate,
        rollbacks,
        buffers,
        validated,
        judged,
        best,
    } = serde_json::from_str(metadata).map_err(|error| error.to_string())?;
    if version != VERSION {
        return Err(format!(
            "it has version {version}, this program reads {VERSION}"
        ));
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(told)?;
    let doubles = |name: &str| {
        let tensor = tensors.tensor(name).map_err(told)?;
        Ok::<Vec<f64>, String>(bytemuck::pod_collect_to_vec(tensor.data()))
    };
    let singles = |name: &str| {
        let tensor = tensors.tensor(name).map_err(told)?;
        Ok::<Vec<f32>, String>(bytemuck::pod_collect_to_vec(tensor.data()))
    };
    let history = doubles("history")?;
    let mut lines = history.as_chunks::<COLUMNS>().0.iter();
    let totals = doubles("totals")?;
    let totals = totals.as_chunks::<{ record::WIDTH }>().0;
    let values = doubles("best.values")?;
    if members == 0 || [best.len(), values.len(), epochs.len()] != [members; 3] {
        return Err(format!("it has not the values of {members} members"));
    }
    let mut histories = Vec::with_capacity(members);
    for &epochs in &epochs {
        let lines = lines.by_ref().take(epochs).zip(1..);
        let history = lines.map(|(line, number)| epoch_of(line, number, validated, judged));
        histories.push(history.collect::<Vec<_>>());
    }
    if histories.iter().map(Vec::len).ne(epochs) {
        return Err("its history is not whole".to_owned());
    }
    let searches = (0..searches).map(|member| doubles(&format!("search.{member}")));
    let searches = searches.collect::<Result<_, _>>()?;
    let best = (0..members).map(|member| {
        let known = |number: usize| singles(&format!("best.{member}.{number}")).ok();
        best[member].then(|| (values[member], Weights((0..).map_while(known).collect())))
    });
    let best = best.collect();
    let kept = |name: String| {
        Ok(Kept {
            values: singles(&name)?,
            name,
        })
    };
    Ok(Snapshot {
        network,
        state: State {
            steps,
            samples,
            epoch,
            done,
            totals: totals
                .chunks((totals.len() / members).max(1))
                .map(<[_]>::to_vec)
                .collect(),
            histories,
            best,
            stale,
            plateaus,
            ended,
            searches,
            rate,
            rollbacks,
        },
        buffers: buffers
            .into_iter()
            .map(kept)
            .collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Activation;

    fn network() -> Network {
        Network::new(3, &[], Activation::Tanh, 2, Activation::Identity)
    }

    /// A snapshot of two members in the middle of a round of three epochs.
    fn snapshot(validated: bool) -> Snapshot {
        let scores = |loss: f64| Scores {
            loss,
            accuracy: 0.1,
            absolute: f64::INFINITY,
            squared: 1.0 / 3.0,
        };
        let epoch = |number: usize| Epoch {
            number,
            train: scores(1.0 / number as f64),
            validation: validated.then(|| scores(0.7)),
            judged: validated.then_some(1.0 / 7.0),
        };
        let mut plateau = Plateau::default();
        plateau.after(0.1, 0.5, 3);
        Snapshot {
            network: network(),
            state: State {
                steps: 1 << 40,
                samples: u64::MAX,
                epoch: 3,
                done: 7,
                totals: vec![vec![[0.1, -0.0, f64::MIN_POSITIVE, 1e300]; 3]; 2],
                histories: vec![vec![epoch(1), epoch(2)], vec![epoch(1)]],
                best: vec![
                    None,
                    Some((f64::NEG_INFINITY, Weights(vec![vec![1.5, -2.5], vec![3.0]]))),
                ],
                stale: vec![4, 0],
                plateaus: vec![plateau, Plateau::default()],
                ended: vec![true, false],
                searches: vec![vec![1.0 / 3.0, f64::INFINITY], vec![]],
                rate: 0.5,
                rollbacks: 1,
            },
            buffers: vec![
                Kept {
                    name: "moment1".into(),
                    values: vec![f32::MIN_POSITIVE / 2.0; 6],
                },
                Kept {
                    name: "parameters".into(),
                    values: vec![-0.0, 1.0, 2.0, f32::MAX, 4.0, 5.0],
                },
            ],
        }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        for validated in [false, true] {
            let snapshot = snapshot(validated);
            let bytes = encode(&snapshot).expect("it is written");
            assert_eq!(decode(bytes.clone()).as_ref(), Ok(&snapshot));
            assert_eq!(encode(&snapshot), Ok(bytes));
        }
        let fresh = Snapshot {
            network: network(),
            state: State::new(1),
            buffers: Vec::new(),
        };
        assert_eq!(decode(encode(&fresh).expect("it is written")), Ok(fresh));
    }

    #[test]
    fn a_checkpoint_of_which_one_bit_is_another_or_the_end_is_missing_is_refused() {
        let bytes = encode(&snapshot(true)).expect("it is written");
        for at in 0..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            assert!(decode(bytes).is_err(), "bit {at}");
        }
        for len in 0..bytes.len() {
            assert!(decode(bytes[..len].to_vec()).is_err(), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn what_has_a_right_checksum_but_another_content_is_no_panic(at in 0_usize..2000, byte: u8) {
            let mut bytes = encode(&snapshot(true)).expect("it is written");
            let len = bytes.len();
            bytes[at % len] = byte;
            let _ = parse(&bytes);
        }
    }
}
