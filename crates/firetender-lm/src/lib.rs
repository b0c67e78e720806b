//! Causal language models that can be looked into and steered.

mod config;
mod error;
mod weights;

pub use config::{Activation, MlpKind, ModelConfig, NormKind, Positions, Residual, RopeLayout, RopeScaling};
pub use error::LmError;
pub use weights::{Naming, TensorSource};
