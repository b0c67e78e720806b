//! `bargain meta-game`.

use std::{fmt::Write, path::PathBuf};

use firetender_bargain::{
    CrossPlay, LolaOptions, NormClass, Parameters, Repeated, classify, cross_play_recorded,
    equilibria, games,
    meta::{Announcements, Outcome, Solver},
    train_recorded,
};
use firetender_support::{Failure, fail};
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A game whose learned pairs can be told apart by norm: asym-bos or asym-bos-and-pd. For welfare any payoff table, by name or file.
    #[arg(long, default_value = "asym-bos")]
    pub(crate) game: String,
    /// How norms are chosen: announcements (each announces a set), or welfare (each searches for a welfare function to lead by, as in `WelFuSe`).
    #[arg(long, default_value = "announcements")]
    selection: String,
    #[command(flatten)]
    pub(crate) welfare: crate::welfare::Arguments,
    /// The closed-form game of two norms instead of learned players.
    #[arg(long)]
    ideal: bool,
    /// Pairs that are trained for each meta-game, 40; for welfare, pairs that learn side by side, 100.
    #[arg(long)]
    pub(crate) pairs: Option<usize>,
    /// Meta-games, each from pairs of its own; results are their means.
    #[arg(long, default_value_t = 20)]
    games: usize,
    /// Folder where pairs and pairings of announcement games are written down as they come: a run that was stopped goes on.
    #[arg(long, visible_alias = "folder")]
    out: Option<PathBuf>,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

const NORMS: [(&str, NormClass); 3] = [
    ("E", NormClass::Egalitarian),
    ("M", NormClass::Mixed),
    ("U", NormClass::Utilitarian),
];

/// Meta-games, and how many sets of pairs lacked a norm and were left out.
fn learned(arguments: &Arguments) -> Result<(Vec<Announcements>, usize), Failure> {
    let stage = games::named_or_file(&arguments.game)?;
    if classify(stage.name(), [1.0, 1.0]).is_none() {
        return fail(format!(
            "--game {}: learned norms are told apart in asym-bos and asym-bos-and-pd only",
            arguments.game
        ));
    }
    let game =
        Repeated::new(stage.clone(), 0.96)?.with_parameters(Parameters::SigmoidNormalised)?;
    let pairs = arguments.pairs.unwrap_or(40);
    CrossPlay::allowed(pairs)?;
    if arguments.games > 100_000 {
        return fail(format!(
            "--games {}: expected at most 100,000",
            arguments.games
        ));
    }
    let made_with = json!({
        "game": crate::keep::table(&stage), "pairs": pairs, "games": arguments.games, "seed": arguments.seed,
    });
    let mut record = crate::keep::record(
        arguments.out.as_deref(),
        stage.name(),
        "meta-game",
        &made_with,
    )?;
    let (mut all, mut lacking) = (vec![], 0);
    for number in 0..arguments.games as u64 {
        let options = LolaOptions {
            pairs,
            seed: arguments.seed.wrapping_mul(10_007).wrapping_add(number),
            ..LolaOptions::default()
        };
        let name = format!("game {number} train");
        let trained = train_recorded(&game, &options, &name, &mut record)?;
        let policies = |player: usize| {
            let all = trained.theta[player].iter();
            all.map(|theta| game.policy(player, theta))
                .collect::<Result<Vec<_>, _>>()
        };
        let name = format!("game {number} pairs");
        let both = [policies(0)?, policies(1)?];
        let table = cross_play_recorded(&game, &both, &name, &mut record)?;
        let classes: Vec<_> = trained
            .payoffs
            .iter()
            .map(|p| classify(stage.name(), *p))
            .collect();
        let mean = |a: NormClass, b: NormClass| {
            table.mean_payoffs(|i, j| i != j && classes[i] == Some(a) && classes[j] == Some(b))
        };
        let row = |a: &(&str, NormClass)| {
            NORMS
                .iter()
                .map(|b| mean(a.1, b.1))
                .collect::<Option<Vec<_>>>()
        };
        match NORMS.iter().map(row).collect::<Option<Vec<_>>>() {
            Some(payoffs) => {
                let names = NORMS.map(|(name, _)| name);
                // Without a common norm player 1 plays by U and player 2 by E.
                all.push(Announcements::new(&names, &payoffs, [2, 0])?);
            }
            None => lacking += 1,
        }
    }
    if all.is_empty() {
        return fail(format!(
            "in none of {} sets of {} pairs was every norm learned twice; more --pairs help",
            arguments.games, pairs
        ));
    }
    Ok((all, lacking))
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    match arguments.selection.as_str() {
        "announcements" | "announcement" => announced(arguments),
        "welfare" | "welfuse" => crate::welfare::run(arguments),
        other => fail(format!(
            "--selection {other}: expected announcements or welfare"
        )),
    }
}

