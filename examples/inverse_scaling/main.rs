//! Does a task get worse as language models grow? `cargo run --release --example inverse_scaling -- COMMAND …`.
//!
//! `trend`, `regress` and `fit` judge tables of results; `eval` scores models on a task file; `compare-boundaries` asks what the rule for cutting a continuation from text
//! changes; `verify-data` checks the official files. Without a command, the built-in family of models is evaluated on its own tasks and drawn. `--json` prints one
//! JSON object and nothing else.

#![expect(clippy::print_stdout, reason = "results go to standard output")]

mod data;
mod fit;
mod regress;
mod trend;

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};
use firetender_support::{Failure, fail, finish};

/// Evaluates families of language models on inverse-scaling tasks.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// All trend statistics and a label for each task of a table (without a table: Pythia's results from the data folder).
    Trend(trend::Arguments),
    /// The two-factor regression on parameters and training tokens.
    Regress(regress::Arguments),
    /// Fits a scaling law to points.
    Fit(fit::Arguments),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            error.exit()
        }
        Err(error) => return finish(usage(&error)),
    };
    finish(run(arguments))
}

/// One line of what clap has to say.
fn usage(error: &clap::Error) -> Result<(), Failure> {
    let text = error.to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    fail(lines.join(" ").trim_start_matches("error: ").to_owned())
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Some(Command::Trend(arguments)) => trend::run(&arguments),
        Some(Command::Regress(arguments)) => regress::run(&arguments),
        Some(Command::Fit(arguments)) => fit::run(&arguments),
        None => fail("give a command: trend, regress, fit"),
    }
}
