//! `bargain bench`: how fast it is here, as medians of five.

use std::{fmt::Write, sync::Arc, time::Instant};

use firetender_bargain::{
    Draws, LolaOptions, Parameters, Repeated, Score, Welfare,
    agents::{AmTftOptions, NormPlayer, Player, Rounds, pair_all, planned_norms},
    coin::{CoinGame, CoinLanes},
    cross_play, games,
    markov::Model,
    plan::Punishment,
    population::{Matches, play_matches, strategies},
    train,
};
use firetender_support::Failure;
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Repetitions of each measurement.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// A tenth of the work.
    #[arg(long)]
    quick: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The median time of a job in seconds.
fn median(
    repetitions: usize,
    mut job: impl FnMut() -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let mut times = vec![];
    for _ in 0..repetitions.max(1) {
        let begun = Instant::now();
        job()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let n = arguments.repetitions;
    let less = if arguments.quick { 10 } else { 1 };
    let mut rows: Vec<(&str, f64, &str)> = vec![];
    for (name, lanes, steps) in [
        ("coin_game_steps_1", 1_usize, 2_000_000_u64),
        ("coin_game_steps_1024", 1024, 20_000),
        ("coin_game_steps_65536", 65_536, 1000),
    ] {
        let mut boards = CoinLanes::new(CoinGame::named("cg")?, lanes, 1);
        let steps = steps / less;
        let seconds = median(n, || {
            boards.wander(steps);
            Ok(())
        })?;
        rows.push((name, lanes as f64 * steps as f64 / seconds, "steps/s"));
    }
    let pool = strategies();
    let ipd = games::named("ipd")?;
    let how = Matches {
        repetitions: 2000 / less as usize,
        ..Matches::default()
    };
    let matches = pool.len() * (pool.len() + 1) / 2 * how.repetitions;
    let seconds = median(n, || {
        play_matches(&ipd, &pool, &how)?;
        Ok(())
    })?;
    rows.push((
        "memory_one_matches",
        matches as f64 / seconds,
        "matches of 200 rounds/s",
    ));
    let game = Repeated::new(ipd, 0.96)?.with_parameters(Parameters::SigmoidNormalised)?;
    let options = LolaOptions {
        pairs: 1000 / less as usize,
        ..LolaOptions::default()
    };
    let seconds = median(n, || {
        train(&game, &options)?;
        Ok(())
    })?;
    rows.push((
        "lola_pair_step",
        seconds / (options.pairs * options.steps) as f64 * 1e6,
        "µs",
    ));
    let bos = Repeated::new(games::named("asym-bos")?, 0.96)?
        .with_parameters(Parameters::SigmoidNormalised)?;
    let trained = train(
        &bos,
        &LolaOptions {
            pairs: 200 / less as usize,
            steps: 20,
            ..LolaOptions::default()
        },
    )?;
    let policies = |player: usize| {
        let all = trained.theta[player].iter();
        all.map(|theta| bos.policy(player, theta))
            .collect::<Result<Vec<_>, _>>()
    };
    let both = [policies(0)?, policies(1)?];
    let norms = [Welfare::Utilitarian, Welfare::Egalitarian, Welfare::Nash];
    let score = Score::new(&norms, &[5.0, 2.0, 4.5], [0.0; 2], "theory")?;
    let seconds = median(n, || {
        let table = cross_play(&bos, &both)?;
        let scores = table.scores(&score);
        table.cross(&scores, &Draws::default(), |_, _| true)?;
        Ok(())
    })?;
    rows.push(("cross_play_200x200", seconds, "s"));
    let seconds = median(n, || {
        let model = Model::of(&games::named("asym-bos")?)?;
        let replicates = 40 / less;
        let seeds: Vec<u64> = (0..replicates).collect();
        let all = planned_norms(&model, Punishment::Minimax, [0.0; 2], 200, &seeds)?;
        let mut list = vec![];
        for pair in all {
            for norm in pair {
                list.push(Player::Norms(NormPlayer::amtft(
                    Arc::new(norm),
                    AmTftOptions::default(),
                )?));
            }
        }
        let rounds = Rounds {
            steps: 20,
            episodes: 1,
            seed: 0,
            exact: true,
            remember: false,
        };
        let found = pair_all(&model, [&list, &list], &rounds)?;
        let scores = found.scores(&score);
        found
            .table()?
            .cross(&scores, &Draws::default(), |_, _| true)?;
        Ok(())
    })?;
    rows.push(("amtft_asym_bos_80x80", seconds, "s"));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if arguments.json {
        let values: serde_json::Map<String, serde_json::Value> = rows
            .iter()
            .map(|(name, value, unit)| ((*name).to_owned(), json!({"value": value, "unit": unit})))
            .collect();
        let text = json!({"threads": threads, "repetitions": n, "quick": arguments.quick, "results": values});
        return Ok(serde_json::to_string_pretty(&text)?);
    }
    let mut text = String::new();
    writeln!(text, "medians of {n}, {threads} threads")?;
    for (name, value, unit) in rows {
        let shown = if value > 1e5 {
            format!("{value:.3e}")
        } else {
            format!("{value:.3}")
        };
        writeln!(text, "{name:<24}{shown:>14} {unit}")?;
    }
    Ok(text)
}
