//! Test-time augmentation and greedy policy search:
//! `cargo run --release --example tta -- apply|search|policy|evaluate …`.
//!
//! `apply` changes one image as a recipe says, byte for byte as Pillow does. `search` picks from a pool of predictions, `policy convert` turns
//! policy files into others, `evaluate` compares policies with the usual baselines. Without a command, all of it on images that are drawn from a seed.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::doc_markdown, reason = "help texts are read in a terminal")]

mod apply;
mod data;
mod evaluate;
mod policy;
mod search;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use firetender_support::{Failure, arguments, finish};

/// Augments images, searches policies, compares them.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// One image under one recipe; prints what was done, with everything that was drawn.
    Apply(apply::Arguments),
    /// Which entries of a pool, averaged, predict best.
    Search(search::Arguments),
    /// Policy files.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Finds a policy and compares it with the usual baselines (also without a command).
    Evaluate(evaluate::Arguments),
    /// Trains the network for signs again.
    Train(train::Arguments),
}

fn main() -> ExitCode {
    finish(run(arguments::<Arguments>()))
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Some(Command::Apply(arguments)) => apply::run(&arguments),
        Some(Command::Search(arguments)) => search::run(&arguments),
        Some(Command::Policy(command)) => policy::run(&command),
        Some(Command::Evaluate(arguments)) => evaluate::run(&arguments),
        Some(Command::Train(arguments)) => train::run(&arguments),
        None => evaluate::run(&evaluate::Arguments::default()),
    }
}
