//! Bargaining games from the command line: what norms select, what policies earn, what learners settle on, and who agrees with whom.
//!
//! ```sh
//! cargo run --release --example bargain -- solve --game asym-bos
//! cargo run --release --example bargain -- value --game ipd --theta1 0.5,-0.3,0.2,-1,0.1 --theta2=-0.4,0.6,-0.2,0.3,0.7 --gamma 0.96
//! cargo run --release --example bargain -- lola --game asym-bos --pairs 100 --steps 200
//! ```

#![expect(clippy::print_stdout, reason = "the outcome goes to standard output")]

mod lola;
mod solve;
mod value;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use firetender_support::{Failure, finish};

/// Games in which players have to agree on a norm.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The points that norms select, all Nash equilibria, and whether it is a bargaining problem.
    Solve(solve::Arguments),
    /// Exact values, gradients and LOLA's terms of two policies with memory of one round.
    Value(value::Arguments),
    /// Trains pairs of learners apart, and lets everyone meet everyone.
    Lola(lola::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    finish(run(&arguments.command))
}

fn run(command: &Command) -> Result<(), Failure> {
    let text = match command {
        Command::Solve(arguments) => solve::run(arguments)?,
        Command::Value(arguments) => value::run(arguments)?,
        Command::Lola(arguments) => lola::run(arguments)?,
    };
    println!("{}", text.trim_end());
    Ok(())
}

/// Numbers separated by commas.
fn numbers(flag: &str, text: &str) -> Result<Vec<f64>, Failure> {
    let one = |part: &str| {
        let number: f64 = part.trim().parse().or_else(|_| {
            firetender_support::fail(format!(
                "--{flag}: `{part}` is no number; expected numbers separated by commas"
            ))
        })?;
        Ok(number)
    };
    text.split(',').map(one).collect()
}
