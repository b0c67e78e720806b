//! `bargain meta-game --selection welfare`: norms that are chosen by trying.

use std::fmt::Write;

use firetender_bargain::{
    Repeated, equilibria, games,
    welfare_search::{Aim, Episode, Opponent, SearchOptions, aim_game, search},
};
use firetender_support::Failure;
use serde_json::json;

/// Numbers of the search; the rest are those of `meta-game`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Welfare: welfare functions to choose from, comma-separated: greedy, egalitarian, fairness, utilitarian, selfless.
    #[arg(long, default_value = "greedy,egalitarian,fairness")]
    aims: String,
    /// Welfare: episodes of the search.
    #[arg(long, default_value_t = 3)]
    episodes: usize,
    /// Welfare: steps of learning in an episode.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Welfare: discount a round; 0 is a game that is played once.
    #[arg(long, default_value_t = 0.0)]
    gamma: f64,
    /// Welfare: step size.
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
    /// Welfare: the step that each takes the other to make.
    #[arg(long, default_value_t = 25.0)]
    ahead: f64,
}

pub(crate) fn run(all: &crate::meta::Arguments) -> Result<String, Failure> {
    let arguments = &all.welfare;
    let stage = games::named_or_file(&all.game)?;
    let game = Repeated::new(stage.clone(), arguments.gamma)?;
    let aims = arguments
        .aims
        .split(',')
        .map(Aim::named)
        .collect::<Result<Vec<_>, _>>()?;
    let options = SearchOptions {
        aims,
        pairs: all.pairs.unwrap_or(100),
        episodes: arguments.episodes,
        steps: arguments.steps,
        rate: arguments.rate,
        ahead: arguments.ahead,
        seed: all.seed,
        ..SearchOptions::default()
    };
    let table = aim_game(&game, &options, true)?;
    let choices = equilibria(&table)?;
    let with_itself = search(&game, &options, Opponent::Same)?;
    let with_naive = search(&game, &options, Opponent::Naive)?;
    let mut names: Vec<&str> = options.aims.iter().map(|aim| aim.name()).collect();
    names.push("naive");
    let n = names.len();
    if all.json {
        let rows: Vec<Vec<_>> = (0..n)
            .map(|a| (0..n).map(|b| table.payoffs(a, b)).collect())
            .collect();
        let list: Vec<_> = choices
            .iter()
            .map(|e| json!({"strategies": e.strategies, "payoffs": e.payoffs}))
            .collect();
        let found = json!({
            "game": stage.name(),
            "selection": "welfare",
            "options": options,
            "gamma": arguments.gamma,
            "aims": names,
            "payoffs": rows,
            "equilibria": list,
            "with_itself": with_itself,
            "with_naive": with_naive,
        });
        return Ok(serde_json::to_string_pretty(&found)?);
    }
    let mut text = String::new();
    writeln!(
        text,
        "{}: {} pairs; what players with these aims end at, player 1's in rows",
        stage.name(),
        options.pairs
    )?;
    write!(text, "{:<14}", "")?;
    for name in &names {
        write!(text, "{name:>18}")?;
    }
    writeln!(text)?;
    for (a, name) in names.iter().enumerate() {
        write!(text, "{name:<14}")?;
        for b in 0..n {
            let [one, two] = table.payoffs(a, b);
            write!(text, "{:>18}", format!("({one:.3}, {two:.3})"))?;
        }
        writeln!(text)?;
    }
    let pure = |e: &&firetender_bargain::Equilibrium| {
        e.strategies
            .iter()
            .flatten()
            .all(|p| *p == 0.0 || *p == 1.0)
    };
    for e in choices.iter().filter(pure) {
        let at = |player: usize| e.strategies[player].iter().position(|p| *p == 1.0);
        let name = |player: usize| at(player).map_or("", |i| names[i]);
        writeln!(text, "equilibrium of aims: {} and {}", name(0), name(1))?;
    }
    for (title, episodes) in [("itself", &with_itself), ("naive", &with_naive)] {
        writeln!(text, "search with {title}, episode by episode")?;
        for Episode {
            chosen,
            payoffs,
            end,
            ..
        } in episodes
        {
            let count = names.iter().zip(&chosen[0]);
            let count: Vec<String> = count.map(|(name, n)| format!("{n} {name}")).collect();
            writeln!(
                text,
                "  pays ({:.3}, {:.3}), at the end ({:.3}, {:.3}); player 1: {}",
                payoffs[0],
                payoffs[1],
                end[0],
                end[1],
                count.join(", ")
            )?;
        }
    }
    Ok(text)
}
