//! Does a task get worse as language models grow? `cargo run --release --example inverse_scaling -- COMMAND …`.
//!
//! `trend`, `regress` and `fit` judge tables of results; `eval` scores models on a task file; `compare-boundaries` asks what the rule for cutting a continuation from text
//! changes; `verify-data` checks the official files; `rates` simulates how often a label errs. Without a command, the built-in family of models is evaluated on its own tasks and drawn. `--json` prints one
//! JSON object and nothing else.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::doc_markdown, reason = "help texts are read in a terminal")]

mod boundaries;
mod data;
mod eval;
mod family;
mod fit;
mod progress;
mod rates;
mod regress;
mod strength;
mod trend;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use firetender_support::{Failure, arguments, finish};

/// Evaluates families of language models on inverse-scaling tasks.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// The built-in family on its own tasks, with figures (also without a command).
    Family(family::Arguments),
    /// Scores models on a task file, and judges the trend where there are several.
    Eval(Box<eval::Arguments>),
    /// All trend statistics and a label for each task of a table (without a table: results of Pythia from the data folder).
    Trend(trend::Arguments),
    /// The two-factor regression on parameters and training tokens.
    Regress(regress::Arguments),
    /// Fits a scaling law to points.
    Fit(fit::Arguments),
    /// How often the label of a trend is wrong, by simulation.
    Rates(rates::Arguments),
    /// Compares the files of a folder with the official release.
    VerifyData(verify::Arguments),
    /// What the rule for cutting a continuation from text changes.
    CompareBoundaries(boundaries::Arguments),
}

fn main() -> ExitCode {
    finish(run(arguments()))
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Some(Command::Family(arguments)) => family::run(&arguments),
        Some(Command::Eval(arguments)) => eval::run(&arguments),
        Some(Command::Trend(arguments)) => trend::run(&arguments),
        Some(Command::Regress(arguments)) => regress::run(&arguments),
        Some(Command::Fit(arguments)) => fit::run(&arguments),
        Some(Command::Rates(arguments)) => rates::run(&arguments),
        Some(Command::VerifyData(arguments)) => verify::run(&arguments),
        Some(Command::CompareBoundaries(arguments)) => boundaries::run(&arguments),
        None => {
            let Some(Command::Family(arguments)) =
                Arguments::parse_from(["inverse_scaling", "family"]).command
            else {
                return Ok(());
            };
            family::run(&arguments)
        }
    }
}
