//! The shape of a decoder-only transformer, as data.
//!
//! Llama, Mistral, SmolLM2, Qwen2, GPT-2 and GPT-NeoX are one model here: they differ in the fields of [`ModelConfig`] and in
//! nothing else. A reader of `config.json` or of GGUF metadata fills the fields; [`ModelConfig::check`] refuses values that
//! contradict each other, so the model itself never has to.

use crate::LmError;

/// Where the per-block normalisation takes its statistics from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Root mean square, with a weight and no bias (Llama, Mistral, Qwen2).
    Rms,
    /// Mean and variance, with a weight and a bias (GPT-2, GPT-NeoX).
    Layer,
}

/// The non-linearity of the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// The exact Gaussian error linear unit.
    Gelu,
    /// GELU by its tanh approximation (`gelu_new`, GPT-2).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// The form of the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MlpKind {
    /// `down(act(gate(x)) · up(x))`.
    Gated,
    /// `down(act(up(x)))`.
    Plain,
}

/// Which coordinates of a head are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayout {
    /// Coordinate `i` with `i + dims/2` (Hugging Face's Llama, Qwen2, GPT-NeoX).
    Half,
    /// Coordinate `2i` with `2i + 1` (the original Llama, llama2.c, Llama-architecture GGUF).
    Interleaved,
}

/// A change of the rotary frequencies for contexts longer than those of pre-training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Frequencies as the base gives them.
    None,
    /// Every frequency divided by `factor`.
    Linear {
        /// Stretch of the positions, > 0.
        factor: f64,
    },
    /// Llama 3.1's rule: long wavelengths divided by `factor`, short ones kept, a ramp between.
    Llama3 {
        /// Stretch of the long wavelengths, > 0.
        factor: f64,
        /// Wavelengths above `original_positions / low` are stretched fully.
        low: f64,
        /// Wavelengths below `original_positions / high` are kept.
        high: f64,
        /// Context length of pre-training, in tokens.
        original_positions: usize,
    },
}

/// How the model knows where a token stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Positions {
    /// A learned vector for each absolute position, added to the embedding (GPT-2).
    Learned,
    /// Rotation of queries and keys (RoFormer, arXiv 2104.09864).
    Rotary {
        /// Base of the geometric series of wavelengths (`rope_theta`).
        base: f64,
        /// Number of coordinates of each head that are rotated, even; the rest pass unchanged.
        dims: usize,
        /// Which coordinates form a pair.
        layout: RopeLayout,
        /// Context extension.
        scaling: RopeScaling,
    },
}

/// How a block adds its two parts to the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// `mid = pre + attn(norm1(pre)); post = mid + mlp(norm2(mid))`.
    Sequential,
    /// `post = pre + attn(norm1(pre)) + mlp(norm2(pre))` (GPT-NeoX); there is no `resid_mid`.
    Parallel,
}

/// Everything the forward pass needs to know about a model besides its weights.
///
/// ```
/// use firetender_lm::ModelConfig;
/// let config = ModelConfig::llama(1000, 64, 2, 4, 2, 128);
/// assert_eq!(config.head_dim, 16);
/// config.check().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key/value heads; divides `heads` (grouped-query attention when smaller).
    pub kv_heads: usize,
    /// Width of one head; `heads · head_dim` need not equal `width`.
    pub head_dim: usize,
    /// Width of the feed-forward part.
    pub mlp_width: usize,
    /// Longest sequence, in tokens.
    pub max_positions: usize,
    /// Normalisation of the blocks and of the end.
    pub norm: NormKind,
    /// Added to the variance before its root.
    pub norm_eps: f64,
    /// Form of the feed-forward part.
    pub mlp: MlpKind,
    /// Its non-linearity.
    pub activation: Activation,
    /// Position information.
    pub positions: Positions,
    /// Sequential or parallel blocks.
    pub residual: Residual,
    /// Whether the query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// Whether the attention's output projection has a bias.
    pub attn_out_bias: bool,
    /// Whether the feed-forward projections have biases.
    pub mlp_bias: bool,
    /// Whether the output projection is the transposed embedding.
    pub tied_embeddings: bool,
    /// A token attends to at most this many latest positions, itself included (Mistral); `None` for all.
    pub sliding_window: Option<usize>,
}

