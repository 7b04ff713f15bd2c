//! Trains and serves multilayer perceptrons on any GPU, or none.
//!
//! ```
//! use std::ops::ControlFlow;
//! use gpu_mlp::backend::cpu::CpuBackend;
//! use gpu_mlp::data::{ReadOptions, load};
//! use gpu_mlp::predictor::Model;
//! use gpu_mlp::train::{Config, Event, Plan};
//!
//! let digits = load("digits", &ReadOptions::default())?;
//! let config = Config { epochs: Some(5), ..Config::default() };
//! let plan = Plan::new(&digits, &config, None)?;
//! let mut backend = CpuBackend::<f32>::new(); // or gpu::GpuBackend::open(&AdapterChoice::Best)?
//! let fitted = plan.fit(&mut backend, &mut |event| {
//!     if let Event::Epoch(epochs) = event {
//!         println!("epoch {}: loss {:.3}", epochs[0].number, epochs[0].train.loss);
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! # let path = std::env::temp_dir().join(format!("gpu-mlp-doc-{}.safetensors", std::process::id()));
//! fitted.model.save(&path)?;
//! let model = Model::load(&path)?;
//! let chances = model.on(&mut CpuBackend::<f32>::new())?.predict(&digits.train)?;
//! assert_eq!((chances.rows, chances.columns), (1797, 10));
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From the bottom up: [`data`] reads rows and encodes them; [`model`] is the network, its weights and its file;
//! [`program`] turns a network into ops; a [`backend`] runs them, on the processor or on a GPU; [`predictor`] answers with
//! a trained model; [`train`] makes one, [`elastic`] on several workers at a time; [`runs`] keeps what it would be a loss to
//! lose. Each can be used alone: see the examples.

pub mod backend;
pub mod data;
pub mod elastic;
pub mod model;
pub mod predictor;
pub mod program;
pub mod random;
pub mod runs;
pub mod train;

mod names;
