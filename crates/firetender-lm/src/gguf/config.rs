//! GGUF metadata to a [`ModelConfig`].
//!
//! Architectures `llama` (also Mistral and SmolLM2), `qwen2`, `gpt2` and `gptneox`. Keys of the architecture that are not known
//! are errors, as in a `config.json`; keys outside it (`general.`, `tokenizer.`, …) describe the file, not the model. Whether
//! projections have biases and whether the output is tied to the embedding is seen from the tensors, as in llama.cpp.

use std::collections::BTreeSet;

use super::{Gguf, GgufArray, GgufValue};
use crate::{
    Activation, LmError, MlpKind, ModelConfig, NormKind, Positions, Residual, RopeLayout,
    RopeScaling, TensorSource,
};

/// What the metadata say about the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GgufModel {
    pub(crate) config: ModelConfig,
    /// Whether the rows of Q and K are permuted for rotary embedding over neighbouring pairs.
    pub(crate) qk_permuted: bool,
}

/// Reads keys of one architecture and remembers which.
struct Reader<'a> {
    file: &'a Gguf,
    architecture: &'a str,
    taken: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    fn key(&mut self, key: &str) -> String {
        let key = format!("{}.{key}", self.architecture);
        self.taken.insert(key.clone());
        key
    }

    fn whole(&mut self, key: &str) -> Result<Option<usize>, LmError> {
        let key = self.key(key);
        let value = match self.file.value(&key) {
            // Some writers give one value for each layer.
            Some(GgufValue::Array(list)) => Some(self.same(&key, list)?),
            _ => self.file.whole(&key)?,
        };
        match value.map(usize::try_from) {
            None => Ok(None),
            Some(Ok(value)) if value <= ModelConfig::MAX_FIELD => Ok(Some(value)),
            Some(_) => Err(self
                .file
                .wrong(&key, "beyond 2^28", "a whole number up to 2^28")),
        }
    }

    fn same(&self, key: &str, list: &GgufArray) -> Result<u64, LmError> {
        let first = list.get(0).and_then(|value| value.as_u64());
        let all = (0..list.len()).all(|i| list.get(i).and_then(|value| value.as_u64()) == first);
        first.filter(|_| all).ok_or_else(|| {
            self.file.wrong(
                key,
                "a list of different values",
                "one number for all layers",
            )
        })
    }

    fn required(&mut self, key: &str) -> Result<usize, LmError> {
        self.whole(key)?.ok_or_else(|| {
            self.file.wrong(
                &format!("{}.{key}", self.architecture),
                "absent",
                "a whole number",
            )
        })
    }

    /// A number by its shortest decimal form, so that 1e-5 as an `f32` is read as 1e-5.
    fn number(&mut self, key: &str) -> Result<Option<f64>, LmError> {
        let key = self.key(key);
        Ok(match self.file.value(&key) {
            Some(GgufValue::F32(value)) => {
                Some(value.to_string().parse().unwrap_or(f64::from(*value)))
            }
            _ => self.file.number(&key)?,
        })
    }

    fn required_number(&mut self, key: &str) -> Result<f64, LmError> {
        self.number(key)?.ok_or_else(|| {
            self.file.wrong(
                &format!("{}.{key}", self.architecture),
                "absent",
                "a number",
            )
        })
    }

    fn flag(&mut self, key: &str, default: bool) -> Result<bool, LmError> {
        let key = self.key(key);
        Ok(self.file.flag(&key)?.unwrap_or(default))
    }

    /// A count that would make another model unless it is 0.
    fn none_of(&mut self, key: &str) -> Result<(), LmError> {
        match self.whole(key)? {
            None | Some(0) => Ok(()),
            Some(found) => {
                let key = format!("{}.{key}", self.architecture);
                Err(self
                    .file
                    .wrong(&key, &found.to_string(), "0 or absent (not supported)"))
            }
        }
    }

    fn scaling(&mut self) -> Result<RopeScaling, LmError> {
        let kind = self.key("rope.scaling.type");
        let factor = self.number("rope.scaling.factor")?;
        // Old files have only a factor.
        let legacy = self.number("rope.scale_linear")?;
        match (self.file.string(&kind)?, factor.or(legacy)) {
            (Some("none"), _) | (None, None | Some(1.0 | 0.0)) => Ok(RopeScaling::None),
            (Some("linear") | None, Some(factor)) => Ok(RopeScaling::Linear { factor }),
            (Some("linear"), None) => {
                Err(self
                    .file
                    .wrong(&kind, "linear without a factor", "a factor beside it"))
            }
            (Some(other), _) => Err(self.file.wrong(&kind, other, "none or linear")),
        }
    }

    fn has(&self, tensor: &str) -> bool {
        self.file.tensor(tensor).is_some()
    }

    fn finish(self) -> Result<(), LmError> {
        let prefix = format!("{}.", self.architecture);
        let harmless = [
            "tensor_data_layout",
            "attention.layer_norm_bias",
            "rope.scaling.original_context_length",
        ];
        let unknown = self.file.keys().iter().find(|key| {
            key.strip_prefix(&prefix)
                .is_some_and(|rest| !harmless.contains(&rest) && !self.taken.contains(*key))
        });
        match unknown {
            None => Ok(()),
            Some(key) => {
                let found = self
                    .file
                    .value(key)
                    .map(|value| format!("{value}, an unknown key"))
                    .unwrap_or_default();
                let expected =
                    "only keys that this architecture knows: ignoring one could change the model";
                Err(self.file.wrong(key, &found, expected))
            }
        }
    }
}