impl ModelConfig {
    /// A Llama-shaped configuration with the usual defaults: RMS norm (eps 1e-5), gated SiLU, rotary positions with base
    /// 10,000 in the half layout over the whole head, no biases, tied embeddings, 2,048 positions.
    #[must_use]
    pub fn llama(
        vocab_size: usize,
        width: usize,
        layers: usize,
        heads: usize,
        kv_heads: usize,
        mlp_width: usize,
    ) -> Self {
        let head_dim = width.checked_div(heads).unwrap_or(0);
        Self {
            vocab_size,
            width,
            layers,
            heads,
            kv_heads,
            head_dim,
            mlp_width,
            max_positions: 2048,
            norm: NormKind::Rms,
            norm_eps: 1e-5,
            mlp: MlpKind::Gated,
            activation: Activation::Silu,
            positions: Positions::Rotary {
                base: 10_000.0,
                dims: head_dim,
                layout: RopeLayout::Half,
                scaling: RopeScaling::None,
            },
            residual: Residual::Sequential,
            qkv_bias: false,
            attn_out_bias: false,
            mlp_bias: false,
            tied_embeddings: true,
            sliding_window: None,
        }
    }

    /// Checks that the fields agree with each other.
    ///
    /// # Errors
    /// [`LmError::Config`] names the first field that is zero, out of range or contradicts another.
    pub fn check(&self) -> Result<(), LmError> {
        let fail = |field: &str, found: String, expected: &str| {
            Err(LmError::Config {
                place: "model configuration".into(),
                field: field.into(),
                found,
                expected: expected.into(),
            })
        };
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("width", self.width),
            ("layers", self.layers),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("mlp_width", self.mlp_width),
            ("max_positions", self.max_positions),
        ] {
            if value == 0 || value > Self::MAX_FIELD {
                return fail(field, value.to_string(), "a whole number from 1 to 2^28");
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return fail(
                "kv_heads",
                self.kv_heads.to_string(),
                "a divisor of the number of heads",
            );
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return fail(
                "norm_eps",
                self.norm_eps.to_string(),
                "a number between 0 and 1",
            );
        }
        if let Positions::Rotary {
            base,
            dims,
            scaling,
            ..
        } = self.positions
        {
            if !(base.is_finite() && base > 1.0) {
                return fail("rope base", base.to_string(), "a finite number above 1");
            }
            if dims == 0 || !dims.is_multiple_of(2) || dims > self.head_dim {
                return fail(
                    "rotary dimensions",
                    dims.to_string(),
                    "an even number from 2 to the head's width",
                );
            }
            match scaling {
                RopeScaling::None => {}
                RopeScaling::Linear { factor } if factor.is_finite() && factor > 0.0 => {}
                RopeScaling::Llama3 {
                    factor,
                    low,
                    high,
                    original_positions,
                } if factor.is_finite()
                    && factor > 0.0
                    && low > 0.0
                    && high > low
                    && original_positions > 0 => {}
                other => {
                    return fail(
                        "rope scaling",
                        format!("{other:?}"),
                        "positive factors, low below high",
                    );
                }
            }
        }
        if self.sliding_window == Some(0) {
            return fail("sliding_window", "0".into(), "a positive number or none");
        }
        Ok(())
    }

    /// Bound on every size field: larger values are a damaged or hostile file.
    pub const MAX_FIELD: usize = 1 << 28;

    /// Number of query heads that share one key/value head.
    #[must_use]
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_refused() {
        let good = ModelConfig::llama(100, 32, 2, 4, 2, 64);
        good.check().unwrap();
        let broken: [fn(&mut ModelConfig); 6] = [
            |c| c.kv_heads = 3,
            |c| c.heads = 0,
            |c| c.norm_eps = f64::NAN,
            |c| c.sliding_window = Some(0),
            |c| c.vocab_size = usize::MAX,
            |c| {
                c.positions = Positions::Rotary {
                    base: 1e4,
                    dims: 7,
                    layout: RopeLayout::Half,
                    scaling: RopeScaling::None,
                }
            },
        ];
        for change in broken {
            let mut config = good.clone();
            change(&mut config);
            assert!(config.check().is_err(), "{config:?}");
        }
    }
}
