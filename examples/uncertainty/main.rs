//! How good are predicted probabilities, and what is an ensemble worth:
//! `cargo run --release --example uncertainty -- metrics|temperature|ensemble|dee|compare …`.
//!
//! Predictions come as `.npy` or `.npz` files of logits, log-probabilities or probabilities; each table `[N, C]` is a member, and
//! `[K, N, C]` holds K of them. Without a command, a small set is drawn from a seed and shown through all of them. `--json` prints one
//! JSON object and nothing else.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::doc_markdown, reason = "help texts are read in a terminal")]

mod compare;
mod dee;
mod demo;
mod ensemble;
mod figures;
mod input;
mod metrics;
mod temperature;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use firetender_support::{Failure, arguments, finish};

/// Measures, calibrates and compares predicted probabilities.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// All metrics of the average of the members.
    Metrics(metrics::Arguments),
    /// The temperature that fits best, and the calibrated log-likelihood by cross-validation.
    Temperature(temperature::Arguments),
    /// All metrics of every ensemble size, with the calibrated log-likelihood by test-time cross-validation.
    Ensemble(ensemble::Arguments),
    /// How many independently trained networks a method is worth, from a table of curves.
    Dee(dee::Arguments),
    /// Which of several methods is better, with intervals.
    Compare(compare::Arguments),
    /// A set drawn from a seed, through all of it (also without a command).
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    finish(run(arguments::<Arguments>()))
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Some(Command::Metrics(arguments)) => metrics::run(&arguments),
        Some(Command::Temperature(arguments)) => temperature::run(&arguments),
        Some(Command::Ensemble(arguments)) => ensemble::run(&arguments),
        Some(Command::Dee(arguments)) => dee::run(&arguments),
        Some(Command::Compare(arguments)) => compare::run(&arguments),
        Some(Command::Demo(arguments)) => demo::run(&arguments),
        None => demo::run(&demo::Arguments::parse_from(["demo"])),
    }
}
