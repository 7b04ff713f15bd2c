//! From a path to numbers: readers, preprocessing and target encoding.
//!
//! [`load`] reads a whole data set to train on. [`Preprocessing`] and [`TargetEncoding`] are fitted to its table, turn it
//! into matrices, and are kept with the model; by them, [`stream`] reads data for that model, a chunk at a time.
//!
//! ```
//! use gpu_mlp::data::{self, PreprocessMode, Preprocessing, ReadOptions, TargetEncoding, Task};
//!
//! let digits = data::load("digits", &ReadOptions::default())?.train;
//! let rows: Vec<u32> = (0..1500).collect();
//! let (preprocessing, _) = Preprocessing::fit(&digits, &rows, PreprocessMode::Auto)?;
//! let target = TargetEncoding::fit(&digits, None)?;
//! assert_eq!(preprocessing.inputs(), 64);
//! assert_eq!(target.task(), Task::Classification);
//! for chunk in data::stream("digits", &preprocessing, Some(&target), 256)? {
//!     let inputs = preprocessing.apply(&chunk?)?;
//!     assert!(inputs.rows <= 256);
//! }
//! # Ok::<(), data::DataError>(())
//! ```

mod apply;
mod bins;
mod builtin;
mod csv;
mod dense;
mod dialect;
mod draw;
mod error;
mod fit;
mod idx;
mod load;
mod memory;
mod moments;
mod npy;
mod npz;
mod onehot;
mod preprocess;
mod quantiles;
mod records;
mod scaling;
mod source;
mod stored;
mod stream;
mod survey;
mod table;
mod target;
mod typed;

pub use bins::Bins;
pub use builtin::NAMES as BUILTIN;
pub use error::{DataError, Notice, Place};
pub use load::{Loaded, ReadOptions, load};
pub use memory::memory_there;
pub use moments::Moments;
pub use preprocess::{
    ColumnEncoding, InputColumn, InputDescription, Numeric, PreprocessMode, PreprocessOptions,
    Preprocessing,
};
pub use quantiles::Quantiles;
pub use scaling::Scaling;
pub use stored::{Drawn, Stored, draw, memory_needed};
pub use stream::{Chunks, stream};
pub use table::{Column, Features, Matrix, Nature, Places, Table, Text, Values};
pub use target::{Label, TargetEncoding, TargetTransform, Task};
