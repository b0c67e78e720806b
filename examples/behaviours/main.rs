//! Four behaviours of a real model on published text sets: mood, truth, refusal, and an A/B question set.
//!
//! `cargo run --release --example behaviours -- refusal --model M --data FOLDER [--quick] [--json]`, where FOLDER holds the sets
//! (`examples/behaviours/README.md` says which and where they come from; none of them is part of the repository).
//!
//! Prompts are divided into three parts. The direction is fitted to the first; layer and strength are chosen on the second, as the
//! largest effect within a budget of damage to harmless prompts; what is printed was measured on the third, which nothing was
//! chosen on. Random directions of the same length are the control, and all intervals are over prompts.

#![expect(clippy::print_stdout, reason = "results go to standard output")]

mod behaviour;
mod data;
mod experiment;
mod likelihood;
mod output;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use firetender_support::{Failure, Model, arguments, device, finish};

use crate::experiment::Settings;

/// Steers a real model toward a behaviour, and measures what that does and what it breaks.
#[derive(Parser)]
struct Arguments {
    /// The behaviour.
    behaviour: Kind,
    /// A GGUF file, a Hugging Face folder, or `ember`.
    #[arg(long)]
    model: String,
    /// Folder of the text sets.
    #[arg(long)]
    data: String,
    /// Damage to harmless prompts that the chosen strength may do: mean KL(steered || plain) in nats per token.
    #[arg(long, default_value_t = 0.1)]
    budget: f64,
    /// Number of random directions.
    #[arg(long, default_value_t = 5)]
    controls: u64,
    /// A few prompts only, to see that it runs.
    #[arg(long)]
    quick: bool,
    /// Folder of the figures.
    #[arg(long, default_value = "target/behaviours")]
    out: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

/// Which behaviour.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Happy against sad scenes; words after neutral beginnings.
    Mood,
    /// True against false facts; TruthfulQA by likelihood.
    Truth,
    /// Harmful against harmless requests; beginning a refusal.
    Refusal,
    /// Answers of an A/B question set; the probability of the letter.
    Ab,
}

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = Settings::new(arguments.budget, arguments.controls, arguments.quick)?;
    let sets = data::Folder::new(&arguments.data);
    let texts = behaviour::texts(arguments.behaviour, &sets)?;
    let model = Model::open(&arguments.model, &device(arguments.device.as_deref())?)?;
    let behaviour = behaviour::prepare(texts, &model, &settings)?;
    let found = experiment::run(&behaviour, &model, &settings)?;
    let figures = output::figures(&behaviour, &found, &model, &arguments.out)?;
    if arguments.json {
        println!("{}", output::value(&behaviour, &found, &model, &figures));
    } else {
        println!("{}", output::text(&behaviour, &found, &figures)?);
    }
    Ok(())
}
