//! Where bytes come from: a file, standard input or memory, decompressed on the way.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::error::DataError;

pub(super) type Bytes = Box<dyn Read + Send>;

/// Something that can be read from its beginning.
#[derive(Clone)]
pub(super) enum Origin {
    File(String),
    Memory {
        name: String,
        bytes: Arc<[u8]>,
    },
    /// Standard input; it can be opened once.
    Input,
}

/// An opened origin, without the gzip layer if there was one.
pub(super) struct Source {
    /// The file's name, for messages.
    pub(super) name: String,
    /// Everything, from the first byte.
    pub(super) reader: Bytes,
    /// The first bytes, up to eight.
    pub(super) magic: Vec<u8>,
    /// The file that holds the very bytes that `reader` gives.
    pub(super) path: Option<String>,
    /// Number of bytes that `reader` gives, where that is known beforehand.
    pub(super) length: Option<u64>,
}

/// The formats that data come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Npy,
    Npz,
    Idx,
}

pub(super) const INPUT: &str = "-";

impl Origin {
    pub(super) fn of(path: &str) -> Self {
        if path == INPUT {
            Origin::Input
        } else {
            Origin::File(path.to_owned())
        }
    }

    /// Holds standard input in memory, so that it can be read more than once.
    pub(super) fn kept(self) -> Result<Self, DataError> {
        match self {
            Origin::Input => {
                let mut bytes = Vec::new();
                io::stdin()
                    .read_to_end(&mut bytes)
                    .map_err(|error| DataError::from_io(INPUT_NAME, error))?;
                Ok(Origin::Memory {
                    name: INPUT_NAME.to_owned(),
                    bytes: bytes.into(),
                })
            }
            other => Ok(other),
        }
    }

    pub(super) fn open(&self) -> Result<Source, DataError> {
        match self {
            Origin::File(path) => {
                let failed = |error| DataError::from_io(path, error);
                if Path::new(path).is_dir() {
                    return Err(DataError::NoDataset {
                        folder: path.clone(),
                    });
                }
                let file = File::open(path).map_err(failed)?;
                let meta = file.metadata().map_err(failed)?;
                // A pipe has no length, and says 0.
                let length = meta.is_file().then_some(meta.len());
                let mut source = Source::new(path, Box::new(file), length)?;
                source.path = source.length.map(|_| path.clone());
                Ok(source)
            }
            Origin::Memory { name, bytes } => {
                let length = bytes.len() as u64;
                Source::new(name, Box::new(Cursor::new(Arc::clone(bytes))), Some(length))
            }
            Origin::Input => Source::new(INPUT_NAME, Box::new(io::stdin()), None),
        }
    }
}

const INPUT_NAME: &str = "standard input";

impl Source {
    fn new(name: &str, reader: Bytes, length: Option<u64>) -> Result<Self, DataError> {
        let (magic, reader) = peek(name, reader)?;
        if !magic.starts_with(&[0x1f, 0x8b]) {
            return Ok(Source {
                name: name.to_owned(),
                reader,
                magic,
                path: None,
                length,
            });
        }
        let plain = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, reader));
        let (magic, reader) = peek(name, Box::new(plain))?;
        Ok(Source {
            name: name.to_owned(),
            reader,
            magic,
            path: None,
            length: None,
        })
    }

    /// By the name's ending where it tells, by the first bytes where it does not.
    pub(super) fn format(&self) -> Format {
        let name = self.name.to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let extension = Path::new(name)
            .extension()
            .and_then(|extension| extension.to_str());
        match extension {
            Some("npy") => return Format::Npy,
            Some("npz") => return Format::Npz,
            Some("idx") => return Format::Idx,
            _ if name.ends_with("ubyte") => return Format::Idx,
            _ => {}
        }
        match self.magic[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Format::Npy,
            [b'P', b'K', 3, 4, ..] => Format::Npz,
            [0, 0, 0x08..=0x0e, 1..=8, ..] => Format::Idx,
            _ => Format::Csv,
        }
    }
}

/// The first bytes of a reader, and a reader that still has them.
fn peek(name: &str, mut reader: Bytes) -> Result<(Vec<u8>, Bytes), DataError> {
    let mut magic = Vec::with_capacity(8);
    (&mut reader)
        .take(8)
        .read_to_end(&mut magic)
        .map_err(|error| DataError::from_io(name, error))?;
    let whole = Cursor::new(magic.clone()).chain(reader);
    Ok((magic, Box::new(whole)))
}
