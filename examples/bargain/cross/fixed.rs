//! Players with one norm each: amTFT.

use std::fmt::Write;

use firetender_bargain::{
    Draws, Interval, Score,
    agents::{Mode, Player, pair_all_recorded},
};
use firetender_support::Failure;
use serde_json::json;

use super::{Arguments, Table};

const NAMES: [&str; 2] = ["utilitarian", "egalitarian"];

/// Scores and payoffs of amTFT players of two norms.
pub(crate) struct Summary {
    game: String,
    steps: usize,
    exact: bool,
    replicates: usize,
    score: Score,
    pub(crate) own: Interval,
    pub(crate) all: Option<Interval>,
    pub(crate) same: Option<Interval>,
    pub(crate) different: Option<Interval>,
    /// Of self-play, cross-play, same norm, different norms.
    pub(crate) payoffs: [(&'static str, Option<[f64; 2]>); 4],
}

pub(super) fn measure(arguments: &Arguments) -> Result<Summary, Failure> {
    let usual = if crate::cross::is_coin(&arguments.game) {
        12
    } else {
        40
    };
    let replicates = arguments.replicates.unwrap_or(usual);
    let table = Table::of(arguments, replicates)?;
    // All replicates of the first norm, then all of the second.
    let players: Vec<Player> = (0..2 * replicates)
        .map(|i| table.player(i % replicates, &[i / replicates], Mode::PreferenceOrdering))
        .collect::<Result<_, _>>()?;
    let rounds = table.rounds(arguments, false);
    let mut record = table.record(arguments)?;
    let both = [&players[..], &players[..]];
    let found = pair_all_recorded(&table.model, both, &rounds, "amtft", &mut record)?;
    let scores = found.scores(&table.score);
    let found = found.table()?;
    let draws = Draws {
        seed: arguments.seed,
        ..Draws::default()
    };
    let norm = |i: usize| i / replicates;
    let pay = |keep: &dyn Fn(usize, usize) -> bool| found.mean_payoffs(keep);
    Ok(Summary {
        game: table.model.name().into(),
        steps: table.steps,
        exact: !table.coin,
        replicates,
        own: found.self_play(&scores, &draws)?,
        all: found.cross(&scores, &draws, |_, _| true)?,
        same: found.cross(&scores, &draws, |i, j| norm(i) == norm(j))?,
        different: found.cross(&scores, &draws, |i, j| norm(i) != norm(j))?,
        payoffs: [
            ("self_play", pay(&|i, j| i == j)),
            ("cross_play", pay(&|i, j| i != j)),
            ("same_norm", pay(&|i, j| i != j && norm(i) == norm(j))),
            ("different_norm", pay(&|i, j| norm(i) != norm(j))),
        ],
        score: table.score,
    })
}

pub(super) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let found = measure(arguments)?;
    let Summary {
        own,
        all,
        same,
        different,
        payoffs,
        replicates,
        ..
    } = found;
    if arguments.json {
        let payoffs: serde_json::Map<String, serde_json::Value> = payoffs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), json!(v)))
            .collect();
        let text = json!({
            "agents": "amtft",
            "game": found.game,
            "norms": NAMES,
            "replicates": replicates,
            "steps": found.steps,
            "exact": found.exact,
            "score": found.score,
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
        found.game,
        NAMES.join(" and "),
        found.steps
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