fn announced(arguments: &Arguments) -> Result<String, Failure> {
    let (all, lacking) = if arguments.ideal {
        (vec![Announcements::idealised()], 0)
    } else {
        learned(arguments)?
    };
    let n = all.len() as f64;
    let mut rows = vec![];
    for (name, solver) in Solver::all() {
        let found: Vec<Outcome> = all
            .iter()
            .enumerate()
            .map(|(i, meta)| solver.solve(meta, arguments.seed.wrapping_add(i as u64)))
            .collect::<Result<_, _>>()?;
        let mean = |value: &dyn Fn(&Outcome) -> f64| found.iter().map(value).sum::<f64>() / n;
        let strategies: Vec<Vec<f64>> = (0..2)
            .map(|player| {
                let actions = found[0].strategies[player].len();
                (0..actions)
                    .map(|a| mean(&|o| o.strategies[player][a]))
                    .collect()
            })
            .collect();
        rows.push((
            name,
            [mean(&|o| o.payoffs[0]), mean(&|o| o.payoffs[1])],
            [mean(&|o| o.answered[0]), mean(&|o| o.answered[1])],
            mean(&|o| o.coordination),
            strategies,
        ));
    }
    let labels = all[0].labels();
    // Payoffs averaged over the meta-games.
    let actions = labels.len();
    let cell = |a: usize, b: usize| {
        let sum = all.iter().fold([0.0; 2], |s, m| {
            let pair = m.game().payoffs(a, b);
            [s[0] + pair[0] / n, s[1] + pair[1] / n]
        });
        json!(sum)
    };
    if arguments.json {
        let solvers: serde_json::Map<String, serde_json::Value> = rows
            .iter()
            .map(|(name, payoffs, answered, coordination, strategies)| {
                let value = json!({
                    "payoffs": payoffs,
                    "payoffs_when_answered": answered,
                    "coordination": coordination,
                    "strategies": strategies,
                });
                ((*name).to_owned(), value)
            })
            .collect();
        let table: Vec<Vec<_>> = (0..actions)
            .map(|a| (0..actions).map(|b| cell(a, b)).collect())
            .collect();
        let list: Vec<_> = equilibria(all[0].game())?
            .iter()
            .map(|e| json!({"strategies": e.strategies, "payoffs": e.payoffs}))
            .collect();
        let text = json!({
            "game": if arguments.ideal { "idealised" } else { &arguments.game },
            "meta_games": all.len(),
            "left_out": lacking,
            "announcements": labels,
            "payoffs": table,
            "solvers": solvers,
            "equilibria": list,
        });
        return Ok(serde_json::to_string_pretty(&text)?);
    }
    let mut text = String::new();
    writeln!(
        text,
        "{} meta-games of {} announcements ({lacking} left out for want of a norm)",
        all.len(),
        labels.len()
    )?;
    writeln!(
        text,
        "{:<16}{:>16}{:>14}{:>24}",
        "", "payoffs", "coordination", "when the other answers"
    )?;
    for (name, payoffs, answered, coordination, _) in &rows {
        writeln!(
            text,
            "{name:<16}{:>8.3}{:>8.3}{coordination:>14.2}{:>16.3}{:>8.3}",
            payoffs[0], payoffs[1], answered[0], answered[1]
        )?;
    }
    Ok(text)
}
