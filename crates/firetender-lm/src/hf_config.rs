//! `config.json` of a Hugging Face folder, read strictly.
//!
//! Five families are known: `LlamaForCausalLM`, `MistralForCausalLM`, `Qwen2ForCausalLM`, `GPT2LMHeadModel` and
//! `GPTNeoXForCausalLM`. Every key must be one that shapes the model and is understood, or stand on the list of keys that do
//! not touch the forward pass; anything else is an error, because a key that is skipped may be the one that changes
//! the numbers. A key that is absent takes the default of the `transformers` library.

mod keys;
mod rope;

use keys::Keys;
use rope::Rope;

use crate::{
    Activation, LmError, MlpKind, ModelConfig, Naming, NormKind, Positions, Residual, RopeLayout,
};

/// What a `config.json` says.
///
/// ```
/// use firetender_lm::HfConfig;
/// let json = br#"{"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "eos_token_id": [2, 7]}"#;
/// let config = HfConfig::read("config.json", json)?;
/// assert_eq!((config.model.width, config.model.head_dim), (64, 16));
/// assert_eq!(config.model.layers, 32); // the default of LlamaConfig
/// assert_eq!(config.eos, [2, 7]);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HfConfig {
    /// The model.
    pub model: ModelConfig,
    /// How its tensors are named.
    pub naming: Naming,
    /// Token that starts a text, if the configuration names one.
    pub bos: Option<u32>,
    /// Tokens that end a text.
    pub eos: Vec<u32>,
    /// Token that fills short rows of a batch.
    pub pad: Option<u32>,
}

impl HfConfig {
    /// Reads the bytes of a `config.json`; `place` names it in errors.
    ///
    /// # Errors
    /// [`LmError::Format`] if it is no JSON object, [`LmError::Config`] for an unknown family, an unknown key, or a value that
    /// this crate does not support.
    pub fn read(place: &str, json: &[u8]) -> Result<Self, LmError> {
        let mut keys = Keys::parse(place, json)?;
        let family = family(&mut keys)?;
        let (bos, eos, pad) = (
            keys.id("bos_token_id")?,
            keys.ids("eos_token_id")?,
            keys.id("pad_token_id")?,
        );
        let (model, naming, extra) = match family {
            Family::Llama => (
                llama(&mut keys, Family::Llama)?,
                Naming::HfLlama,
                keys::LLAMA,
            ),
            Family::Mistral => (
                llama(&mut keys, Family::Mistral)?,
                Naming::HfLlama,
                keys::MISTRAL,
            ),
            Family::Qwen2 => (
                llama(&mut keys, Family::Qwen2)?,
                Naming::HfLlama,
                keys::QWEN2,
            ),
            Family::Gpt2 => (gpt2(&mut keys)?, Naming::HfGpt2, keys::GPT2),
            Family::GptNeoX => (gpt_neox(&mut keys)?, Naming::HfGptNeoX, keys::GPT_NEOX),
        };
        keys.finish(extra)?;
        model.check()?;
        Ok(Self {
            model,
            naming,
            bos,
            eos,
            pad,
        })
    }
}

/// The families that the shared blocks can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Llama,
    Mistral,
    Qwen2,
    Gpt2,
    GptNeoX,
}

/// `architectures` entry, `model_type`, family.
const FAMILIES: [(&str, &str, Family); 5] = [
    ("LlamaForCausalLM", "llama", Family::Llama),
    ("MistralForCausalLM", "mistral", Family::Mistral),
    ("Qwen2ForCausalLM", "qwen2", Family::Qwen2),
    ("GPT2LMHeadModel", "gpt2", Family::Gpt2),
    ("GPTNeoXForCausalLM", "gpt_neox", Family::GptNeoX),
];

