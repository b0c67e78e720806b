//! The llama2.c format, version 0: seven numbers, then `f32` weights in a fixed order without names.
//!
//! The file has no magic bytes; it is recognised by its size, which its header fixes to the byte. Its tensors are presented
//! under the names of Hugging Face's Llama. Queries and keys are laid out for rotary embedding over neighbouring pairs.
//! Source: the `model.py` export and `run.c` of llama2.c (MIT).

mod vocabulary;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use crate::blob::{Blob, check_limit};
use crate::{LmError, ModelConfig, Positions, RopeLayout, RopeScaling, TensorSource};

/// Bytes of the header.
const HEADER: u64 = 28;
/// Bound on the number of layers.
const MAX_LAYERS: u64 = 4096;
/// What later versions of the format start with.
const LATER: i32 = i32::from_be_bytes(*b"ak42");

/// A llama2.c file, opened and checked.
///
/// ```no_run
/// use firetender_lm::{Llama2c, TensorSource};
/// let file = Llama2c::open("stories260K.bin")?;
/// println!("{:?}", file.config());
/// let embedding = file.read("model.embed_tokens.weight")?;
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Debug)]
pub struct Llama2c {
    blob: Blob,
    config: ModelConfig,
    names: Vec<String>,
    tensors: BTreeMap<String, (u64, Vec<usize>)>,
}

impl Llama2c {
    /// Opens a file.
    ///
    /// # Errors
    /// [`LmError::Format`] if the header is no plausible one or the file does not have exactly the size that it implies.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LmError> {
        Self::parse(Blob::open(path.as_ref())?)
    }

    /// Reads from bytes; `place` names them in errors.
    ///
    /// # Errors
    /// As [`Llama2c::open`].
    pub fn from_bytes(place: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, LmError> {
        Self::parse(Blob::memory(place, bytes.into()))
    }

    /// The model's shape.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parse(blob: Blob) -> Result<Self, LmError> {
        let mut header = [0; HEADER as usize];
        blob.read_at("the header of seven numbers", 0, &mut header)?;
        let mut fields = [0_i32; 7];
        for (field, bytes) in fields.iter_mut().zip(header.as_chunks().0) {
            *field = i32::from_le_bytes(*bytes);
        }
        let [width, mlp, layers, heads, kv_heads, vocab, positions] = fields;
        let format = |what: String| LmError::Format {
            place: blob.place().into(),
            what,
        };
        let size = |name: &str, value: i32| {
            let found = usize::try_from(value)
                .ok()
                .filter(|value| (1..=ModelConfig::MAX_FIELD).contains(value));
            found.ok_or_else(|| {
                format(format!(
                    "{name} is {value}; expected a whole number from 1 to 2^28"
                ))
            })
        };
        if width == LATER {
            return Err(format(format!(
                "llama2.c version {mlp}; expected version 0"
            )));
        }
        // A negative vocabulary size says that the output has its own weights.
        let (vocab, tied) = (
            size("the vocabulary size", vocab.checked_abs().unwrap_or(0))?,
            vocab > 0,
        );
        let mut config = ModelConfig::llama(
            vocab,
            size("the width", width)?,
            size("the number of layers", layers)?,
            size("the number of heads", heads)?,
            size("the number of key/value heads", kv_heads)?,
            size("the feed-forward width", mlp)?,
        );
        config.max_positions = size("the number of positions", positions)?;
        config.tied_embeddings = tied;
        if !config.width.is_multiple_of(config.heads) || !config.head_dim.is_multiple_of(2) {
            return Err(format(format!(
                "{heads} heads for width {width}; expected heads of an even width"
            )));
        }
        config.positions = Positions::Rotary {
            base: 10_000.0,
            dims: config.head_dim,
            layout: RopeLayout::Interleaved,
            scaling: RopeScaling::None,
        };
        config.check()?;
        // A file full of holes may be large and cost nothing; the list of names would not.
        check_limit(
            blob.place(),
            "number of layers",
            config.layers as u64,
            MAX_LAYERS,
        )?;
        let layout = layout(&config)
            .ok_or_else(|| format(format!("the header {fields:?} implies an absurd size")))?;
        let (end, tensors) = layout;
        if end > blob.len() {
            blob.check_range("the weights that the header implies", HEADER, end - HEADER)?;
        }
        if end != blob.len() {
            let what = format!(
                "the header {fields:?} implies {end} bytes, the file has {}; not llama2.c version 0",
                blob.len()
            );
            return Err(format(what));
        }
        let names = tensors.iter().map(|(name, _, _)| name.clone()).collect();
        let tensors = tensors
            .into_iter()
            .map(|(name, offset, shape)| (name, (offset, shape)))
            .collect();
        Ok(Self {
            blob,
            config,
            names,
            tensors,
        })
    }

    fn find(&self, name: &str) -> Result<(u64, u64), LmError> {
        let (offset, shape) = self.tensors.get(name).ok_or_else(|| LmError::Format {
            place: self.blob.place().into(),
            what: format!("there is no tensor `{name}`"),
        })?;
        Ok((*offset, 4 * shape.iter().product::<usize>() as u64))
    }
}

