//! How likely a model finds a text, token by token: `cargo run --release --example logits -- --model M --text T --json`.
//!
//! No chat template. The text is tokenised as the model's tokenizer does it, with its start token if it has one. The natural
//! log-probability of each token follows from those before it; the first token has none (`null`).

#![expect(clippy::print_stdout, reason = "the result goes to standard output")]

use std::process::ExitCode;

use clap::Parser;
use firetender_hooks::Untouched;
use firetender_lm::{ScoreRequest, score};
use firetender_support::{Failure, Model, arguments, device, fail, finish};
use serde_json::json;

/// Prints the log-probability of each token of a text.
#[derive(Parser)]
struct Arguments {
    /// A GGUF or llama2.c file, a Hugging Face folder, or `ember`.
    #[arg(long)]
    model: String,
    /// The text.
    #[arg(long, allow_hyphen_values = true)]
    text: String,
    /// Print a JSON list of `{"id", "token", "logprob"}`.
    #[arg(long)]
    json: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = Model::open(&arguments.model, &device(arguments.device.as_deref())?)?;
    let tokenizer = model.tokenizer()?;
    let ids = tokenizer.encode(&arguments.text, true)?;
    if ids.is_empty() || arguments.text.is_empty() {
        return fail("the text is empty; expected at least one token");
    }
    let mut log_probs = vec![None];
    if ids.len() > 1 {
        let request = ScoreRequest {
            context: ids[..1].to_vec(),
            continuations: vec![ids[1..].to_vec()],
        };
        let scored = score(&model.network, &request, &mut Untouched)?;
        log_probs.extend(scored[0].log_probs.iter().copied().map(Some));
    }
    let tokens: Vec<_> = ids
        .iter()
        .zip(&log_probs)
        .map(|(id, log_prob)| json!({ "id": id, "token": tokenizer.token(*id), "logprob": log_prob }))
        .collect();
    if arguments.json {
        println!("{}", json!(tokens));
        return Ok(());
    }
    for (id, log_prob) in ids.iter().zip(&log_probs) {
        let token = tokenizer.token(*id).unwrap_or_default();
        match log_prob {
            Some(p) => println!("{id:>7}  {p:>10.4}  {token}"),
            None => println!("{id:>7}  {:>10}  {token}", "-"),
        }
    }
    let total: f64 = log_probs.iter().flatten().sum();
    println!("total {total:.4} over {} tokens", log_probs.len() - 1);
    Ok(())
}
