//! Writes a model as a Hugging Face folder: `config.json` and `model.safetensors`.
//!
//! Only what Hugging Face's Llama and Qwen2 classes can express is written; anything else is a typed error, since a file that
//! another program reads differently would be worse than none.

use std::{fs, path::Path};

use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;

use crate::{
    Activation, LmError, MlpKind, ModelConfig, Naming, NormKind, Positions, Residual, RopeLayout,
    RopeScaling, Transformer,
    generate::host,
    slots::{Part, Slot},
};

/// The number type that weights are written in; rounding is to nearest even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAs {
    /// 32-bit floats, exact.
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// 16-bit brain floats.
    Bf16,
}

impl Transformer {
    /// Writes `config.json` and `model.safetensors` into `folder`, which is made if needed. Each file is written under a
    /// temporary name and renamed.
    ///
    /// # Errors
    /// [`LmError::Config`] when the architecture is not Llama's or Qwen2's, a weight that the number type cannot hold, or a file
    /// that cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>, store_as: StoreAs) -> Result<(), LmError> {
        let folder = folder.as_ref();
        let config = config_json(&self.config, store_as)?;
        let mut tensors = vec![];
        for slot in Slot::all(&self.config) {
            let name = slot.name(Naming::HfLlama, false);
            let (dtype, bytes) = encode(&name, &self.parameter(slot), store_as)?;
            tensors.push((name, dtype, slot.shape(&self.config), bytes));
        }
        let broken = |error: safetensors::SafeTensorError| LmError::Format {
            place: folder.display().to_string(),
            what: error.to_string(),
        };
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(broken)?;
        let bytes = safetensors::serialize(views, None).map_err(broken)?;
        fs::create_dir_all(folder).map_err(|source| LmError::Io {
            path: folder.into(),
            source,
        })?;
        write(&folder.join("model.safetensors"), &bytes)?;
        write(
            &folder.join("config.json"),
            format!("{config:#}\n").as_bytes(),
        )
    }

    /// A parameter's values in the layout of files, `[out, in]`.
    fn parameter(&self, slot: Slot) -> Vec<f32> {
        let block = || &self.blocks[slot.layer];
        let linear = |linear: &burn::nn::Linear| match (&linear.bias, slot.bias) {
            (Some(bias), true) => host(bias.val()),
            _ => host(linear.weight.val().transpose()),
        };
        let norm = |norm: &crate::Norm| match norm {
            crate::Norm::Rms(norm) => host(norm.gamma.val()),
            crate::Norm::Layer(norm) => match (&norm.beta, slot.bias) {
                (Some(beta), true) => host(beta.val()),
                _ => host(norm.gamma.val()),
            },
        };
        let optional =
            |part: &Option<burn::nn::Linear>| part.as_ref().map(linear).unwrap_or_default();
        match slot.part {
            Part::Embed => host(self.embed.weight.val()),
            Part::EmbedPositions => self
                .embed_positions
                .as_ref()
                .map(|e| host(e.weight.val()))
                .unwrap_or_default(),
            Part::AttnNorm => norm(&block().attn_norm),
            Part::Q => linear(&block().attn.q_proj),
            Part::K => linear(&block().attn.k_proj),
            Part::V => linear(&block().attn.v_proj),
            Part::O => linear(&block().attn.o_proj),
            Part::MlpNorm => norm(&block().mlp_norm),
            Part::Gate => optional(&block().mlp.gate_proj),
            Part::Up => linear(&block().mlp.up_proj),
            Part::Down => linear(&block().mlp.down_proj),
            Part::FinalNorm => norm(&self.final_norm),
            Part::Head => optional(&self.head),
        }
    }
}

