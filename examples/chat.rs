//! Talks to a model: `cargo run --release --example chat -- --model M --prompt P`.
//!
//! The answer streams to standard output; with `--json` it is one object `{"text", "tokens", "tokens_per_second"}`, where
//! `tokens` counts the new tokens and the speed includes reading the prompt.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::{io::Write, ops::ControlFlow, process::ExitCode, time::Instant};

use clap::Parser;
use firetender_hooks::Untouched;
use firetender_lm::{GenerateOptions, Sampling, generate};
use firetender_support::{Failure, Model, arguments, device, finish};

/// Asks a model and prints its answer.
#[derive(Parser)]
struct Arguments {
    /// A GGUF or llama2.c file, a Hugging Face folder, or `ember`.
    #[arg(long)]
    model: String,
    /// What to say. Models without a chat template continue it as plain text.
    #[arg(long, allow_hyphen_values = true)]
    prompt: String,
    /// A system message before it.
    #[arg(long, allow_hyphen_values = true)]
    system: Option<String>,
    /// Most new tokens.
    #[arg(long, default_value_t = 256)]
    max_tokens: usize,
    /// 0 picks the most likely token each time.
    #[arg(long, allow_hyphen_values = true, default_value_t = 0.0)]
    temperature: f64,
    /// Sample from this many most likely tokens only.
    #[arg(long)]
    top_k: Option<usize>,
    /// Sample from the most likely tokens that make up this share of the probability only.
    #[arg(long)]
    top_p: Option<f64>,
    /// Seed of the sampling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End the answer before this text; may be repeated.
    #[arg(long, allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Do not apply the chat template.
    #[arg(long)]
    raw: bool,
    /// Print one JSON object instead of streaming.
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
    let mut sampling = Sampling::new(arguments.temperature)?;
    if let Some(k) = arguments.top_k {
        sampling = sampling.with_top_k(k)?;
    }
    if let Some(p) = arguments.top_p {
        sampling = sampling.with_top_p(p)?;
    }
    let model = Model::open(&arguments.model, &device(arguments.device.as_deref())?)?;
    let tokenizer = model.tokenizer()?;
    let prompt = model.prompt(
        &arguments.prompt,
        arguments.system.as_deref(),
        arguments.raw,
    )?;
    let options = GenerateOptions {
        stop: arguments.stop.clone(),
        ..GenerateOptions::new(arguments.max_tokens)
            .with_sampling(sampling)
            .with_seed(arguments.seed)
            .with_end_tokens(tokenizer.eos())
    };
    let start = Instant::now();
    let streaming = !arguments.json && arguments.stop.is_empty();
    let mut stream = tokenizer.decode_stream_after(&prompt, true);
    let out = generate(
        &model.network,
        Some(tokenizer),
        &[prompt],
        &options,
        &mut Untouched,
        &mut |token| {
            if streaming {
                print!("{}", stream.push(token.id).unwrap_or_default());
                let _ = std::io::stdout().flush();
            }
            ControlFlow::Continue(())
        },
    )?;
    let seconds = start.elapsed().as_secs_f64();
    let answer = &out[0];
    if arguments.json {
        let speed = answer.ids.len() as f64 / seconds.max(1e-9);
        println!(
            "{}",
            serde_json::json!({ "text": answer.text, "tokens": answer.ids.len(), "tokens_per_second": speed })
        );
    } else if streaming {
        println!("{}", stream.finish()?);
    } else {
        println!("{}", answer.text);
    }
    Ok(())
}