/// Reads the model's shape.
pub(crate) fn read(file: &Gguf) -> Result<GgufModel, LmError> {
    if let Some(kind) = file.string("general.type")?
        && kind != "model"
    {
        return Err(file.wrong("general.type", kind, "model"));
    }
    if let Some(parts @ 2..) = file.whole("split.count")? {
        return Err(file.wrong(
            "split.count",
            &parts.to_string(),
            "1: merge the parts of a split file first",
        ));
    }
    // Version 1 packed some blocks otherwise.
    if let Some(version) = file.whole("general.quantization_version")?
        && version != 2
    {
        return Err(file.wrong("general.quantization_version", &version.to_string(), "2"));
    }
    let architecture = file.string("general.architecture")?;
    let architecture =
        architecture.ok_or_else(|| file.wrong("general.architecture", "absent", "a name"))?;
    let mut reader = Reader {
        file,
        architecture,
        taken: BTreeSet::new(),
    };
    let mut config = shape(&mut reader)?;
    match architecture {
        "llama" | "qwen2" => rotary(&mut reader, &mut config)?,
        "gpt2" => {
            layer_norm(&mut reader, &mut config, Activation::GeluTanh)?;
            config.positions = Positions::Learned;
        }
        "gptneox" => {
            layer_norm(&mut reader, &mut config, Activation::Gelu)?;
            config.residual = if reader.flag("use_parallel_residual", true)? {
                Residual::Parallel
            } else {
                Residual::Sequential
            };
            let dims = reader.required("rope.dimension_count")?;
            let base = reader.number("rope.freq_base")?.unwrap_or(10_000.0);
            config.positions = Positions::Rotary {
                base,
                dims,
                layout: RopeLayout::Half,
                scaling: reader.scaling()?,
            };
        }
        other => {
            return Err(file.wrong(
                "general.architecture",
                other,
                "llama, qwen2, gpt2 or gptneox",
            ));
        }
    }
    reader.finish()?;
    config.check()?;
    Ok(GgufModel {
        config,
        qk_permuted: architecture == "llama",
    })
}

