//! Players with one norm each: amTFT.

use std::fmt::Write;

use firetender_bargain::{
    Draws, Interval,
    agents::{Mode, Player, Rounds, pair_all},
};
use firetender_support::Failure;
use serde_json::json;

use super::{Arguments, Table};

const NAMES: [&str; 2] = ["utilitarian", "egalitarian"];

pub(super) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let replicates = arguments
        .replicates
        .unwrap_or(if crate::cross::is_coin(&arguments.game) {
            12
        } else {
            40
        });
    let table = Table::of(arguments, replicates)?;
    // All replicates of the first norm, then all of the second.
    let players: Vec<Player> = (0..2 * replicates)
        .map(|i| table.player(i % replicates, &[i / replicates], Mode::PreferenceOrdering))
        .collect::<Result<_, _>>()?;
    let rounds = Rounds {
        steps: table.steps,
        episodes: arguments.episodes,
        seed: arguments.seed,
        exact: !table.coin,
        remember: false,
    };
    let found = pair_all(&table.model, [&players, &players], &rounds)?;
    let scores = found.scores(&table.score);
    let found = found.table()?;
    let draws = Draws {
        seed: arguments.seed,
        ..Draws::default()
    };
    let norm = |i: usize| i / replicates;
    let own = found.self_play(&scores, &draws)?;
    let all = found.cross(&scores, &draws, |_, _| true)?;
    let same = found.cross(&scores, &draws, |i, j| norm(i) == norm(j))?;
    let different = found.cross(&scores, &draws, |i, j| norm(i) != norm(j))?;
    let pay = |keep: &dyn Fn(usize, usize) -> bool| found.mean_payoffs(keep);
    let payoffs = [
        ("self_play", pay(&|i, j| i == j)),
        ("cross_play", pay(&|i, j| i != j)),
        ("same_norm", pay(&|i, j| i != j && norm(i) == norm(j))),
        ("different_norm", pay(&|i, j| norm(i) != norm(j))),
    ];
    if arguments.json {
        let payoffs: serde_json::Map<String, serde_json::Value> = payoffs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), json!(v)))
            .collect();
        let text = json!({
            "agents": "amtft",
            "game": table.model.name(),
            "norms": NAMES,
            "replicates": replicates,
            "steps": table.steps,
            "exact": !table.coin,
            "score": table.score,
            "self_play": own,
            "cross_play": all,
            "same_norm": same,
            "different_norm": different,
            "payoffs": payoffs,
        });
        return Ok(serde_json::to_string_pretty(&text)?);
    }
    let mut text = String::new();
    writeln!(
        text,
        "{}: amTFT, {replicates} replicates of each of {}, {} steps; scores with 99 % intervals over replicates",
        table.model.name(),
        NAMES.join(" and "),
        table.steps
    )?;
    for (name, value, (_, pay)) in [
        ("self-play", Some(own), payoffs[0]),
        ("cross-play, all", all, payoffs[1]),
        ("cross-play, same norm", same, payoffs[2]),
        ("cross-play, different", different, payoffs[3]),
    ] {
        writeln!(text, "  {name:<24}{}  pays {}", show(value), point(pay))?;
    }
    Ok(text)
}

pub(super) fn show(value: Option<Interval>) -> String {
    value.map_or_else(
        || "no such pair".into(),
        |i| format!("{:.3} [{:.3}, {:.3}]", i.mean, i.low, i.high),
    )
}

pub(super) fn point(payoffs: Option<[f64; 2]>) -> String {
    payoffs.map_or_else(|| "–".into(), |p| format!("({:.3}, {:.3})", p[0], p[1]))
}
