//! `bargain solve`.

use std::{fmt::Write, path::Path};

use firetender_bargain::{
    bargaining::{
        Filter, Scope, Solution, is_asymmetric, is_bargaining_problem, is_coordination_problem,
        solve,
    },
    equilibria, games, minimax,
};
use firetender_support::{Failure, fail};
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A game's name (ipd, asym-bos, chicken, …), or a .json or .nfg file.
    #[arg(long)]
    game: String,
    /// What each player gets without agreement: `a,b`, or `minimax`, `pure-minimax` or `mixed-equilibrium`.
    #[arg(long, default_value = "minimax", allow_hyphen_values = true)]
    disagreement: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let game = match games::named_or_file(&arguments.game) {
        Ok(game) => game,
        Err(error) => return several(arguments)?.map_or_else(|| fail(error.to_string()), Ok),
    };
    let disagreement = crate::score::disagreement(Some(&arguments.disagreement), &game)?;
    let norms = solve(&game, disagreement)?;
    let list = equilibria(&game)?;
    let ask = |filter| is_bargaining_problem(&game, Scope::Profiles, filter);
    let witness = ask(Filter::default());
    let coordination = is_coordination_problem(&game, Scope::Profiles, Filter::default());
    if arguments.json {
        let equilibria: Vec<_> = list
            .iter()
            .map(|e| json!({"strategies": e.strategies, "payoffs": e.payoffs}))
            .collect();
        let found = json!({
            "game": game.name(),
            "actions": game.actions(),
            "disagreement": norms.disagreement,
            "ideal": norms.ideal,
            "minimax": minimax::mixed(&game),
            "pure_minimax": minimax::pure(&game),
            "frontier": norms.frontier,
            "utilitarian": norms.utilitarian.ends(),
            "nash": norms.nash,
            "egalitarian": norms.egalitarian,
            "kalai_smorodinsky": norms.kalai_smorodinsky,
            "equal_loss": norms.equal_loss,
            "equilibria": equilibria,
            "predicates": {
                "coordination_problem": coordination.is_some(),
                "bargaining_problem": witness.is_some(),
                "bargaining_problem_pareto_only": ask(Filter::ParetoOnly).is_some(),
                "bargaining_problem_pareto_and_nash": ask(Filter::ParetoAndNash).is_some(),
                "asymmetric": is_asymmetric(&game),
                "witness": witness,
            },
        });
        return Ok(serde_json::to_string_pretty(&found)?);
    }
    let point = |p: [f64; 2]| format!("({:.4}, {:.4})", p[0], p[1]);
    let utilitarian = match norms.utilitarian {
        Solution::Segment([a, b]) => format!("all from {} to {}", point(a), point(b)),
        other => point(other.ends()[0]),
    };
    let mut text = String::new();
    writeln!(
        text,
        "{} ({} × {} actions)",
        game.name(),
        game.actions()[0],
        game.actions()[1]
    )?;
    writeln!(text, "disagreement        {}", point(norms.disagreement))?;
    writeln!(text, "ideal               {}", point(norms.ideal))?;
    writeln!(text, "utilitarian         {utilitarian}")?;
    for (name, value) in [
        ("Nash", norms.nash),
        ("egalitarian", norms.egalitarian),
        ("Kalai–Smorodinsky", norms.kalai_smorodinsky),
        ("equal loss", norms.equal_loss),
    ] {
        writeln!(text, "{name:<20}{}", point(value))?;
    }
    writeln!(text, "Nash equilibria")?;
    for e in &list {
        let mix = |s: &[f64]| {
            s.iter()
                .map(|p| format!("{p:.3}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        writeln!(
            text,
            "  [{}] [{}] pays {}",
            mix(&e.strategies[0]),
            mix(&e.strategies[1]),
            point(e.payoffs)
        )?;
    }
    let yes = |b: bool| if b { "yes" } else { "no" };
    writeln!(text, "bargaining problem  {}", yes(witness.is_some()))?;
    writeln!(text, "asymmetric          {}", yes(is_asymmetric(&game)))?;
    Ok(text)
}

/// A table of more than two players, where the file is one: its pure profiles.
fn several(arguments: &Arguments) -> Result<Option<String>, Failure> {
    let path = Path::new(&arguments.game);
    if path.extension().is_none_or(|e| e != "json") {
        return Ok(None);
    }
    let game = match games::SeveralGame::from_file(path) {
        Ok(game) if game.players() > 2 => game,
        _ => return Ok(None),
    };
    let floor = match arguments.disagreement.as_str() {
        "minimax" | "pure-minimax" => game.pure_minimax(),
        text => crate::numbers("disagreement", text)?,
    };
    if floor.len() != game.players() || !floor.iter().all(|d| d.is_finite()) {
        return fail(format!(
            "--disagreement {}: expected {} finite numbers, one a player",
            arguments.disagreement,
            game.players()
        ));
    }
    let points = |profiles: Vec<Vec<usize>>| -> Vec<_> {
        let one = |p: Vec<usize>| json!({"profile": p, "payoffs": game.payoffs(&p)});
        profiles.into_iter().map(one).collect()
    };
    let pay = |profiles: Vec<Vec<usize>>| -> Vec<_> {
        profiles.iter().map(|p| json!(game.payoffs(p))).collect()
    };
    let witness = game.bargaining_problem();
    let found = json!({
        "game": game.name(),
        "players": game.players(),
        "actions": game.actions(),
        "disagreement": floor,
        "pure_minimax": game.pure_minimax(),
        "optimal": points(game.optimal()),
        "utilitarian": pay(game.utilitarian()),
        "nash": pay(game.nash(&floor)),
        "egalitarian": pay(game.egalitarian(&floor)),
        "equilibria": points(game.equilibria()),
        "predicates": {"bargaining_problem": witness.is_some(), "witness": witness},
    });
    if arguments.json {
        return Ok(Some(serde_json::to_string_pretty(&found)?));
    }
    let mut text = format!(
        "{} ({} players; pure profiles only)\n",
        game.name(),
        game.players()
    );
    for (name, profiles) in [
        ("utilitarian", game.utilitarian()),
        ("Nash", game.nash(&floor)),
        ("egalitarian", game.egalitarian(&floor)),
        ("Nash equilibria", game.equilibria()),
    ] {
        writeln!(text, "{name:<20}{profiles:?}")?;
    }
    let yes = if witness.is_some() { "yes" } else { "no" };
    writeln!(text, "bargaining problem  {yes}")?;
    Ok(Some(text))
}