/// The sizes that every architecture has, and what the tensors tell.
fn shape(reader: &mut Reader) -> Result<ModelConfig, LmError> {
    let width = reader.required("embedding_length")?;
    let heads = reader.required("attention.head_count")?;
    let kv_heads = reader.whole("attention.head_count_kv")?.unwrap_or(heads);
    let rows = reader
        .file
        .shape("token_embd.weight")
        .and_then(|shape| shape.first().copied());
    let vocab = match (reader.whole("vocab_size")?, rows) {
        (Some(vocab), _) | (None, Some(vocab)) => vocab,
        (None, None) => {
            return Err(reader
                .file
                .wrong("token_embd.weight", "absent", "the embedding"));
        }
    };
    let (layers, mlp) = (
        reader.required("block_count")?,
        reader.required("feed_forward_length")?,
    );
    let mut config = ModelConfig::llama(vocab, width, layers, heads, kv_heads, mlp);
    config.max_positions = reader.required("context_length")?;
    if let Some(head_dim) = reader.whole("attention.key_length")? {
        config.head_dim = head_dim;
    } else if heads == 0 || !width.is_multiple_of(heads) {
        let expected = format!("a multiple of the number of heads, {heads}");
        return Err(reader
            .file
            .wrong("embedding_length", &width.to_string(), &expected));
    }
    if let Some(value) = reader.whole("attention.value_length")?
        && value != config.head_dim
    {
        let expected = format!("{}, the length of keys", config.head_dim);
        return Err(reader
            .file
            .wrong("attention.value_length", &value.to_string(), &expected));
    }
    config.tied_embeddings = !reader.has("output.weight");
    config.qkv_bias = reader.has("blk.0.attn_q.bias") || reader.has("blk.0.attn_qkv.bias");
    config.attn_out_bias = reader.has("blk.0.attn_output.bias");
    config.mlp_bias = reader.has("blk.0.ffn_up.bias");
    Ok(config)
}

fn rotary(reader: &mut Reader, config: &mut ModelConfig) -> Result<(), LmError> {
    reader.none_of("expert_count")?;
    reader.none_of("expert_used_count")?;
    config.norm_eps = reader.required_number("attention.layer_norm_rms_epsilon")?;
    config.sliding_window = reader
        .whole("attention.sliding_window")?
        .filter(|window| *window > 0);
    let base = reader.number("rope.freq_base")?.unwrap_or(10_000.0);
    let dims = reader
        .whole("rope.dimension_count")?
        .unwrap_or(config.head_dim);
    if dims != config.head_dim {
        let expected = format!("{}, the width of a head", config.head_dim);
        return Err(reader
            .file
            .wrong("rope.dimension_count", &dims.to_string(), &expected));
    }
    let mut scaling = reader.scaling()?;
    if reader.has(ROPE_FACTORS) {
        scaling = factors(reader.file, base, dims)?;
    }
    config.positions = Positions::Rotary {
        base,
        dims,
        layout: RopeLayout::Half,
        scaling,
    };
    Ok(())
}

fn layer_norm(
    reader: &mut Reader,
    config: &mut ModelConfig,
    activation: Activation,
) -> Result<(), LmError> {
    config.norm = NormKind::Layer;
    config.norm_eps = reader.required_number("attention.layer_norm_epsilon")?;
    config.mlp = MlpKind::Plain;
    config.activation = activation;
    Ok(())
}

/// Tensor in which llama.cpp's converter stores the effect of Llama 3's context extension: a divisor for each frequency.
pub(crate) const ROPE_FACTORS: &str = "rope_freqs.weight";

/// Finds the published rule whose divisors the file holds.
fn factors(file: &Gguf, base: f64, dims: usize) -> Result<RopeScaling, LmError> {
    let found = file.read(ROPE_FACTORS)?;
    if found.iter().all(|factor| *factor == 1.0) && found.len() == dims / 2 {
        return Ok(RopeScaling::None);
    }
    // Llama 3.1 and 3.3, then Llama 3.2.
    for factor in [8.0, 32.0] {
        let (low, high, original_positions) = (1.0, 4.0, 8192);
        let rule = (0..dims / 2).map(|i| {
            let wavelength = std::f64::consts::TAU * base.powf(2.0 * i as f64 / dims as f64);
            let turns = original_positions as f64 / wavelength;
            let smooth = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            1.0 / ((1.0 - smooth) / factor + smooth)
        });
        let close = |(found, rule): (&f32, f64)| (f64::from(*found) - rule).abs() <= 1e-3 * rule;
        if found.len() == dims / 2 && found.iter().zip(rule).all(close) {
            return Ok(RopeScaling::Llama3 {
                factor,
                low,
                high,
                original_positions,
            });
        }
    }
    Err(file.wrong(
        ROPE_FACTORS,
        "other divisors of the frequencies",
        "those of Llama 3.1 or 3.2 (others are not supported)",
    ))
}
