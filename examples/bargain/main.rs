//! Bargaining games from the command line: what norms select, what policies earn, what learners settle on, and who agrees with whom.
//!
//! ```sh
//! cargo run --release --example bargain -- solve --game asym-bos
//! cargo run --release --example bargain -- value --game ipd --theta1 0.5,-0.3,0.2,-1,0.1 --theta2=-0.4,0.6,-0.2,0.3,0.7 --gamma 0.96
//! cargo run --release --example bargain -- lola --game asym-bos --pairs 100 --steps 200
//! cargo run --release --example bargain -- plan --game cg --welfare util
//! cargo run --release --example bargain -- cross-play --agents norm-adaptive --game asym-bos
//! cargo run --release --example bargain -- learn --game cg --learner lola-pg --replicates 4
//! cargo run --release --example bargain -- meta-game --game asym-bos
//! cargo run --release --example bargain -- meta-game --game chicken --selection welfare
//! cargo run --release --example bargain -- tournament --game ipd
//! cargo run --release --example bargain -- reproduce --report target/bargain
//! cargo run --release --example bargain -- bench
//! ```

#![expect(clippy::print_stdout, reason = "the outcome goes to standard output")]

mod bench;
mod cross;
mod keep;
mod learn;
mod lola;
mod meta;
mod plan;
mod reproduce;
mod score;
mod solve;
mod tournament;
mod value;
mod welfare;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use firetender_support::{Failure, arguments, fail, finish};

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
    /// The most that both can earn together, or each alone, by planning.
    Plan(plan::Arguments),
    /// Players who were trained or planned apart meet.
    CrossPlay(Box<cross::Arguments>),
    /// Players of coin games who learned by policy gradients or tables, and what happens when they meet.
    Learn(learn::Arguments),
    /// The game of announcing norms, built from learned players or idealised, and its solvers.
    MetaGame(meta::Arguments),
    /// Strategies with names, everyone against everyone, and what evolves among them.
    Tournament(tournament::Arguments),
    /// The published table at this machine's scale, each number beside the released one, with figures.
    Reproduce(reproduce::Arguments),
    /// How fast all of it is on this machine.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>().command))
}

fn run(command: &Command) -> Result<(), Failure> {
    let text = match command {
        Command::Solve(arguments) => solve::run(arguments)?,
        Command::Value(arguments) => value::run(arguments)?,
        Command::Lola(arguments) => lola::run(arguments)?,
        Command::Plan(arguments) => plan::run(arguments)?,
        Command::CrossPlay(arguments) => cross::run(arguments)?,
        Command::Learn(arguments) => learn::run(arguments)?,
        Command::MetaGame(arguments) => meta::run(arguments)?,
        Command::Tournament(arguments) => tournament::run(arguments)?,
        Command::Reproduce(arguments) => reproduce::run(arguments)?,
        Command::Bench(arguments) => bench::run(arguments)?,
    };
    println!("{}", text.trim_end());
    Ok(())
}

/// Numbers separated by commas.
fn numbers(flag: &str, text: &str) -> Result<Vec<f64>, Failure> {
    let one = |part: &str| {
        let number: f64 = part.trim().parse().or_else(|_| {
            fail(format!(
                "--{flag}: `{part}` is no number; expected numbers separated by commas"
            ))
        })?;
        Ok(number)
    };
    text.split(',').map(one).collect()
}
