//! The parameters that a configuration implies, and what each file family calls them.

use crate::{MlpKind, ModelConfig, Naming, NormKind, Positions};

/// Which part of the model a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Embed,
    EmbedPositions,
    AttnNorm,
    Q,
    K,
    V,
    O,
    MlpNorm,
    Gate,
    Up,
    Down,
    FinalNorm,
    Head,
}

/// One parameter: a part, its block, and whether it is the part's bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) part: Part,
    pub(crate) layer: usize,
    pub(crate) bias: bool,
}

impl Slot {
    /// All parameters in the order in which a model is built.
    pub(crate) fn all(config: &ModelConfig) -> Vec<Self> {
        let slot = |part, layer, bias| Self { part, layer, bias };
        let mut slots = vec![slot(Part::Embed, 0, false)];
        if config.positions == Positions::Learned {
            slots.push(slot(Part::EmbedPositions, 0, false));
        }
        let norm_bias = config.norm == NormKind::Layer;
        for layer in 0..config.layers {
            let mut add = |part, bias: bool| {
                slots.push(slot(part, layer, false));
                if bias {
                    slots.push(slot(part, layer, true));
                }
            };
            add(Part::AttnNorm, norm_bias);
            add(Part::Q, config.qkv_bias);
            add(Part::K, config.qkv_bias);
            add(Part::V, config.qkv_bias);
            add(Part::O, config.attn_out_bias);
            add(Part::MlpNorm, norm_bias);
            if config.mlp == MlpKind::Gated {
                add(Part::Gate, config.mlp_bias);
            }
            add(Part::Up, config.mlp_bias);
            add(Part::Down, config.mlp_bias);
        }
        slots.push(slot(Part::FinalNorm, 0, false));
        if norm_bias {
            slots.push(slot(Part::FinalNorm, 0, true));
        }
        if !config.tied_embeddings {
            slots.push(slot(Part::Head, 0, false));
        }
        slots
    }

    /// Its shape as files store it: `[out, in]` for matrices.
    pub(crate) fn shape(&self, c: &ModelConfig) -> Vec<usize> {
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let (rows, columns) = match self.part {
            Part::Embed | Part::Head => (c.vocab_size, c.width),
            Part::EmbedPositions => (c.max_positions, c.width),
            Part::AttnNorm | Part::MlpNorm | Part::FinalNorm => return vec![c.width],
            Part::Q => (q, c.width),
            Part::K | Part::V => (kv, c.width),
            Part::O => (c.width, q),
            Part::Gate | Part::Up => (c.mlp_width, c.width),
            Part::Down => (c.width, c.mlp_width),
        };
        if self.bias {
            vec![rows]
        } else {
            vec![rows, columns]
        }
    }

    /// Its name in a file; fused projections give the same name for Q, K and V.
    pub(crate) fn name(&self, naming: Naming, fused: bool) -> String {
        let suffix = if self.bias { "bias" } else { "weight" };
        let (outer, inner) = match naming {
            Naming::HfLlama => hf_llama(self.part),
            Naming::HfGpt2 => hf_gpt2(self.part),
            Naming::HfGptNeoX => hf_gpt_neox(self.part),
            Naming::Gguf => gguf(self.part, fused),
        };
        if inner.is_empty() {
            format!("{outer}.{suffix}")
        } else {
            format!("{outer}.{}.{inner}.{suffix}", self.layer)
        }
    }
}

type Name = (&'static str, &'static str);

fn hf_llama(part: Part) -> Name {
    const L: &str = "model.layers";
    match part {
        Part::Embed => ("model.embed_tokens", ""),
        Part::EmbedPositions => ("model.embed_positions", ""),
        Part::AttnNorm => (L, "input_layernorm"),
        Part::Q => (L, "self_attn.q_proj"),
        Part::K => (L, "self_attn.k_proj"),
        Part::V => (L, "self_attn.v_proj"),
        Part::O => (L, "self_attn.o_proj"),
        Part::MlpNorm => (L, "post_attention_layernorm"),
        Part::Gate => (L, "mlp.gate_proj"),
        Part::Up => (L, "mlp.up_proj"),
        Part::Down => (L, "mlp.down_proj"),
        Part::FinalNorm => ("model.norm", ""),
        Part::Head => ("lm_head", ""),
    }
}

fn hf_gpt2(part: Part) -> Name {
    const L: &str = "h";
    match part {
        Part::Embed => ("wte", ""),
        Part::EmbedPositions => ("wpe", ""),
        Part::AttnNorm => (L, "ln_1"),
        Part::Q | Part::K | Part::V => (L, "attn.c_attn"),
        Part::O => (L, "attn.c_proj"),
        Part::MlpNorm => (L, "ln_2"),
        Part::Gate => (L, "mlp.c_gate"),
        Part::Up => (L, "mlp.c_fc"),
        Part::Down => (L, "mlp.c_proj"),
        Part::FinalNorm => ("ln_f", ""),
        Part::Head => ("lm_head", ""),
    }
}

fn hf_gpt_neox(part: Part) -> Name {
    const L: &str = "gpt_neox.layers";
    match part {
        Part::Embed => ("gpt_neox.embed_in", ""),
        Part::EmbedPositions => ("gpt_neox.embed_positions", ""),
        Part::AttnNorm => (L, "input_layernorm"),
        Part::Q | Part::K | Part::V => (L, "attention.query_key_value"),
        Part::O => (L, "attention.dense"),
        Part::MlpNorm => (L, "post_attention_layernorm"),
        Part::Gate => (L, "mlp.dense_gate"),
        Part::Up => (L, "mlp.dense_h_to_4h"),
        Part::Down => (L, "mlp.dense_4h_to_h"),
        Part::FinalNorm => ("gpt_neox.final_layer_norm", ""),
        Part::Head => ("embed_out", ""),
    }
}

fn gguf(part: Part, fused: bool) -> Name {
    const L: &str = "blk";
    match part {
        Part::Embed => ("token_embd", ""),
        Part::EmbedPositions => ("position_embd", ""),
        Part::AttnNorm => (L, "attn_norm"),
        Part::Q | Part::K | Part::V if fused => (L, "attn_qkv"),
        Part::Q => (L, "attn_q"),
        Part::K => (L, "attn_k"),
        Part::V => (L, "attn_v"),
        Part::O => (L, "attn_output"),
        Part::MlpNorm => (L, "ffn_norm"),
        Part::Gate => (L, "ffn_gate"),
        Part::Up => (L, "ffn_up"),
        Part::Down => (L, "ffn_down"),
        Part::FinalNorm => ("output_norm", ""),
        Part::Head => ("output", ""),
    }
}