/// The family by `architectures`, or by `model_type` where that is absent; both must agree.
fn family(keys: &mut Keys) -> Result<Family, LmError> {
    let architectures = keys.strings("architectures")?;
    let model_type = keys.string("model_type")?;
    let known = || FAMILIES.map(|(architecture, _, _)| architecture).join(", ");
    let by_type = match &model_type {
        None => None,
        Some(name) => Some(
            FAMILIES
                .iter()
                .find(|(_, model_type, _)| model_type == name)
                .ok_or_else(|| {
                    keys.wrong(
                        "model_type",
                        name,
                        "llama, mistral, qwen2, gpt2 or gpt_neox",
                    )
                })?
                .2,
        ),
    };
    let by_architecture = match architectures.as_slice() {
        [] => None,
        [name] => Some(
            FAMILIES
                .iter()
                .find(|(architecture, _, _)| architecture == name)
                .ok_or_else(|| keys.wrong("architectures", name, &known()))?
                .2,
        ),
        many => return Err(keys.wrong("architectures", &many.join(", "), "one architecture")),
    };
    match (by_architecture, by_type) {
        (Some(a), Some(b)) if a != b => Err(keys.wrong(
            "model_type",
            &model_type.unwrap_or_default(),
            "the type of the architecture beside it",
        )),
        (Some(family), _) | (None, Some(family)) => Ok(family),
        (None, None) => Err(keys.wrong("architectures", "absent", &known())),
    }
}

/// Llama, Mistral and Qwen2: RMS norm, gated feed-forward part, rotary positions.
fn llama(keys: &mut Keys, family: Family) -> Result<ModelConfig, LmError> {
    let (vocab, mlp, kv, positions) = match family {
        Family::Mistral => (32_000, 14_336, 8, 4096 * 32),
        Family::Qwen2 => (151_936, 22_016, 32, 32_768),
        _ => (32_000, 11_008, 0, 2048),
    };
    let width = keys.size("hidden_size", 4096)?;
    let heads = keys.size("num_attention_heads", 32)?;
    // Absent takes the family's default, null means one key/value head for each query head.
    let kv_default = if kv == 0 || keys.is_null("num_key_value_heads") {
        heads
    } else {
        kv
    };
    let mut config = ModelConfig::llama(
        keys.size("vocab_size", vocab)?,
        width,
        keys.size("num_hidden_layers", 32)?,
        heads,
        keys.size("num_key_value_heads", kv_default)?,
        keys.size("intermediate_size", mlp)?,
    );
    config.max_positions = keys.size("max_position_embeddings", positions)?;
    config.norm_eps = keys.number("rms_norm_eps", 1e-6)?;
    config.activation = activation(keys, "hidden_act", "silu")?;
    config.tied_embeddings = keys.flag("tie_word_embeddings", false)?;
    config.head_dim = match keys.size_or_none("head_dim")? {
        Some(head_dim) => head_dim,
        None => share(keys, "hidden_size", width, heads)?,
    };
    let rope = Rope::read(keys, "rope_theta")?;
    rope.must_be_whole(keys)?;
    config.positions = Positions::Rotary {
        base: rope.base,
        dims: config.head_dim,
        layout: RopeLayout::Half,
        scaling: rope.scaling,
    };
    match family {
        Family::Mistral => config.sliding_window = keys.size_unless_null("sliding_window", 4096)?,
        Family::Qwen2 => {
            config.qkv_bias = true;
            config.sliding_window = qwen2_window(keys, config.layers)?;
        }
        _ => {
            let bias = keys.flag("attention_bias", false)?;
            (config.qkv_bias, config.attn_out_bias) = (bias, bias);
            config.mlp_bias = keys.flag("mlp_bias", false)?;
            keys.must_be("rope_interleaved", false)?;
        }
    }
    Ok(config)
}

/// Qwen2 uses its window only when told to, and then only in the layers from `max_window_layers` on.
fn qwen2_window(keys: &mut Keys, layers: usize) -> Result<Option<usize>, LmError> {
    let used = keys.flag("use_sliding_window", false)?;
    let window = keys.size_unless_null("sliding_window", 4096)?;
    let first = keys.whole("max_window_layers", 28)?;
    let kinds = keys.strings("layer_types")?;
    if let Some(kind) = kinds.iter().find(|kind| *kind != &kinds[0]) {
        return Err(keys.wrong("layer_types", kind, "one kind of attention in all layers"));
    }
    let by_kind = match kinds.first().map(String::as_str) {
        None => None,
        Some("full_attention") => Some(false),
        Some("sliding_attention") => Some(true),
        Some(other) => {
            return Err(keys.wrong("layer_types", other, "full_attention or sliding_attention"));
        }
    };
    match (used, by_kind) {
        (false, None | Some(false)) | (true, Some(false)) => Ok(None),
        (true, Some(true)) => Ok(window),
        (false, Some(true)) => Err(keys.wrong("use_sliding_window", "false", "true, as `layer_types` says sliding_attention")),
        (true, None) if first >= layers => Ok(None),
        (true, None) if first == 0 => Ok(window),
        (true, None) => Err(keys.wrong(
            "max_window_layers",
            &first.to_string(),
            "0 (a window in all layers) or the number of layers (in none): mixed layers are not supported",
        )),
    }
}