fn config_json(c: &ModelConfig, store_as: StoreAs) -> Result<serde_json::Value, LmError> {
    let refuse = |field: &str, found: String| {
        Err(LmError::Config {
            place: "model to be saved".into(),
            field: field.into(),
            found,
            expected: "what Hugging Face's Llama or Qwen2 can express".into(),
        })
    };
    let Positions::Rotary {
        base,
        dims,
        layout: RopeLayout::Half,
        scaling: RopeScaling::None,
    } = c.positions
    else {
        return refuse("positions", format!("{:?}", c.positions));
    };
    if dims != c.head_dim
        || c.norm != NormKind::Rms
        || c.mlp != MlpKind::Gated
        || c.activation != Activation::Silu
    {
        return refuse("norm, feed-forward or rotary dimensions", format!("{c:?}"));
    }
    if c.residual != Residual::Sequential || c.sliding_window.is_some() {
        return refuse(
            "residual or sliding_window",
            format!("{:?}, {:?}", c.residual, c.sliding_window),
        );
    }
    // Llama has attention biases on all four projections or on none; Qwen2 on three of them, and no others.
    let qwen2 = c.qkv_bias && !c.attn_out_bias;
    if (c.attn_out_bias && !c.qkv_bias) || (qwen2 && c.mlp_bias) {
        return refuse("biases", "set on some projections".into());
    }
    let (class, kind) = if qwen2 {
        ("Qwen2ForCausalLM", "qwen2")
    } else {
        ("LlamaForCausalLM", "llama")
    };
    if qwen2 && c.head_dim * c.heads != c.width {
        return refuse("head_dim", c.head_dim.to_string());
    }
    let mut json = json!({
        "architectures": [class],
        "model_type": kind,
        "vocab_size": c.vocab_size,
        "hidden_size": c.width,
        "intermediate_size": c.mlp_width,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads,
        "max_position_embeddings": c.max_positions,
        "hidden_act": "silu",
        "rms_norm_eps": c.norm_eps,
        "rope_theta": base,
        "tie_word_embeddings": c.tied_embeddings,
        "torch_dtype": match store_as {
            StoreAs::F32 => "float32",
            StoreAs::F16 => "float16",
            StoreAs::Bf16 => "bfloat16",
        },
    });
    if !qwen2 {
        json["attention_bias"] = json!(c.attn_out_bias);
        json["mlp_bias"] = json!(c.mlp_bias);
        json["head_dim"] = json!(c.head_dim);
    }
    Ok(json)
}

fn encode(name: &str, values: &[f32], store_as: StoreAs) -> Result<(Dtype, Vec<u8>), LmError> {
    let check = |stored: f32, value: f32| {
        if stored.is_finite() {
            return Ok(());
        }
        let what = format!("tensor `{name}` holds {value}, which {store_as:?} cannot hold");
        Err(LmError::Format {
            place: "model to be saved".into(),
            what,
        })
    };
    let mut bytes = Vec::with_capacity(4 * values.len());
    for &value in values {
        match store_as {
            StoreAs::F32 => {
                check(value, value)?;
                bytes.extend(value.to_le_bytes());
            }
            StoreAs::F16 => {
                let stored = f16::from_f32(value);
                check(stored.to_f32(), value)?;
                bytes.extend(stored.to_le_bytes());
            }
            StoreAs::Bf16 => {
                let stored = bf16::from_f32(value);
                check(stored.to_f32(), value)?;
                bytes.extend(stored.to_le_bytes());
            }
        }
    }
    let dtype = match store_as {
        StoreAs::F32 => Dtype::F32,
        StoreAs::F16 => Dtype::F16,
        StoreAs::Bf16 => Dtype::BF16,
    };
    Ok((dtype, bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), LmError> {
    crate::write_atomically(path, bytes).map_err(|source| LmError::Io {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use firetender_hooks::{Padding, Pass, Untouched};

    use super::*;
    use crate::{CausalLm, HfConfig, SafeTensorsSource, WeightLayout};

    #[test]
    fn a_saved_model_is_the_same_model() {
        let device = Device::flex();
        for qkv_bias in [false, true] {
            let config = ModelConfig {
                qkv_bias,
                tied_embeddings: !qkv_bias,
                ..ModelConfig::llama(30, 16, 2, 4, 2, 24)
            };
            let model = Transformer::init(&config, 3, &device).unwrap();
            let folder = tempfile::tempdir().unwrap();
            model.save(folder.path(), StoreAs::F32).unwrap();
            let text = fs::read(folder.path().join("config.json")).unwrap();
            let read = HfConfig::read("config.json", &text).unwrap();
            assert_eq!(read.model, config);
            let source = SafeTensorsSource::open(folder.path()).unwrap();
            let layout = WeightLayout {
                naming: Naming::HfLlama,
                qk_permuted: false,
            };
            let again = Transformer::load(&config, &source, layout, &device).unwrap();
            let pass = Pass::whole(&[vec![1, 2, 3]], Padding::Left, 0).unwrap();
            let logits =
                |m: &Transformer| m.logits(&pass, None, &mut Untouched).unwrap().into_data();
            assert_eq!(logits(&model), logits(&again));
        }
    }

    #[test]
    fn what_others_would_read_differently_is_refused() {
        let config = ModelConfig {
            residual: Residual::Parallel,
            ..ModelConfig::llama(30, 16, 2, 4, 2, 24)
        };
        let model = Transformer::init(&config, 3, &Device::flex()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            model.save(folder.path(), StoreAs::F16),
            Err(LmError::Config { .. })
        ));
    }
}
