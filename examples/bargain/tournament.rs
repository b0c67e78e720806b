//! `bargain tournament`.

use std::fmt::Write;

use firetender_bargain::{
    games,
    population::{Strategy, moran, replicator_mix, strategies, tournament},
};
use firetender_support::{Failure, fail};
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A game of two actions each, by name or file.
    #[arg(long, default_value = "ipd")]
    game: String,
    /// Strategies by name, comma-separated, or all.
    #[arg(long, default_value = "all")]
    strategies: String,
    /// Rounds of a match; payoffs are exact expectations.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Players of the Moran process.
    #[arg(long, default_value_t = 100)]
    population: usize,
    /// Runs of the Moran process.
    #[arg(long, default_value_t = 50)]
    runs: u64,
    /// How strongly payoffs matter in the Moran process.
    #[arg(long, default_value_t = 1.0)]
    intensity: f64,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let game = games::named_or_file(&arguments.game)?;
    let players: Vec<Strategy> = match arguments.strategies.as_str() {
        "all" => strategies(),
        list => list
            .split(',')
            .map(Strategy::named)
            .collect::<Result<_, _>>()?,
    };
    if arguments.runs > 100_000 {
        return fail(format!(
            "--runs {}: expected at most 100,000",
            arguments.runs
        ));
    }
    let found = tournament(&game, &players, arguments.rounds)?;
    let fitness = found.fitness();
    let evolved = replicator_mix(&fitness, 100_000, 0.01, 100)?;
    let mut wins = vec![0.0; players.len()];
    for run in 0..arguments.runs {
        let seed = arguments.seed.wrapping_add(run);
        let end = moran(
            &fitness,
            arguments.population,
            arguments.intensity,
            1_000_000,
            seed,
        )?;
        for (win, share) in wins.iter_mut().zip(end.end()) {
            *win += share / arguments.runs as f64;
        }
    }
    let ranking = found.ranking();
    let at = |name: &str| found.names.iter().position(|n| n == name).unwrap_or(0);
    if arguments.json {
        let rows: Vec<_> = ranking
            .iter()
            .map(|(name, mean)| {
                json!({"strategy": name, "payoff": mean, "replicator": evolved.end()[at(name)], "moran": wins[at(name)]})
            })
            .collect();
        let text = json!({
            "game": game.name(),
            "rounds": arguments.rounds,
            "ranking": rows,
            "strategies": found.names,
            "payoffs": found.payoffs,
        });
        return Ok(serde_json::to_string_pretty(&text)?);
    }
    let mut text = String::new();
    writeln!(
        text,
        "{}: {} strategies, {} rounds, exact",
        game.name(),
        players.len(),
        arguments.rounds
    )?;
    writeln!(
        text,
        "{:<28}{:>10}{:>12}{:>8}",
        "", "a round", "replicator", "Moran"
    )?;
    for (name, mean) in &ranking {
        writeln!(
            text,
            "{name:<28}{mean:>10.4}{:>12.3}{:>8.3}",
            evolved.end()[at(name)],
            wins[at(name)]
        )?;
    }
    Ok(text)
}
