//! Causal language models that can be looked into and steered.
//!
//! # Should I be using this crate?
//!
//! Use it to run Llama, Mistral, SmolLM2, Qwen2, GPT-2 or GPT-NeoX models on any Burn device, from Hugging Face folders, GGUF
//! or llama2.c files, with hooks at every site that matters, and to train or adapt them as ordinary Burn modules. If you only
//! want the fastest chat server, use llama.cpp: this crate keeps every intermediate value within reach instead.

mod atomic;
mod attention;
mod bias;
mod blob;
mod blocks;
mod boundary;
mod build;
mod cache;
mod causal_lm;
mod chat;
mod checkpoint;
mod config;
mod error;
mod generate;
mod gguf;
mod hf_config;
mod host;
#[cfg(feature = "hf-hub")]
mod hub;
mod layout;
mod likelihood;
mod llama2c;
mod load;
mod safetensors_dir;
mod sample;
mod save;
mod score;
mod slots;
mod tokenizer;
mod transformer;
mod visible;
mod weights;

pub use atomic::write_atomically;
pub use attention::Attention;
pub use bias::BlockBiases;
pub use blocks::{Block, Mlp, Norm};
pub use boundary::{
    Boundary, CutPair, CutPolicy, EmptyContinuation, StartToken, TextEncoder, Truncation, cut_pair,
};
pub use cache::KvCache;
pub use causal_lm::{CausalLm, LmShape};
pub use chat::{ChatTemplate, Message};
pub use checkpoint::Checkpoint;
pub use config::{
    Activation, MlpKind, ModelConfig, NormKind, Positions, Residual, RopeLayout, RopeScaling,
};
pub use error::LmError;
pub use generate::{Ending, GenerateOptions, Generation, NewToken, generate};
pub use gguf::{GgmlType, Gguf, GgufArray, GgufTensor, GgufValue, GgufWriter};
pub use hf_config::HfConfig;
#[cfg(feature = "hf-hub")]
pub use hub::Hub;
pub use likelihood::{
    LikelihoodModel, LmScorer, LogitsModel, Sharing, likelihood_conformance, score_batch,
};
pub use llama2c::Llama2c;
pub use load::WeightLayout;
pub use safetensors_dir::SafeTensorsSource;
pub use sample::Sampling;
pub use save::StoreAs;
pub use score::{ScoreRequest, Scored, score, score_rows};
pub use tokenizer::{DecodeStream, Tokenizer};
pub use transformer::Transformer;
pub use weights::{Naming, TensorSource};
