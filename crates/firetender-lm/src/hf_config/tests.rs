use super::*;
use crate::RopeScaling;

fn read(json: &str) -> Result<HfConfig, LmError> {
    HfConfig::read("config.json", json.as_bytes())
}

fn model(json: &str) -> ModelConfig {
    read(json).unwrap().model
}

#[test]
fn defaults_are_those_of_transformers() {
    let llama = model(r#"{"model_type":"llama"}"#);
    assert_eq!(
        (llama.vocab_size, llama.width, llama.layers, llama.heads),
        (32_000, 4096, 32, 32)
    );
    assert_eq!(
        (llama.kv_heads, llama.mlp_width, llama.max_positions),
        (32, 11_008, 2048)
    );
    assert!(!llama.tied_embeddings && !llama.qkv_bias && !llama.attn_out_bias && !llama.mlp_bias);
    assert_eq!(llama.norm_eps, 1e-6);

    let mistral = model(r#"{"architectures":["MistralForCausalLM"]}"#);
    assert_eq!(
        (mistral.kv_heads, mistral.mlp_width, mistral.max_positions),
        (8, 14_336, 131_072)
    );
    assert_eq!(mistral.sliding_window, Some(4096));
    assert_eq!(
        model(r#"{"model_type":"mistral","sliding_window":null}"#).sliding_window,
        None
    );
    assert_eq!(
        model(r#"{"model_type":"mistral","num_key_value_heads":null}"#).kv_heads,
        32
    );

    let qwen = model(r#"{"model_type":"qwen2"}"#);
    assert_eq!(
        (
            qwen.vocab_size,
            qwen.mlp_width,
            qwen.kv_heads,
            qwen.max_positions
        ),
        (151_936, 22_016, 32, 32_768)
    );
    assert!(qwen.qkv_bias && !qwen.attn_out_bias && qwen.sliding_window.is_none());

    let gpt2 = model(r#"{"model_type":"gpt2","n_inner":null}"#);
    assert_eq!(
        (gpt2.vocab_size, gpt2.width, gpt2.layers, gpt2.mlp_width),
        (50_257, 768, 12, 3072)
    );
    assert_eq!(
        (gpt2.norm, gpt2.activation, gpt2.positions),
        (NormKind::Layer, Activation::GeluTanh, Positions::Learned)
    );
    assert!(gpt2.tied_embeddings && gpt2.qkv_bias && gpt2.attn_out_bias && gpt2.mlp_bias);

    let neox = model(r#"{"model_type":"gpt_neox"}"#);
    assert_eq!(
        (neox.width, neox.layers, neox.heads, neox.mlp_width),
        (6144, 44, 64, 24_576)
    );
    assert_eq!(neox.residual, Residual::Parallel);
    assert!(matches!(neox.positions, Positions::Rotary { dims: 24, .. }));
    assert_eq!(neox.activation, Activation::Gelu);
}

#[test]
fn rope_in_all_spellings() {
    let positions = |rest: &str| {
        model(&format!(
            r#"{{"model_type":"llama","hidden_size":64,"num_attention_heads":4{rest}}}"#
        ))
        .positions
    };
    let linear = Positions::Rotary {
        base: 5e5,
        dims: 16,
        layout: RopeLayout::Half,
        scaling: RopeScaling::Linear { factor: 2.0 },
    };
    assert_eq!(
        positions(r#","rope_theta":500000,"rope_scaling":{"type":"linear","factor":2}"#),
        linear
    );
    assert_eq!(
        positions(
            r#","rope_parameters":{"rope_theta":500000.0,"rope_type":"linear","factor":2.0}"#
        ),
        linear
    );
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low: 1.0,
        high: 4.0,
        original_positions: 8192,
    };
    let found = positions(
        r#","rope_scaling":{"rope_type":"llama3","type":"llama3","factor":8.0,"low_freq_factor":1.0,
           "high_freq_factor":4.0,"original_max_position_embeddings":8192}"#,
    );
    assert!(matches!(found, Positions::Rotary { scaling, .. } if scaling == llama3));
    let neox = model(
        r#"{"model_type":"gpt_neox","rope_parameters":{"rope_theta":10000,"partial_rotary_factor":0.5,"rope_type":"default"}}"#,
    );
    assert!(matches!(neox.positions, Positions::Rotary { dims: 48, .. }));
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (json, named) in [
        (r#"{"model_type":"llama","frobnicate":1}"#, "frobnicate"),
        (r#"{"model_type":"gpt2","rope_theta":1e4}"#, "rope_theta"),
        (
            r#"{"model_type":"llama","hidden_act":"swish2"}"#,
            "hidden_act",
        ),
        (
            r#"{"model_type":"llama","rope_scaling":{"type":"yarn","factor":2}}"#,
            "rope_scaling.rope_type",
        ),
        (
            r#"{"model_type":"llama","rope_scaling":{"type":"linear"}}"#,
            "rope_scaling.factor",
        ),
        (
            r#"{"model_type":"llama","rope_scaling":{"type":"linear","factor":2,"beta":3}}"#,
            "rope_scaling.beta",
        ),
        (
            r#"{"model_type":"llama","rope_scaling":{"type":"linear","factor":0}}"#,
            "rope scaling",
        ),
        (
            r#"{"model_type":"llama","partial_rotary_factor":0.5}"#,
            "partial_rotary_factor",
        ),
        (
            r#"{"model_type":"gpt2","scale_attn_by_inverse_layer_idx":true}"#,
            "scale_attn_by_inverse_layer_idx",
        ),
        (
            r#"{"model_type":"gpt2","scale_attn_weights":false}"#,
            "scale_attn_weights",
        ),
        (
            r#"{"model_type":"gpt2","add_cross_attention":true}"#,
            "add_cross_attention",
        ),
        (
            r#"{"model_type":"llama","quantization_config":{"bits":4}}"#,
            "quantization_config",
        ),
        (
            r#"{"model_type":"llama","pruned_heads":{"1":[0]}}"#,
            "pruned_heads",
        ),
        (r#"{"model_type":"llama","hidden_size":-1}"#, "hidden_size"),
        (
            r#"{"model_type":"llama","hidden_size":1e300}"#,
            "hidden_size",
        ),
        (r#"{"model_type":"llama","hidden_size":100}"#, "hidden_size"),
        (
            r#"{"model_type":"llama","num_attention_heads":0}"#,
            "num_attention_heads",
        ),
        (
            r#"{"model_type":"llama","num_key_value_heads":5}"#,
            "kv_heads",
        ),
        (
            r#"{"model_type":"llama","rms_norm_eps":"small"}"#,
            "rms_norm_eps",
        ),
        (
            r#"{"model_type":"llama","tie_word_embeddings":"yes"}"#,
            "tie_word_embeddings",
        ),
        (
            r#"{"model_type":"llama","eos_token_id":"</s>"}"#,
            "eos_token_id",
        ),
        (
            r#"{"model_type":"llama","architectures":["GPT2LMHeadModel"]}"#,
            "model_type",
        ),
        (
            r#"{"model_type":"llama","architectures":["LlamaForSequenceClassification"]}"#,
            "architectures",
        ),
        (r#"{"model_type":"bert"}"#, "model_type"),
        (r#"{}"#, "architectures"),
        (
            r#"{"model_type":"gpt_neox","rotary_pct":1.5}"#,
            "rotary_pct",
        ),
        (
            r#"{"model_type":"gpt_neox","rotary_pct":0.001}"#,
            "rotary dimensions",
        ),
        (
            r#"{"model_type":"qwen2","use_sliding_window":true,"max_window_layers":5}"#,
            "max_window_layers",
        ),
        (
            r#"{"model_type":"qwen2","layer_types":["full_attention","sliding_attention"]}"#,
            "layer_types",
        ),
    ] {
        match read(json) {
            Err(LmError::Config { field, .. }) => assert_eq!(field, named, "{json}"),
            other => panic!("{json}: {other:?}"),
        }
    }
    for json in ["", "[]", "{", "null", "{\"model_type\":"] {
        assert!(matches!(read(json), Err(LmError::Format { .. })), "{json}");
    }
}

#[test]
fn a_published_configuration_is_read() {
    // The keys of SmolLM2-135M-Instruct, whose file holds much that does not matter here.
    let config = read(
        r#"{"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":1,
        "eos_token_id":2,"hidden_act":"silu","hidden_size":576,"initializer_range":0.041666666666666664,
        "intermediate_size":1536,"is_llama_config":true,"max_position_embeddings":8192,"mlp_bias":false,
        "model_type":"llama","num_attention_heads":9,"num_hidden_layers":30,"num_key_value_heads":3,"pad_token_id":2,
        "pretraining_tp":1,"rms_norm_eps":1e-05,"rope_interleaved":false,"rope_scaling":null,"rope_theta":100000,
        "tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.42.3",
        "transformers.js_config":{"kv_cache_dtype":{"q4f16":"float16"}},"use_cache":true,"vocab_size":49152}"#,
    )
    .unwrap();
    assert_eq!(
        (config.bos, config.eos.as_slice(), config.pad),
        (Some(1), &[2][..], Some(2))
    );
    let model = config.model;
    assert_eq!(
        (
            model.width,
            model.layers,
            model.heads,
            model.kv_heads,
            model.head_dim
        ),
        (576, 30, 9, 3, 64)
    );
    assert!(
        model.tied_embeddings
            && matches!(
                model.positions,
                Positions::Rotary {
                    base: 1e5,
                    dims: 64,
                    ..
                }
            )
    );
}

#[test]
fn qwen2_windows() {
    let window = |rest: &str| {
        model(&format!(
            r#"{{"model_type":"qwen2","sliding_window":100{rest}}}"#
        ))
        .sliding_window
    };
    assert_eq!(window(""), None);
    assert_eq!(
        window(r#","use_sliding_window":true,"max_window_layers":0"#),
        Some(100)
    );
    assert_eq!(
        window(r#","use_sliding_window":true,"max_window_layers":32"#),
        None
    );
    assert_eq!(
        window(
            r#","use_sliding_window":true,"layer_types":["sliding_attention","sliding_attention"]"#
        ),
        Some(100)
    );
}
