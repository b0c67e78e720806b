//! Coin games, matches and exact LOLA beside numba, Axelrod and JAX, in the same run:
//! `cargo run --release -p firetender-benches --bin compare_bargain -- --python PYTHON [--threads 2]`.
//!
//! One step of LOLA has to agree before any time is printed. Every time is a median, but for Axelrod's, which is one run.
#![expect(clippy::print_stdout, reason = "the table is this program's output")]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use firetender_bargain::{
    LolaOptions, Parameters, Repeated,
    coin::{CoinGame, CoinLanes},
    games,
    population::{Matches, Strategy, play_matches, strategies},
    train,
};
use firetender_measure::{Failure, finish, on_threads, peer, timed};
use serde::Deserialize;

/// Bargaining beside numba, Axelrod and JAX.
#[derive(Debug, Parser)]
struct Arguments {
    /// A Python with axelrod, jax and numba (`benches/peer/requirements.txt`); without it, only our times.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Threads of ours and of theirs.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Runs of each.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

/// What the script prints.
#[derive(Debug, Deserialize)]
struct Theirs {
    versions: String,
    coin_1024: f64,
    coin_65536: f64,
    matches: f64,
    lola: f64,
    values: [f64; 2],
    stepped: [Vec<f64>; 2],
}

fn main() -> ExitCode {
    finish(run(&Arguments::parse()))
}

/// The median time of a job in seconds.
fn median(runs: usize, job: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    Ok(timed(runs, job)?.value)
}

fn coins(runs: usize, boards: usize, steps: u64) -> Result<f64, Failure> {
    let mut lanes = CoinLanes::new(CoinGame::named("cg")?, boards, 1);
    let seconds = median(runs, || {
        lanes.wander(steps);
        Ok(())
    })?;
    Ok(boards as f64 * steps as f64 / seconds)
}

/// Twenty memory-one players, two more than have names.
fn pool() -> Vec<Strategy> {
    let mut pool = strategies();
    for (name, first_action) in [
        ("a", [0.7, 0.2, 0.6, 0.3, 1.0]),
        ("b", [0.8, 0.1, 0.9, 0.2, 1.0]),
    ] {
        pool.push(Strategy {
            name: name.into(),
            first_action,
        });
    }
    pool
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    on_threads(arguments.threads, arguments.runs)?;
    let runs = arguments.runs;
    let game = Repeated::new(games::named("ipd")?, 0.96)?
        .with_parameters(Parameters::SigmoidNormalised)?;
    let theirs = match &arguments.python {
        None => None,
        Some(python) => {
            let given = [runs.to_string(), arguments.threads.to_string()];
            let theirs: Theirs = peer(python, "bargain.py", &given, arguments.threads)?;
            agree(&game, &theirs)?;
            Some(theirs)
        }
    };
    let many = [coins(runs, 1024, 50_000)?, coins(runs, 65_536, 1000)?];
    let players = pool();
    let how = Matches {
        repetitions: 2000,
        ..Matches::default()
    };
    let seconds = median(runs, || {
        play_matches(&games::named("ipd")?, &players, &how)?;
        Ok(())
    })?;
    let matches = (players.len() * (players.len() + 1) / 2 * how.repetitions) as f64 / seconds;
    let options = LolaOptions {
        pairs: 1000,
        ..LolaOptions::default()
    };
    let seconds = median(runs, || {
        train(&game, &options)?;
        Ok(())
    })?;
    let lola = seconds / 200_000.0 * 1e6;
    println!("{} thread(s), medians of {runs} runs\n", arguments.threads);
    println!("| task | ours | theirs | ratio |\n|---|---:|---:|---:|");
    let row = |task: &str, ours: f64, theirs: Option<f64>, faster: bool| {
        let (shown, ratio) = theirs.map_or(("–".into(), "–".into()), |t| {
            let ratio = if faster { ours / t } else { t / ours };
            (format!("{t:.3e}"), format!("{ratio:.1}"))
        });
        println!("| {task} | {ours:.3e} | {shown} | {ratio} |");
    };
    let of = |value: fn(&Theirs) -> f64| theirs.as_ref().map(value);
    row(
        "coin game, 1,024 boards, steps/s (numba)",
        many[0],
        of(|t| t.coin_1024),
        true,
    );
    row(
        "coin game, 65,536 boards, steps/s (numba)",
        many[1],
        of(|t| t.coin_65536),
        true,
    );
    row(
        "memory-one matches of 200 rounds/s (Axelrod)",
        matches,
        of(|t| t.matches),
        true,
    );
    row(
        "exact LOLA, 1,000 pairs, µs a pair and step (JAX)",
        lola,
        of(|t| t.lola),
        false,
    );
    if let Some(theirs) = &theirs {
        println!("\n{}", theirs.versions);
    }
    Ok(())
}

/// One step of both from the same parameters.
fn agree(game: &Repeated, theirs: &Theirs) -> Result<(), Failure> {
    let one = [0.5, -0.5, -0.3, 0.1, 0.2, 0.9, -1.0, 0.4, 0.1, 0.0];
    let two = [-0.4, 0.2, 0.6, -0.8, -0.2, 0.3, 0.3, -0.6, 0.7, 0.5];
    let found = game.lola([&one, &two])?;
    let start = [one, two];
    let mut most = 0.0_f64;
    for (player, start) in start.iter().enumerate() {
        most = most.max((found.gradients.values[player] - theirs.values[player]).abs());
        for (i, x) in start.iter().enumerate() {
            let ours = x + found.gradients.own[player][i] + found.corrections[player][i];
            most = most.max((ours - theirs.stepped[player][i]).abs());
        }
    }
    if most > 1e-9 {
        return Err(format!("a step of LOLA differs by {most:e}").into());
    }
    Ok(())
}