type Placed = (String, u64, Vec<usize>);

/// Size of the file and the place of each tensor, in the order of the file.
fn layout(config: &ModelConfig) -> Option<(u64, Vec<Placed>)> {
    let (d, mlp, vocab) = (config.width, config.mlp_width, config.vocab_size);
    let (q, kv) = (
        config.heads * config.head_dim,
        config.kv_heads * config.head_dim,
    );
    let mut at = HEADER;
    let mut out = Vec::new();
    let mut put = |name: String, shape: &[usize]| -> Option<()> {
        let count = shape
            .iter()
            .try_fold(1_u64, |product, size| product.checked_mul(*size as u64))?;
        out.push((name, at, shape.to_vec()));
        at = at.checked_add(count.checked_mul(4)?)?;
        Some(())
    };
    put("model.embed_tokens.weight".into(), &[vocab, d])?;
    let per_layer: [(&str, &[usize]); 9] = [
        ("input_layernorm", &[d]),
        ("self_attn.q_proj", &[q, d]),
        ("self_attn.k_proj", &[kv, d]),
        ("self_attn.v_proj", &[kv, d]),
        ("self_attn.o_proj", &[d, q]),
        ("post_attention_layernorm", &[d]),
        ("mlp.gate_proj", &[mlp, d]),
        ("mlp.down_proj", &[d, mlp]),
        ("mlp.up_proj", &[mlp, d]),
    ];
    for (name, shape) in per_layer {
        for layer in 0..config.layers {
            put(format!("model.layers.{layer}.{name}.weight"), shape)?;
        }
    }
    put("model.norm.weight".into(), &[d])?;
    // Tables of cosines and sines, which follow from the shape.
    put(String::new(), &[config.max_positions, config.head_dim])?;
    if !config.tied_embeddings {
        put("lm_head.weight".into(), &[vocab, d])?;
    }
    out.retain(|(name, _, _)| !name.is_empty());
    Some((at, out))
}

impl TensorSource for Llama2c {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(|(_, shape)| shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, LmError> {
        let (offset, bytes) = self.find(name)?;
        let mut out = Vec::with_capacity((bytes / 4) as usize);
        self.blob
            .read_pieces(&format!("tensor `{name}`"), offset, bytes, 4, |piece| {
                out.extend(piece.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)));
            })?;
        Ok(out)
    }

    fn sample(&self, name: &str) -> Result<Vec<u8>, LmError> {
        let (offset, bytes) = self.find(name)?;
        self.blob.sample(&format!("tensor `{name}`"), offset, bytes)
    }

    fn place(&self) -> String {
        self.blob.place().into()
    }
}

#[cfg(test)]
mod tests;