/// GPT-2: learned positions, layer norm with biases, fused projections.
fn gpt2(keys: &mut Keys) -> Result<ModelConfig, LmError> {
    let width = keys.size("n_embd", 768)?;
    let heads = keys.size("n_head", 12)?;
    let mlp = keys
        .size_or_none("n_inner")?
        .unwrap_or(width.saturating_mul(4));
    let mut config = ModelConfig::llama(
        keys.size("vocab_size", 50_257)?,
        width,
        keys.size("n_layer", 12)?,
        heads,
        heads,
        mlp,
    );
    config.head_dim = share(keys, "n_embd", width, heads)?;
    config.max_positions = keys.size("n_positions", 1024)?;
    layer_norm_and_biases(&mut config);
    config.norm_eps = keys.number("layer_norm_epsilon", 1e-5)?;
    config.activation = activation(keys, "activation_function", "gelu_new")?;
    config.tied_embeddings = keys.flag("tie_word_embeddings", true)?;
    config.positions = Positions::Learned;
    keys.must_be("scale_attn_weights", true)?;
    keys.must_be("scale_attn_by_inverse_layer_idx", false)?;
    keys.must_be("reorder_and_upcast_attn", false)?;
    Ok(config)
}

/// GPT-NeoX: partly rotated heads, two norms read the same stream.
fn gpt_neox(keys: &mut Keys) -> Result<ModelConfig, LmError> {
    let width = keys.size("hidden_size", 6144)?;
    let heads = keys.size("num_attention_heads", 64)?;
    let mut config = ModelConfig::llama(
        keys.size("vocab_size", 50_432)?,
        width,
        keys.size("num_hidden_layers", 44)?,
        heads,
        heads,
        keys.size("intermediate_size", 24_576)?,
    );
    config.head_dim = share(keys, "hidden_size", width, heads)?;
    config.max_positions = keys.size("max_position_embeddings", 2048)?;
    layer_norm_and_biases(&mut config);
    config.norm_eps = keys.number("layer_norm_eps", 1e-5)?;
    config.activation = activation(keys, "hidden_act", "gelu")?;
    config.tied_embeddings = keys.flag("tie_word_embeddings", false)?;
    let bias = keys.flag("attention_bias", true)?;
    (config.qkv_bias, config.attn_out_bias) = (bias, bias);
    config.residual = match keys.flag("use_parallel_residual", true)? {
        true => Residual::Parallel,
        false => Residual::Sequential,
    };
    let rope = Rope::read(keys, "rotary_emb_base")?;
    let part = keys.number("rotary_pct", rope.part.unwrap_or(0.25))?;
    if !(part > 0.0 && part <= 1.0) {
        return Err(keys.wrong(
            "rotary_pct",
            &part.to_string(),
            "a number above 0, at most 1",
        ));
    }
    // Cut to a whole number as the original does.
    let dims = (config.head_dim as f64 * part) as usize;
    config.positions = Positions::Rotary {
        base: rope.base,
        dims,
        layout: RopeLayout::Half,
        scaling: rope.scaling,
    };
    Ok(config)
}

fn layer_norm_and_biases(config: &mut ModelConfig) {
    config.norm = NormKind::Layer;
    config.mlp = MlpKind::Plain;
    (config.qkv_bias, config.attn_out_bias, config.mlp_bias) = (true, true, true);
}

/// A head's share of the width.
fn share(keys: &Keys, key: &str, width: usize, heads: usize) -> Result<usize, LmError> {
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(keys.wrong(
            key,
            &width.to_string(),
            &format!("a multiple of the number of heads, {heads}"),
        ));
    }
    Ok(width / heads)
}

fn activation(keys: &mut Keys, key: &str, default: &str) -> Result<Activation, LmError> {
    let name = keys.string(key)?.unwrap_or_else(|| default.into());
    match name.as_str() {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu" => Ok(Activation::Gelu),
        // One formula, three times written.
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        other => Err(keys.wrong(
            key,
            other,
            "silu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast or relu",
        )),
    }
}

#[cfg(test)]
mod tests;
