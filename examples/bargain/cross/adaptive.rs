//! Norm-adaptive players against players of one norm, and against themselves.

use std::fmt::Write;

use firetender_bargain::{
    Draws, Interval,
    agents::{Mode, Player, pair_all_recorded},
};
use firetender_support::Failure;
use serde_json::json;

use super::{
    Arguments, Table,
    fixed::{point, show},
};

/// Norms that a player knows, its favourite first; player 1 likes the utilitarian one, player 2 the egalitarian.
const GROUPS: [[(&str, &[usize]); 3]; 2] = [
    [("{U}", &[0]), ("{E}", &[1]), ("{U, E}", &[0, 1])],
    [("{U}", &[0]), ("{E}", &[1]), ("{E, U}", &[1, 0])],
];

struct Cell {
    names: [&'static str; 2],
    score: Interval,
    payoffs: [f64; 2],
}

pub(super) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let replicates = arguments
        .replicates
        .unwrap_or(if crate::cross::is_coin(&arguments.game) {
            6
        } else {
            2
        });
    let table = Table::of(arguments, replicates)?;
    let rounds = table.rounds(arguments, arguments.compat);
    let draws = Draws {
        seed: arguments.seed,
        ..Draws::default()
    };
    let players = |seat: usize, group: usize, mode: Mode| {
        let all = (0..replicates).map(|i| table.player(i, GROUPS[seat][group].1, mode));
        all.collect::<Result<Vec<Player>, Failure>>()
    };
    let mut record = table.record(arguments)?;
    let mut meet = |one: usize, two: usize, mode: Mode| -> Result<Cell, Failure> {
        let sure = match mode {
            Mode::RandomSwitch { p, .. } => format!(" p {p}"),
            _ => String::new(),
        };
        let name = |seat: usize, group: usize| GROUPS[seat][group].0.replace(", ", "+");
        let found = pair_all_recorded(
            &table.model,
            [&players(0, one, mode)?, &players(1, two, mode)?],
            &rounds,
            &format!("{} with {}{sure}", name(0, one), name(1, two)),
            &mut record,
        )?;
        let scores = found.scores(&table.score);
        let found = found.table()?;
        // Players who were not trained together, as far as there are any.
        let alone = replicates == 1;
        let score = match found.cross(&scores, &draws, |_, _| true) {
            Ok(Some(score)) if !alone => score,
            _ => found.self_play(&scores, &draws)?,
        };
        let payoffs = found
            .mean_payoffs(|i, j| alone || i != j)
            .unwrap_or([f64::NAN; 2]);
        Ok(Cell {
            names: [GROUPS[0][one].0, GROUPS[1][two].0],
            score,
            payoffs,
        })
    };
    let mut cells = vec![];
    for one in 0..3 {
        for two in 0..3 {
            cells.push(meet(one, two, table.mode)?);
        }
    }
    // The trade-off: the surer a player is of its favourite, the less it gives way, and the less it agrees.
    let mut sweep = vec![];
    if matches!(table.mode, Mode::RandomSwitch { .. }) {
        for step in 0..=10 {
            let p = 0.5 + f64::from(step) * 0.05;
            let mode = match table.mode {
                Mode::RandomSwitch {
                    trigger,
                    keeps,
                    singletons,
                    ..
                } => Mode::RandomSwitch {
                    p,
                    trigger,
                    keeps,
                    singletons,
                },
                other => other,
            };
            sweep.push((p, meet(2, 2, mode)?, meet(0, 2, mode)?));
        }
    }
    let find = |one: &str, two: &str| {
        cells
            .iter()
            .find(|c| c.names == [one, two])
            .map(|c| c.score)
    };
    if arguments.json {
        let rows: Vec<_> = cells
            .iter()
            .map(|c| json!({"player1": c.names[0], "player2": c.names[1], "score": c.score, "payoffs": c.payoffs}))
            .collect();
        let curve: Vec<_> = sweep
            .iter()
            .map(|(p, both, stubborn)| {
                json!({
                    "p": p,
                    "adaptive_score": both.score,
                    "adaptive_payoffs": both.payoffs,
                    "stubborn_score": stubborn.score,
                    "stubborn_payoffs": stubborn.payoffs,
                })
            })
            .collect();
        let text = json!({
            "agents": "norm-adaptive",
            "game": table.model.name(),
            "mode": table.mode,
            "p": arguments.p,
            "replicates": replicates,
            "steps": table.steps,
            "exact": !table.coin,
            "score": table.score,
            "self_play": find("{U, E}", "{E, U}"),
            "table": rows,
            "sweep": curve,
        });
        return Ok(serde_json::to_string_pretty(&text)?);
    }
    let mut text = String::new();
    writeln!(
        text,
        "{}: norms that each knows, favourite first; {} steps",
        table.model.name(),
        table.steps
    )?;
    for c in &cells {
        writeln!(
            text,
            "  {:<8} with {:<8} score {}  pays {}",
            c.names[0],
            c.names[1],
            show(Some(c.score)),
            point(Some(c.payoffs))
        )?;
    }
    if !sweep.is_empty() {
        writeln!(
            text,
            "probability of the favourite: score and payoff of player 1 among adaptive players, and payoff of a stubborn player 1"
        )?;
        for (p, both, stubborn) in &sweep {
            writeln!(
                text,
                "  {p:.2}  score {:.4}  earns {:.3}  stubborn earns {:.3}",
                both.score.mean, both.payoffs[0], stubborn.payoffs[0]
            )?;
        }
    }
    Ok(text)
}
