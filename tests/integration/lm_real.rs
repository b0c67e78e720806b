//! Real weights, where they are present.

use std::{ops::ControlFlow, path::PathBuf};

use firetender_hooks::Untouched;
use firetender_kit::{data, golden_json, load};
use firetender_lm::{
    GenerateOptions, Message, ScoreRequest, Tokenizer, Transformer, generate, score,
};

/// Up to 32 tokens after a prompt, until the model ends.
fn greedy(model: &Transformer, tokenizer: &Tokenizer, prompt: Vec<u32>) -> String {
    let options = GenerateOptions::new(32).with_end_tokens(tokenizer.eos());
    let out = generate(
        model,
        Some(tokenizer),
        &[prompt],
        &options,
        &mut Untouched,
        &mut |_| ControlFlow::Continue(()),
    );
    out.unwrap().remove(0).text
}

#[test]
fn stories260k_tells_its_story() {
    let Some(path) = data("lm/stories260K.bin") else {
        return;
    };
    let (checkpoint, model) = load(path);
    let tokenizer = checkpoint.tokenizer().unwrap();
    let prompt = tokenizer.encode("Once upon a time", true).unwrap();
    let text = greedy(&model, tokenizer, prompt);
    let expected = ", there was a little girl named Lily. She loved to play outside in the park";
    assert!(text.contains(expected), "{:?}", text);
}

/// `SmolLM2-135M-Instruct.Q4_1.gguf`, named by `FIRETENDER_SMOLLM2` (the README says how to get it).
pub(crate) fn smollm2() -> Option<PathBuf> {
    let path = std::env::var_os("FIRETENDER_SMOLLM2")
        .map(PathBuf::from)
        .filter(|path| path.exists());
    if path.is_none() {
        eprintln!("skipped: FIRETENDER_SMOLLM2 does not name SmolLM2-135M-Instruct.Q4_1.gguf");
    }
    path
}

#[test]
fn smollm2_is_the_original() {
    let Some(path) = smollm2() else { return };
    let golden = golden_json("smollm2.json");
    let (checkpoint, model) = load(path);
    let tokenizer = checkpoint.tokenizer().unwrap();
    let ids = |value: &serde_json::Value| -> Vec<u32> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect()
    };
    for case in golden["encode"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        assert_eq!(
            tokenizer.encode(text, false).unwrap(),
            ids(&case["ids"]),
            "{text:?}"
        );
        assert_eq!(tokenizer.decode(&ids(&case["ids"]), false).unwrap(), text);
    }

    let scored = &golden["scored"];
    let row = ids(&scored["ids"]);
    let request = ScoreRequest {
        context: row[..1].to_vec(),
        continuations: vec![row[1..].to_vec()],
    };
    let found = score(&model, &request, &mut Untouched).unwrap();
    for (found, expected) in found[0]
        .log_probs
        .iter()
        .zip(scored["logprobs"].as_array().unwrap())
    {
        let expected = expected.as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-3,
            "{found} against {expected}"
        );
    }

    let chat = checkpoint.chat.as_ref().unwrap();
    let message = [Message::user("What is the capital of France?")];
    let prompt = chat.encode(tokenizer, &message, true).unwrap();
    assert_eq!(prompt, ids(&golden["chat"]["ids"]));
    let text = greedy(&model, tokenizer, prompt);
    assert_eq!(text, "The capital of France is Paris.");
}
