use std::path::PathBuf;

use super::*;
use crate::{
    GgmlType, GgufArray, GgufValue, GgufWriter, Message, NormKind, Positions, RopeLayout,
    RopeScaling,
};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

/// The folder with real data beside the repository, unless it is not there.
fn data(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = std::env::var_os("FIRETENDER_DATA")
        .map_or_else(beside, PathBuf::from)
        .join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

#[test]
fn folders_of_every_family_open() {
    for (name, norm, naming) in [
        ("llama", NormKind::Rms, Naming::HfLlama),
        ("llama_sharded", NormKind::Rms, Naming::HfLlama),
        ("mistral", NormKind::Rms, Naming::HfLlama),
        ("qwen2", NormKind::Rms, Naming::HfLlama),
        ("gpt2", NormKind::Layer, Naming::HfGpt2),
        ("gpt2_published", NormKind::Layer, Naming::HfGpt2),
        ("gpt_neox", NormKind::Layer, Naming::HfGptNeoX),
    ] {
        let checkpoint = Checkpoint::open(golden("models").join(name)).unwrap();
        assert_eq!(
            (
                checkpoint.config.norm,
                checkpoint.naming,
                checkpoint.name.as_str()
            ),
            (norm, naming, name)
        );
        assert!(!checkpoint.qk_permuted);
        // The causal masks in published GPT-2 files are bytes.
        for tensor in checkpoint
            .source
            .names()
            .iter()
            .filter(|name| !name.ends_with(".attn.bias"))
        {
            let shape = checkpoint.source.shape(tensor).unwrap();
            assert_eq!(
                checkpoint.source.read(tensor).unwrap().len(),
                shape.iter().product::<usize>(),
                "{tensor}"
            );
        }
    }
    let file = Checkpoint::open(golden("models/llama/model.safetensors")).unwrap();
    let folder = Checkpoint::open(golden("models/llama")).unwrap();
    assert_eq!(file.fingerprint().unwrap(), folder.fingerprint().unwrap());
}

#[test]
fn gguf_and_folder_describe_the_same_model() {
    for name in ["llama", "qwen2", "gpt2_published"] {
        let gguf = Checkpoint::open(golden(&format!("gguf/{name}.gguf"))).unwrap();
        let folder = Checkpoint::open(golden("models").join(name)).unwrap();
        assert_eq!(gguf.config, folder.config, "{name}");
        assert_eq!(
            (gguf.naming, gguf.qk_permuted),
            (Naming::Gguf, name == "llama")
        );
        assert_ne!(gguf.fingerprint().unwrap(), folder.fingerprint().unwrap());
    }
    // One vocabulary in two files.
    let (gguf, folder) = (
        Checkpoint::open(golden("gguf/llama.gguf")).unwrap(),
        Checkpoint::open(golden("models/llama")).unwrap(),
    );
    let text = "<|im_start|>user\nthe boat<|im_end|>\n it's 1234";
    let (a, b) = (gguf.tokenizer().unwrap(), folder.tokenizer().unwrap());
    assert_eq!(a.encode(text, true).unwrap(), b.encode(text, true).unwrap());
    assert_eq!(a.vocab_size(), b.vocab_size());
    let messages = [Message::user("What did the girl say?")];
    let render = |c: &Checkpoint| {
        c.chat
            .as_ref()
            .unwrap()
            .render(&messages, true, "", "")
            .unwrap()
    };
    assert_eq!(render(&gguf), render(&folder));
}

#[test]
fn tokens_and_prompts_agree_with_transformers() {
    let golden_file = std::fs::read(golden("tokenizer.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&golden_file).unwrap();
    let checkpoint = Checkpoint::open(golden("models/llama")).unwrap();
    check_tokens(&checkpoint, &expected);
    let message = &expected["chat"]["messages"][0];
    let messages = [Message::new(
        message["role"].as_str().unwrap(),
        message["content"].as_str().unwrap(),
    )];
    let chat = checkpoint.chat.as_ref().unwrap();
    assert_eq!(
        chat.render(&messages, true, "", "").unwrap(),
        expected["chat"]["prompt"]
    );
    let ids = chat
        .encode(checkpoint.tokenizer().unwrap(), &messages, true)
        .unwrap();
    assert_eq!(serde_json::json!(ids), expected["chat"]["ids"]);
}

fn check_tokens(checkpoint: &Checkpoint, expected: &serde_json::Value) {
    let tokenizer = checkpoint.tokenizer().unwrap();
    for case in expected["encode"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids = tokenizer.encode(text, true).unwrap();
        assert_eq!(serde_json::json!(ids), case["ids"], "{text:?}");
        if let Some(decoded) = case["decoded"].as_str() {
            assert_eq!(tokenizer.decode(&ids, false).unwrap(), decoded);
        } else {
            assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
        }
    }
}

/// The tokenizer of a folder, written and read again.
fn written(checkpoint: &Checkpoint) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    tokenizer
        .save(folder.path(), checkpoint.chat.as_ref())
        .unwrap();
    let settings = std::fs::read(folder.path().join("tokenizer_config.json")).unwrap();
    let settings: serde_json::Value = serde_json::from_slice(&settings).unwrap();
    let chat = checkpoint.chat.as_ref().map(|chat| chat.source());
    assert_eq!(settings["chat_template"].as_str(), chat);
    Tokenizer::from_file(folder.path().join("tokenizer.json")).unwrap()
}

#[test]
fn a_written_tokenizer_is_the_same() {
    let golden_file = std::fs::read(golden("tokenizer.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&golden_file).unwrap();
    for place in ["models/llama", "gguf/llama.gguf"] {
        let mut checkpoint = Checkpoint::open(golden(place)).unwrap();
        let back = written(&checkpoint);
        let old = checkpoint.tokenizer().unwrap();
        assert_eq!(back.specials(), old.specials());
        assert_eq!(
            (back.bos(), back.eos(), back.pad()),
            (old.bos(), old.eos(), old.pad())
        );
        checkpoint.tokenizer = Some(back);
        check_tokens(&checkpoint, &expected);
    }
}

/// SmolLM2's file is not part of the repository; `FIRETENDER_SMOLLM2` or the data folder may have it.
#[test]
fn smollm2_tokens_agree_with_the_python_library() {
    let named = std::env::var_os("FIRETENDER_SMOLLM2").map(PathBuf::from);
    let Some(path) = named.or_else(|| data("lm/SmolLM2-135M-Instruct.Q4_1.gguf")) else {
        return;
    };
    let checkpoint = Checkpoint::open(&path).unwrap();
    let bytes = std::fs::read(golden("smollm2.json")).unwrap();
    let expected = serde_json::from_slice(&bytes).unwrap();
    check_tokens(&checkpoint, &expected);
    let mut again = Checkpoint::open(&path).unwrap();
    again.tokenizer = Some(written(&checkpoint));
    check_tokens(&again, &expected);
    let tokenizer = checkpoint.tokenizer().unwrap();
    assert_eq!(
        (tokenizer.vocab_size(), tokenizer.bos(), tokenizer.eos()),
        (49_152, Some(1), &[2, 0][..])
    );
    let prompt = checkpoint
        .chat
        .as_ref()
        .unwrap()
        .render(&[Message::user("Hi")], true, "", "")
        .unwrap();
    let system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";
    assert_eq!(
        prompt,
        format!("{system}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    );
    assert_eq!(
        (
            checkpoint.config.width,
            checkpoint.config.norm_eps,
            checkpoint.qk_permuted
        ),
        (576, 1e-5, true)
    );
}

#[test]
fn stories_open_with_their_tokenizer() {
    let Some(path) = data("lm/stories260K.bin") else {
        return;
    };
    let checkpoint = Checkpoint::open(path).unwrap();
    let config = &checkpoint.config;
    assert_eq!(
        (
            config.width,
            config.mlp_width,
            config.layers,
            config.heads,
            config.kv_heads
        ),
        (64, 172, 5, 8, 4)
    );
    assert!(matches!(
        config.positions,
        Positions::Rotary {
            layout: RopeLayout::Interleaved,
            ..
        }
    ));
    let tokenizer = checkpoint.tokenizer().unwrap();
    // What llama2.c's run prints for this prompt.
    let ids = tokenizer.encode("Once upon a time", true).unwrap();
    assert_eq!(ids, [1, 403, 407, 261, 378]);
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "Once upon a time");
    let text = "Lily said: \"é\n😀\"  ok";
    assert_eq!(
        tokenizer
            .decode(&tokenizer.encode(text, true).unwrap(), true)
            .unwrap(),
        text
    );
}

/// A tiny Llama-shaped GGUF file, changed by `change`.
fn tiny(change: impl FnOnce(GgufWriter) -> GgufWriter) -> Result<Checkpoint, LmError> {
    let u32s = [
        ("block_count", 1),
        ("context_length", 8),
        ("embedding_length", 4),
        ("feed_forward_length", 8),
        ("attention.head_count", 1),
    ];
    let mut writer =
        GgufWriter::new().metadata("general.architecture", GgufValue::String("llama".into()));
    for (key, value) in u32s {
        writer = writer.metadata(&format!("llama.{key}"), GgufValue::U32(value));
    }
    writer = writer
        .metadata(
            "llama.attention.layer_norm_rms_epsilon",
            GgufValue::F32(1e-5),
        )
        .tensor("token_embd.weight", &[3, 4], &[0.0; 12]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    change(writer).write(&path)?;
    Checkpoint::open(&path)
}

fn strings(list: &[&str]) -> GgufValue {
    GgufValue::Array(GgufArray::String(
        list.iter().map(|text| (*text).into()).collect(),
    ))
}

#[test]
fn gguf_metadata_is_read_strictly() {
    let good = tiny(|w| w).unwrap();
    assert_eq!(
        (
            good.config.vocab_size,
            good.config.kv_heads,
            good.config.norm_eps
        ),
        (3, 1, 1e-5)
    );
    assert!(good.config.tied_embeddings && good.tokenizer.is_none() && good.name == "tiny");
    assert!(
        good.tokenizer()
            .unwrap_err()
            .to_string()
            .contains("tiny.gguf")
    );
    let text = |text: &str| GgufValue::String(text.into());
    let cases: Vec<(&str, GgufValue, &str)> = vec![
        ("llama.frobnicate", GgufValue::U32(1), "llama.frobnicate"),
        (
            "llama.expert_count",
            GgufValue::U32(8),
            "llama.expert_count",
        ),
        ("llama.rope.scaling.type", text("yarn"), "yarn"),
        ("llama.rope.scaling.type", text("linear"), "factor"),
        (
            "llama.rope.dimension_count",
            GgufValue::U32(2),
            "dimension_count",
        ),
        (
            "llama.attention.value_length",
            GgufValue::U32(2),
            "value_length",
        ),
        (
            "llama.attention.head_count_kv",
            GgufValue::U32(3),
            "kv_heads",
        ),
        (
            "llama.attention.head_count_kv",
            GgufValue::Array(GgufArray::U32(vec![1, 2])),
            "head_count_kv",
        ),
        (
            "llama.rope.freq_base",
            GgufValue::F32(f32::NAN),
            "rope base",
        ),
        ("llama.vocab_size", GgufValue::I32(-1), "llama.vocab_size"),
        ("general.type", text("adapter"), "adapter"),
        ("split.count", GgufValue::U16(2), "split.count"),
        (
            "general.quantization_version",
            GgufValue::U32(1),
            "quantization_version",
        ),
        (
            "tokenizer.ggml.model",
            text("bert"),
            "tokenizer.ggml.tokens",
        ),
    ];
    for (key, value, part) in cases {
        let error = tiny(|w| w.metadata(key, value)).unwrap_err().to_string();
        assert!(error.contains(part), "{error} lacks {part}");
    }
    let linear = tiny(|w| {
        w.metadata("llama.rope.scaling.type", text("linear"))
            .metadata("llama.rope.scaling.factor", GgufValue::F32(2.0))
    });
    let Positions::Rotary { scaling, .. } = linear.unwrap().config.positions else {
        panic!()
    };
    assert_eq!(scaling, RopeScaling::Linear { factor: 2.0 });
    // Tools' own keys say nothing about the model.
    assert!(tiny(|w| w.metadata("mytool.version", GgufValue::U8(1))).is_ok());
}

#[test]
fn llama3_frequencies_are_recognised() {
    let config = |factors: Vec<f32>| {
        tiny(|w| {
            let w = w.metadata("llama.attention.key_length", GgufValue::U32(128));
            let w = w.metadata("llama.attention.value_length", GgufValue::U32(128));
            let w = w.metadata("llama.rope.freq_base", GgufValue::F32(500_000.0));
            w.tensor("rope_freqs.weight", &[64], &factors)
        })
    };
    // The converter's own formula, in f32 steps as it takes them.
    let factors = (0..64)
        .map(|i| {
            let wavelength = 2.0 * std::f32::consts::PI * 500_000_f32.powf(2.0 * i as f32 / 128.0);
            match wavelength {
                w if w < 8192.0 / 4.0 => 1.0,
                w if w > 8192.0 => 32.0,
                w => {
                    let smooth = (8192.0 / w - 1.0) / 3.0;
                    1.0 / ((1.0 - smooth) / 32.0 + smooth)
                }
            }
        })
        .collect();
    let found = config(factors).unwrap();
    let Positions::Rotary { scaling, .. } = found.config.positions else {
        panic!()
    };
    assert_eq!(
        scaling,
        RopeScaling::Llama3 {
            factor: 32.0,
            low: 1.0,
            high: 4.0,
            original_positions: 8192
        }
    );
    assert!(
        !found
            .source
            .names()
            .contains(&"rope_freqs.weight".to_string())
    );
    assert!(
        config(vec![3.0; 64])
            .unwrap_err()
            .to_string()
            .contains("rope_freqs")
    );
}

#[test]
fn gguf_vocabularies_are_read_strictly() {
    let with = |pre: &'static str,
                tokens: &[&str],
                merges: &[&str],
                more: Vec<(&'static str, GgufValue)>| {
        tiny(|mut w| {
            w = w.metadata("tokenizer.ggml.model", GgufValue::String("gpt2".into()));
            w = w.metadata("tokenizer.ggml.pre", GgufValue::String(pre.into()));
            w = w
                .metadata("tokenizer.ggml.tokens", strings(tokens))
                .metadata("tokenizer.ggml.merges", strings(merges));
            more.into_iter()
                .fold(w, |w, (key, value)| w.metadata(key, value))
        })
    };
    let good = with(
        "llama-bpe",
        &["a", "b", "ab"],
        &["a b"],
        vec![("tokenizer.ggml.bos_token_id", GgufValue::U32(0))],
    );
    let good = good.unwrap();
    // This kind adds a start token unless told otherwise.
    assert_eq!(
        good.tokenizer().unwrap().encode("ab", true).unwrap(),
        [0, 2]
    );
    let kinds = |list: Vec<i32>| {
        vec![(
            "tokenizer.ggml.token_type",
            GgufValue::Array(GgufArray::I32(list)),
        )]
    };
    for (found, part) in [
        (with("mystery", &["a"], &[], vec![]), "mystery"),
        (with("gpt-2", &[], &[], vec![]), "tokens"),
        (with("gpt-2", &["a", "a"], &[], vec![]), "twice"),
        (with("gpt-2", &["a", "b"], &["a b"], vec![]), "ab"),
        (with("gpt-2", &["a", "b"], &["a"], vec![]), "merges"),
        (
            with("gpt-2", &["a", "b", "c", "d"], &[], vec![]),
            "embedding rows",
        ),
        (
            with("gpt-2", &["a", "b"], &[], kinds(vec![1])),
            "token_type",
        ),
        (
            with("gpt-2", &["a", "b"], &[], kinds(vec![1, 9])),
            "token_type",
        ),
        (
            with("gpt-2", &["a", "b"], &[], kinds(vec![1, 6])),
            "token_type",
        ),
        (
            with(
                "gpt-2",
                &["a"],
                &[],
                vec![("tokenizer.ggml.eos_token_id", GgufValue::U32(5))],
            ),
            "eos_token_id",
        ),
        (
            with(
                "gpt-2",
                &["a"],
                &[],
                vec![("tokenizer.ggml.add_bos_token", GgufValue::Bool(true))],
            ),
            "add_bos_token",
        ),
        (
            with(
                "gpt-2",
                &["a"],
                &[],
                vec![("tokenizer.chat_template", GgufValue::String("{% if".into()))],
            ),
            "template",
        ),
    ] {
        let error = found.unwrap_err().to_string();
        assert!(error.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn gguf_with_scores() {
    let tokens = ["<unk>", "▁a", "b"];
    let checkpoint = tiny(|w| {
        w.metadata("tokenizer.ggml.model", GgufValue::String("llama".into()))
            .metadata("tokenizer.ggml.tokens", strings(&tokens))
            .metadata(
                "tokenizer.ggml.scores",
                GgufValue::Array(GgufArray::F32(vec![0.0, -1.0, -2.0])),
            )
            .metadata(
                "tokenizer.ggml.token_type",
                GgufValue::Array(GgufArray::I32(vec![2, 1, 1])),
            )
    });
    let checkpoint = checkpoint.unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    // "▁" and "a" are no tokens, but their join is one.
    assert_eq!(tokenizer.encode("abx", true).unwrap(), [1, 2, 0]);
    assert_eq!(tokenizer.decode(&[1, 2], true).unwrap(), "ab");
}

#[test]
fn what_is_no_model_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let not_a_model = |path: PathBuf| match Checkpoint::open(path) {
        Err(LmError::NotAModel { .. }) => {}
        other => panic!("{other:?}"),
    };
    not_a_model(folder.path().into());
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"hello, this is a readme"),
        ("zeros", &[0; 5000]),
        ("short", b"GGU"),
    ] {
        std::fs::write(at(name), bytes).unwrap();
        not_a_model(at(name));
    }
    assert!(matches!(
        Checkpoint::open(at("nothing")),
        Err(LmError::Io { .. })
    ));
    // The name says nothing, the content all.
    std::fs::copy(golden("gguf/llama.gguf"), at("model.bin")).unwrap();
    assert_eq!(
        Checkpoint::open(at("model.bin")).unwrap().naming,
        Naming::Gguf
    );
    // Weights without a configuration.
    std::fs::copy(
        golden("models/llama/model.safetensors"),
        at("model.safetensors"),
    )
    .unwrap();
    not_a_model(at("model.safetensors"));
    std::fs::write(
        at("config.json"),
        br#"{"model_type":"llama","vocab_size":10}"#,
    )
    .unwrap();
    std::fs::copy(golden("models/llama/tokenizer.json"), at("tokenizer.json")).unwrap();
    let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("97 tokens") && error.contains("10 embedding rows"),
        "{error}"
    );
}

#[test]
fn embedded_files() {
    let read = |name: &str| std::fs::read(golden("models/llama").join(name)).unwrap();
    let embedded = Checkpoint::from_bytes(
        "embedded",
        &read("config.json"),
        read("model.safetensors"),
        &read("tokenizer.json"),
        &read("tokenizer_config.json"),
    )
    .unwrap();
    let folder = Checkpoint::open(golden("models/llama")).unwrap();
    assert_eq!(
        embedded.fingerprint().unwrap(),
        folder.fingerprint().unwrap()
    );
    assert_eq!(
        embedded.tokenizer().unwrap().eos(),
        folder.tokenizer().unwrap().eos()
    );
    assert!(embedded.chat.is_some() && format!("{embedded:?}").contains("embedded"));
}

/// A changed weight, shape or name changes the fingerprint.
#[test]
fn fingerprints_tell_models_apart() {
    let print = |change: fn(GgufWriter) -> GgufWriter| tiny(change).unwrap().fingerprint().unwrap();
    let all = [
        print(|w| w),
        print(|w| w.tensor("x", &[1], &[1.0])),
        print(|w| w.tensor("x", &[1], &[2.0])),
        print(|w| w.tensor("y", &[1], &[1.0])),
        print(|w| w.tensor("x", &[1, 1], &[1.0])),
        print(|w| w.raw_tensor("x", &[2], GgmlType::F16, vec![0, 0, 0x80, 0x3F])),
        print(|w| w.metadata("llama.rope.freq_base", GgufValue::F32(5e5))),
    ];
    let different: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(print(|w| w), all[0]);
    assert_eq!(all[0].len(), 64);
}

#[test]
fn checkpoints_go_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Checkpoint>();
}
